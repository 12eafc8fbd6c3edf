"""Words between spaces, and those of torchtext."""

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from nmt.errors import UserError
from nmt.tokenization.tokenizer import load_tokenizer
from nmt.tokenization.tokenizer_files import write_tokenizer
from nmt.tokenization.vocabulary import BOS, EOS, PAD, SPECIALS, UNK, Vocabulary
from nmt.tokenization.words import TorchtextTokenizer, WordTokenizer
from small_tokenizers import some_texts, word_tokenizer

HARMFUL = ["a\nb", "\x1b[31m", "\r", "\x0b", "a\x85", "\u2028", "\x00", "\x9b2J"]


@pytest.mark.parametrize("kind", [WordTokenizer, TorchtextTokenizer])
def test_a_strangers_pieces_break_no_line(kind: type[WordTokenizer], tmp_path: Path) -> None:
    if kind is TorchtextTokenizer:
        pytest.importorskip("torchtext")
    vocabulary = Vocabulary([*SPECIALS, "gut", *HARMFUL])
    data = json.dumps(vocabulary.tokens).encode()
    write_tokenizer(tmp_path, "src", data, kind="word" if kind is WordTokenizer else "torchtext")
    tokenizer = load_tokenizer(tmp_path, "src")
    ids = range(EOS + 1, len(vocabulary))
    assert [i for i in ids if i not in tokenizer.banned] == [vocabulary.id("gut")]
    for text in (tokenizer.decode(list(ids)), " ".join(tokenizer.tokens(list(ids)))):
        assert text.startswith("gut a\ufffdb \ufffd[31m ")
        assert len(f"{text}.".splitlines()) == 1
        text.encode()


def test_half_of_a_surrogate_pair_is_no_piece(tmp_path: Path) -> None:
    data = json.dumps([*SPECIALS, "\ud800"]).encode()
    write_tokenizer(tmp_path, "src", data, kind="word")
    with pytest.raises(UserError, match=r"src\.pieces\.json: cannot be used as a word tokenizer"):
        load_tokenizer(tmp_path, "src")


def test_words_between_spaces_and_unk_for_the_rare() -> None:
    tokenizer = word_tokenizer()
    assert tokenizer.vocabulary.tokens[4:] == (".", "Hund", "der")
    ids = tokenizer.encode("der  alte\tHund .")
    assert tokenizer.decode([BOS, *ids, EOS, PAD]) == "der <unk> Hund ."
    assert tokenizer.encode("<s> </s> <pad>") == [UNK] * 3
    assert tokenizer.banned == (PAD, BOS)
    assert tokenizer.word_starts(ids) == [True] * 4
    assert tokenizer.tokens(ids)[1] == "<unk>"
    assert tokenizer.encode_batch(["der", ""]) == tokenizer.sample_batch(["der", ""], 1) == [ids[:1], []]


def test_lowercase_words() -> None:
    tokenizer = word_tokenizer(lowercase=True)
    assert tokenizer.decode(tokenizer.encode("DER HUND")) == "der hund"
    assert tokenizer.fingerprint != word_tokenizer().fingerprint


@pytest.mark.parametrize(("texts", "least"), [([], 1), (["a b c"], 2)])
def test_no_word_left_is_an_error(texts: list[str], least: int) -> None:
    with pytest.raises(UserError, match="min_frequency"):
        WordTokenizer.train(texts, vocab_size=None, min_frequency=least, lowercase=False)


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("size", [None, 8, 12])
@pytest.mark.parametrize("least", [1, 20])
def test_torchtext_keeps_the_words_that_its_vocab_keeps(
    lowercase: bool, size: int | None, least: int
) -> None:
    vocab = pytest.importorskip("torchtext.vocab")
    utils = pytest.importorskip("torchtext.data.utils")
    texts = [*some_texts(30), 'He said: "<unk>" (twice)!']
    split = utils.get_tokenizer("basic_english" if lowercase else None)
    counts = Counter(token for text in texts for token in split(text))
    most = None if size is None else size - 4
    expected = vocab.Vocab(counts, max_size=most, min_freq=least, specials=list(SPECIALS))
    tokenizer = TorchtextTokenizer.train(texts, vocab_size=size, min_frequency=least, lowercase=lowercase)
    assert list(tokenizer.vocabulary.tokens) == expected.itos
    for text in texts:
        assert tokenizer.encode(text) == [expected[token] for token in split(text)]


def test_torchtext_splits_as_basic_english_does() -> None:
    pytest.importorskip("torchtext")
    tokenizer = TorchtextTokenizer.train(
        ["You can now install TorchText!"], vocab_size=None, min_frequency=1, lowercase=True
    )
    assert tokenizer.decode(tokenizer.encode("install  TorchText now!")) == "install torchtext now !"


def test_without_torchtext_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchtext.data.utils", None)
    with pytest.raises(UserError, match=r"pip install torchtext==0\.6\.0"):
        TorchtextTokenizer.train(["a"], vocab_size=None, min_frequency=1, lowercase=True)


def test_words_may_have_tags(tmp_path: Path) -> None:
    specials = [*SPECIALS, "<2de>"]
    WordTokenizer(Vocabulary([*specials, "a"], specials), lowercase=False).save(tmp_path, "shared")
    tokenizer = load_tokenizer(tmp_path, "shared")
    assert tokenizer.encode("<2de> a") == [UNK, 5]
    assert tokenizer.decode([4, 5, UNK, EOS]) == "a <unk>"
    assert 4 in tokenizer.banned


@pytest.mark.parametrize("kind", [WordTokenizer, TorchtextTokenizer])
def test_tags_are_learnt_as_special_tokens(kind: type[WordTokenizer]) -> None:
    if kind is TorchtextTokenizer:
        pytest.importorskip("torchtext")
    texts = ["<2de> ein Haus", "<2de> ein Hund"]
    tokenizer = kind.train(texts, vocab_size=7, min_frequency=1, lowercase=False, tags=["<2de>", "<2en>"])
    assert tokenizer.vocabulary.tokens == (*SPECIALS, "<2de>", "<2en>", "ein")
    assert tokenizer.encode("<2de> ein") == [UNK, 6]
    assert {4, 5} <= set(tokenizer.banned)
