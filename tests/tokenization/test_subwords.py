"""Subwords and characters: round trips, special ids, sampling, training."""

import json
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nmt.builders.tokenizer import train_tokenizer
from nmt.config.data import SubwordTokenizer
from nmt.errors import UserError
from nmt.tokenization.subwords import SentencePieceTokenizer
from nmt.tokenization.tokenizer import load_tokenizer
from nmt.tokenization.vocabulary import BOS, EOS, PAD, SPECIALS, UNK, printable
from small_tokenizers import KINDS, SIZES, SUBWORDS, WORDS, SubwordKind, some_texts, trained

subwords = pytest.mark.parametrize("kind", KINDS)
TEXT = st.text().filter(lambda text: "\u2581" not in text)


@subwords
@given(text=TEXT | st.lists(st.sampled_from([*WORDS, *SPECIALS, " ", "<0x0A>", "▅"])).map("".join))
@example(text=" two  spaces \t tab and end ")
@example(text="<s> </s> <unk> <pad> <0x41>")
@example(text="\x00 \x01 \x7f \x85 \u2028 \r \f \ufeff \ufffd \U0010ffff")
@example(text="👩‍👩‍👧 Ünïcödé 東京 \u2585")
def test_decode_of_encode_is_the_text(kind: SubwordKind, text: str) -> None:
    tokenizer = SUBWORDS[kind]
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == printable(text)
    assert all(EOS < i < len(tokenizer.vocabulary) for i in ids)


@subwords
def test_the_one_exception_comes_back_as_a_space(kind: SubwordKind) -> None:
    assert SUBWORDS[kind].decode(SUBWORDS[kind].encode("a\u2581b")) == "a b"


@subwords
def test_special_ids_are_fixed_and_skipped_by_decode(kind: SubwordKind) -> None:
    tokenizer = SUBWORDS[kind]
    assert tokenizer.vocabulary.tokens[:4] == SPECIALS
    ids = tokenizer.encode("der Hund")
    assert tokenizer.decode([BOS, *ids[:1], UNK, *ids[1:], EOS, PAD]) == "der Hund"
    assert tokenizer.encode("") == []
    assert tokenizer.decode([EOS]) == ""


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_pieces_that_nearly_spell_a_special_one_do_not_become_it(kind: SubwordKind) -> None:
    texts = ["x<s y", "x s> y", "a<unk b", "unk> c", "</s q", "/s> q", "<pad", "pad>", "<0x4", "0x41>", "<s>"]
    tokenizer = SentencePieceTokenizer.train(some_texts() + texts * 60, kind=kind, vocab_size=320)
    for text in (*SPECIALS, "<0x41>", "x<s><s>"):
        ids = tokenizer.encode(text)
        assert min(ids) > EOS
        assert tokenizer.decode(ids) == text


@subwords
@given(data=st.data())
def test_no_id_that_is_not_banned_breaks_the_line(kind: SubwordKind, data: st.DataObject) -> None:
    tokenizer = SUBWORDS[kind]
    assert EOS not in tokenizer.banned
    assert {PAD, UNK, BOS} < set(tokenizer.banned)
    allowed = [i for i in range(len(tokenizer.vocabulary)) if i not in tokenizer.banned]
    text = tokenizer.decode(data.draw(st.lists(st.sampled_from(allowed))))
    assert len(f"{text}.".splitlines()) == 1
    assert not any(unicodedata.category(character) == "Cc" for character in text.replace("\t", ""))
    overlong = [tokenizer.vocabulary.id(piece) for piece in ("<0xC0>", "<0x8A>")]
    assert "\n" not in tokenizer.decode(overlong)


def test_characters_are_emitted_whole() -> None:
    pieces = SUBWORDS["char"].vocabulary.tokens
    allowed = [piece for i, piece in enumerate(pieces) if i not in SUBWORDS["char"].banned]
    assert "d" in allowed
    assert not any(piece.startswith("<0x") for piece in allowed)
    bpe = SUBWORDS["bpe"]
    assert bpe.vocabulary.id("<0xE2>") not in bpe.banned
    assert bpe.vocabulary.id("<0x09>") not in bpe.banned
    assert bpe.vocabulary.id("<0x1B>") in bpe.banned


def test_a_strangers_subwords_break_no_line() -> None:
    import io

    import sentencepiece

    model = io.BytesIO()
    symbols = ["x\ny", "\x1b[2J", "\u2029", "z\r"]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(some_texts()),
        model_writer=model,
        model_type="bpe",
        vocab_size=320,
        user_defined_symbols=symbols,
        pad_id=PAD,
        unk_id=UNK,
        bos_id=BOS,
        eos_id=EOS,
        pad_piece="<pad>",
        byte_fallback=True,
        minloglevel=5,
    )
    tokenizer = SentencePieceTokenizer(model.getvalue(), kind="bpe")
    ids = [tokenizer.vocabulary.id(symbol) for symbol in symbols]
    assert UNK not in ids
    assert set(ids) <= set(tokenizer.banned)
    assert tokenizer.decode(ids).split() == ["x\ufffdy\ufffd[2J\ufffdz\ufffd"]


@subwords
def test_no_piece_learnt_holds_a_line_break(kind: SubwordKind) -> None:
    texts = [text.replace(" ", "\n") for text in some_texts()]
    tokenizer = SentencePieceTokenizer.train(texts, kind=kind, vocab_size=SIZES[kind])
    assert not any("\n" in piece for piece in tokenizer.vocabulary.tokens)
    assert tokenizer.decode(tokenizer.encode("a\nb")) == "a\ufffdb"


@subwords
def test_batches_are_the_texts_one_by_one(kind: SubwordKind) -> None:
    texts = ["", *some_texts(20), " x"]
    assert SUBWORDS[kind].encode_batch(texts) == [SUBWORDS[kind].encode(text) for text in texts]
    assert SUBWORDS[kind].encode_batch([]) == []


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1, 2**40])
def test_sampling_obeys_its_seed_and_keeps_the_text(kind: SubwordKind, seed: int) -> None:
    tokenizer, texts = SUBWORDS[kind], some_texts(200)
    sampled = tokenizer.sample_batch(texts, seed)
    tokenizer.sample_batch(texts, seed + 1)
    assert tokenizer.sample_batch(texts, seed) == sampled
    assert tokenizer.sample_batch(texts, seed + 1) != sampled
    assert sampled != tokenizer.encode_batch(texts)
    assert [tokenizer.decode(ids) for ids in sampled] == texts
    assert min(min(ids) for ids in sampled) > EOS


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
@given(text=TEXT, seed=st.integers(0, 9))
@example(text="  two  spaces\t " + "x" * 500, seed=1)
@example(text="<s> <unk> \x00 \u2585 東京", seed=1)
def test_sampling_keeps_any_text(kind: SubwordKind, text: str, seed: int) -> None:
    [ids] = SUBWORDS[kind].sample_batch([text], seed)
    assert SUBWORDS[kind].decode(ids) == printable(text)
    assert all(i > EOS for i in ids)


@pytest.mark.parametrize(("kind", "least"), [("bpe", 1e-12), ("unigram", 1e3)])
def test_sampling_without_chance_is_the_plain_segmentation(kind: SubwordKind, least: float) -> None:
    tokenizer, texts = trained(kind, dropout=least), [*some_texts(50), "", " der  Hund 東京 (Straße) "]
    assert tokenizer.sample_batch(texts, 1) == tokenizer.encode_batch(texts)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_another_process_samples_the_same(tmp_path: Path, kind: SubwordKind) -> None:
    SUBWORDS[kind].save(tmp_path, "src")
    code = (
        "import sys, json; from pathlib import Path; from nmt.tokenization.tokenizer import load_tokenizer; "
        "texts = json.load(sys.stdin); "
        "print(load_tokenizer(Path(sys.argv[1]), 'src').sample_batch(texts, 5))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        input=json.dumps(some_texts(20)),
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert json.loads(found.stdout) == SUBWORDS[kind].sample_batch(some_texts(20), 5)


@subwords
def test_nothing_is_sampled_without_dropout(kind: SubwordKind) -> None:
    assert trained(kind).sample_batch(["der Hund"], 1) == trained(kind).encode_batch(["der Hund"])


@subwords
def test_training_is_deterministic(kind: SubwordKind) -> None:
    assert trained(kind).fingerprint == trained(kind).fingerprint


def test_a_drawn_part_of_many_texts_is_always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trained("bpe").fingerprint
    monkeypatch.setattr("nmt.tokenization.subwords.MOST_SENTENCES", 150)
    assert trained("bpe").fingerprint == trained("bpe").fingerprint != whole


def test_a_long_line_is_not_left_out_of_training() -> None:
    tokenizer = SentencePieceTokenizer.train([" ".join(["Donaudampf"] * 2000)], kind="bpe", vocab_size=285)
    assert "▁Donaudampf" in tokenizer.vocabulary.tokens


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_vocabulary_larger_than_the_text_supports_names_the_largest(kind: SubwordKind) -> None:
    with pytest.raises(UserError, match=r"vocab_size is 9000.*at most \d+ tokens") as caught:
        SentencePieceTokenizer.train(some_texts(), kind=kind, vocab_size=9000)
    most = int(str(caught.value).split("at most ")[1].split()[0])
    assert len(SentencePieceTokenizer.train(some_texts(), kind=kind, vocab_size=most).vocabulary) == most


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
@pytest.mark.parametrize("text", ["a", "a b", "東京", "der Hund"])
def test_the_advice_for_a_tiny_text_can_be_followed(kind: SubwordKind, text: str) -> None:
    with pytest.raises(UserError, match=r"set it to \d+ or less") as caught:
        SentencePieceTokenizer.train([text], kind=kind, vocab_size=300)
    advised = int(str(caught.value).split("set it to ")[1].split()[0])
    section = SubwordTokenizer.model_validate({"kind": kind, "vocab_size": advised})
    assert len(train_tokenizer(section, [text]).vocabulary) == advised


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_more_characters_than_the_vocabulary_holds_names_the_smallest(kind: SubwordKind) -> None:
    with pytest.raises(UserError, match=r"vocab_size is 265.*it needs \d+"):
        SentencePieceTokenizer.train(some_texts(), kind=kind, vocab_size=265)


@subwords
@pytest.mark.parametrize("texts", [[], [""], ["", ""]])
def test_no_text_is_an_error_of_one_line(kind: SubwordKind, texts: list[str]) -> None:
    with pytest.raises(UserError, match="empty"):
        SentencePieceTokenizer.train(texts, kind=kind, vocab_size=SIZES[kind])


def test_an_error_of_the_corpus_passes_through_training() -> None:
    def texts() -> Iterator[str]:
        yield "der Hund"
        raise UserError("corpus.de, line 2: broken")

    with pytest.raises(UserError, match=r"corpus\.de, line 2: broken"):
        SentencePieceTokenizer.train(texts(), kind="bpe", vocab_size=300)


@subwords
@given(words=st.lists(st.sampled_from([*WORDS, "東京", "🙂"]), min_size=1), gap=st.integers(1, 3))
def test_word_starts_count_the_words(kind: SubwordKind, words: list[str], gap: int) -> None:
    tokenizer = SUBWORDS[kind]
    text = (" " * gap).join(words) + " " * (gap - 1)
    ids = tokenizer.encode(text)
    starts = tokenizer.word_starts(ids)
    bounds = [n for n, start in enumerate(starts) if start] + [len(ids)]
    parts = [tokenizer.decode(ids[a:b]).strip(" ") for a, b in pairwise(bounds)]
    assert bounds[0] == 0
    assert parts == words


@subwords
def test_special_pieces_are_words_of_their_own(kind: SubwordKind) -> None:
    tokenizer = SUBWORDS[kind]
    ids = tokenizer.encode("der Hund")
    plain = tokenizer.word_starts(ids)
    assert tokenizer.word_starts([BOS, *ids, EOS]) == [True, *plain, True]
    assert tokenizer.word_starts([]) == []
    assert tokenizer.word_starts(tokenizer.encode(" "))[0]


@subwords
def test_pieces_spell_the_text(kind: SubwordKind) -> None:
    pieces = SUBWORDS[kind].tokens(SUBWORDS[kind].encode("der Hund"))
    assert "".join(pieces).replace("▁", " ").strip() == "der Hund"


def test_the_control_symbols_of_a_subword_model_are_special_tokens(tmp_path: Path) -> None:
    import io

    import sentencepiece

    model = io.BytesIO()
    pad, unk, bos, eos = SPECIALS
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["ein Haus", "zwei Baum"]),
        model_writer=model,
        vocab_size=280,
        model_type="bpe",
        byte_fallback=True,
        control_symbols=["<2de>", "<2en>"],
        **{f"{name}_id": i for i, name in enumerate(("pad", "unk", "bos", "eos"))},
        **dict(zip(("pad_piece", "unk_piece", "bos_piece", "eos_piece"), (pad, unk, bos, eos), strict=True)),
        minloglevel=5,
    )
    SentencePieceTokenizer(model.getvalue(), kind="bpe").save(tmp_path, "shared")
    tokenizer = load_tokenizer(tmp_path, "shared")
    assert tokenizer.vocabulary.specials == (*SPECIALS, "<2de>", "<2en>")
    ids = tokenizer.encode("<2de>")
    assert not any(map(tokenizer.vocabulary.is_special, ids))
    assert tokenizer.decode([4, *ids, EOS]) == "<2de>"
    assert {4, 5} <= set(tokenizer.banned)
    assert EOS not in tokenizer.banned


@subwords
def test_tags_are_learnt_as_special_tokens(kind: SubwordKind) -> None:
    tokenizer = SentencePieceTokenizer.train(
        some_texts(), kind=kind, vocab_size=SIZES[kind], tags=["<2de>", "<bt>"]
    )
    assert tokenizer.vocabulary.specials == (*SPECIALS, "<2de>", "<bt>")
    assert tokenizer.vocabulary.tag("<bt>") == 5
    if SIZES[kind]:
        assert len(tokenizer.vocabulary) == SIZES[kind]
    ids = tokenizer.encode("<2de> der Hund")
    assert not any(map(tokenizer.vocabulary.is_special, ids))
    assert tokenizer.decode([4, *ids]) == "<2de> der Hund"
    assert {4, 5} <= set(tokenizer.banned)
