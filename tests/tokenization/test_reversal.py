"""A tokenizer of targets that are written from their end: what it gives, and that it comes back."""

from pathlib import Path

import pytest

from nmt.tokenization.preprocessing import PreprocessedTokenizer, Preprocessing, preprocessing_of
from nmt.tokenization.reversal import (
    ReversedTokenizer,
    is_reversed,
    left_to_right,
    reading_order,
    right_to_left,
)
from nmt.tokenization.tokenizer import Tokenizer, load_tokenizers, save_tokenizers
from small_tokenizers import SUBWORDS, word_tokenizer

TEXTS = ["Der Hund läuft schnell über die Straße.", "", "the dog 中", "a  b "]
PLAIN: dict[str, Tokenizer] = {**SUBWORDS, "word": word_tokenizer()}


@pytest.mark.parametrize("kind", PLAIN)
def test_it_is_the_tokenizer_inside_from_the_last_token(kind: str) -> None:
    inner = PLAIN[kind]
    tokenizer = right_to_left(inner)
    for text in TEXTS:
        ids = tokenizer.encode(text)
        assert ids == inner.encode(text)[::-1]
        assert tokenizer.decode(ids) == inner.decode(inner.encode(text))
        assert tokenizer.tokens(ids) == inner.tokens(ids)
        assert tokenizer.word_starts(ids)[::-1] == inner.word_starts(ids[::-1])
        assert tokenizer.words(text) == inner.words(text)
    assert tokenizer.encode_batch(TEXTS) == [ids[::-1] for ids in inner.encode_batch(TEXTS)]
    assert tokenizer.sample_batch(TEXTS, 5) == [ids[::-1] for ids in inner.sample_batch(TEXTS, 5)]
    assert tokenizer.surfaces() == inner.surfaces()
    assert (tokenizer.kind, tokenizer.banned) == (inner.kind, inner.banned)
    assert tokenizer.fingerprint != inner.fingerprint


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("lowercase", [False, True])
def test_it_comes_back_from_a_folder(tmp_path: Path, kind: str, lowercase: bool) -> None:
    how = Preprocessing(lowercase=lowercase)
    src = PreprocessedTokenizer(PLAIN[kind], how) if lowercase else PLAIN[kind]
    save_tokenizers(tmp_path, src, right_to_left(src))
    again, written = load_tokenizers(tmp_path)
    assert (is_reversed(again), is_reversed(written)) == (False, True)
    assert preprocessing_of(written) == how
    assert written.fingerprint == right_to_left(src).fingerprint
    assert written.encode("Der Hund .") == src.encode("Der Hund .")[::-1]
    assert left_to_right(written).fingerprint == src.fingerprint
    assert left_to_right(again) is again
    save_tokenizers(tmp_path, again, left_to_right(written))
    assert not is_reversed(load_tokenizers(tmp_path)[1])


def test_places_as_they_are_read() -> None:
    assert reading_order(SUBWORDS["bpe"], 4) == [0, 1, 2, 3]
    assert reading_order(ReversedTokenizer(SUBWORDS["bpe"]), 4) == [2, 1, 0, 3]
    assert reading_order(ReversedTokenizer(SUBWORDS["bpe"]), 1) == [0]
