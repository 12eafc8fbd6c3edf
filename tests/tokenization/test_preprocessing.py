"""A tokenizer of preprocessed text: what it reads and writes, and that it comes back."""

import json
from pathlib import Path

import pytest

from nmt.errors import UserError
from nmt.tokenization.preprocessing import (
    PreprocessedTokenizer,
    Preprocessing,
    preprocessed,
    preprocessing_of,
    without_preprocessing,
    words_as_written,
)
from nmt.tokenization.tokenizer import Tokenizer, load_tokenizer, load_tokenizers, save_tokenizers
from small_tokenizers import SUBWORDS, word_tokenizer

TEXT = "Der „Hund“ läuft, z. B. heute & morgen."
BOTH = Preprocessing("de", lowercase=True)
PLAIN: dict[str, Tokenizer] = {**SUBWORDS, "word": word_tokenizer()}


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("how", [BOTH, Preprocessing("de"), Preprocessing(lowercase=True)], ids=str)
def test_it_is_the_tokenizer_inside_on_preprocessed_text(kind: str, how: Preprocessing) -> None:
    inner = PLAIN[kind]
    tokenizer = PreprocessedTokenizer(inner, how)
    read = how(TEXT)
    assert (
        read
        == {
            (True, True): "der &quot; hund &quot; läuft , z. b. heute &amp; morgen .",
            (True, False): "Der &quot; Hund &quot; läuft , z. B. heute &amp; morgen .",
            (False, True): TEXT.lower(),
        }[bool(how.moses), how.lowercase]
    )
    ids = tokenizer.encode(TEXT)
    assert ids == inner.encode(read)
    assert tokenizer.encode_batch([TEXT, ""]) == [ids, []]
    assert tokenizer.sample_batch([TEXT] * 3, 5) == inner.sample_batch([read] * 3, 5)
    assert tokenizer.tokens(ids) == inner.tokens(ids)
    assert sum(tokenizer.word_starts(ids)) == len(tokenizer.words(TEXT)) == len(read.split())
    assert tokenizer.fingerprint not in (
        inner.fingerprint,
        PreprocessedTokenizer(inner, Preprocessing()).fingerprint,
    )
    if kind in SUBWORDS:
        joined = TEXT.lower() if how.lowercase else TEXT
        assert tokenizer.decode(ids) == (joined.replace("„", '"').replace("“", '"') if how.moses else joined)


def test_words_are_those_of_moses_as_a_person_writes_them() -> None:
    tokenizer = PreprocessedTokenizer(SUBWORDS["bpe"], Preprocessing("en", lowercase=True))
    assert tokenizer.words("Yes, “Tom’s”") == ["yes", ",", '"', "tom", "'s", '"']
    assert words_as_written(tokenizer, "Tom’s") == ["tom", "&apos;s"]
    assert words_as_written(SUBWORDS["bpe"], "Tom’s dog") == ["Tom’s", "dog"]
    assert tokenizer.surfaces() == SUBWORDS["bpe"].surfaces()


def test_a_long_text_is_read_alike() -> None:
    text = "Der Hund, " * 200
    assert BOTH(text) == " ".join(["der hund ,"] * 200)


@pytest.mark.parametrize("kind", PLAIN)
def test_it_comes_back(kind: str, tmp_path: Path) -> None:
    tokenizer = PreprocessedTokenizer(PLAIN[kind], BOTH)
    tokenizer.save(tmp_path, "src")
    again = load_tokenizer(tmp_path, "src")
    assert again.fingerprint == tokenizer.fingerprint
    assert preprocessing_of(again) == BOTH
    assert without_preprocessing(again).fingerprint == PLAIN[kind].fingerprint
    assert again.encode(TEXT) == tokenizer.encode(TEXT)


def test_a_tokenizer_without_is_written_as_ever(tmp_path: Path) -> None:
    SUBWORDS["bpe"].save(tmp_path, "src")
    assert [*json.loads((tmp_path / "src.json").read_text())] == [
        "format",
        "kind",
        "sha256",
        "dropout",
        "lowercase",
    ]


def test_one_vocabulary_may_be_of_two_languages(tmp_path: Path) -> None:
    bpe = SUBWORDS["bpe"]
    save_tokenizers(tmp_path, *preprocessed(bpe, bpe, (BOTH, Preprocessing("en", lowercase=True))))
    src, trg = load_tokenizers(tmp_path)
    assert src.vocabulary.tokens == trg.vocabulary.tokens
    assert src.encode("dog's") != trg.encode("dog's")
    alike = preprocessed(bpe, bpe, (Preprocessing(lowercase=True), Preprocessing(lowercase=True)))
    assert alike[0] is alike[1]
    save_tokenizers(tmp_path, *alike)
    src, trg = load_tokenizers(tmp_path)
    assert src is trg


def test_a_language_of_a_stranger_is_one_line(tmp_path: Path) -> None:
    PreprocessedTokenizer(SUBWORDS["bpe"], BOTH).save(tmp_path, "src")
    path = tmp_path / "src.json"
    path.write_text(path.read_text().replace('"de"', '"tlh"'))
    with pytest.raises(UserError, match="Moses does not know the language tlh"):
        load_tokenizer(tmp_path, "src")
