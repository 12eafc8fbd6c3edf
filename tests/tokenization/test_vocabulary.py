"""nmt.tokenization.vocabulary: ids, what is kept, JSON, fingerprint."""

import json
from collections import Counter

import pytest

from nmt.errors import UserError
from nmt.tokenization.vocabulary import BOS, EOS, PAD, SPECIALS, UNK, Vocabulary


def test_special_ids_are_fixed() -> None:
    vocabulary = Vocabulary([*SPECIALS, "a"])
    assert (PAD, UNK, BOS, EOS) == (0, 1, 2, 3)
    assert vocabulary.tokens[:4] == ("<pad>", "<unk>", "<s>", "</s>")
    assert vocabulary.id("a") == 4
    assert len(vocabulary) == 5


@pytest.mark.parametrize("piece", [*SPECIALS, "b", ""])
def test_text_never_gets_a_special_id_other_than_unk(piece: str) -> None:
    assert Vocabulary([*SPECIALS, "a"]).id(piece) == UNK


@pytest.mark.parametrize("pieces", [[], ["a"], ["<unk>", "<pad>", "<s>", "</s>"], [*SPECIALS, "a", "a"]])
def test_other_lists_are_refused(pieces: list[str]) -> None:
    with pytest.raises(UserError):
        Vocabulary(pieces)


def test_from_counts_keeps_the_most_frequent_and_breaks_ties_by_code_point() -> None:
    counts = Counter({"b": 3, "a": 3, "c": 5, "d": 2, "e": 1, "</s>": 9})
    assert Vocabulary.from_counts(counts, size=None, min_frequency=2).tokens[4:] == ("c", "a", "b", "d")
    assert Vocabulary.from_counts(counts, size=6, min_frequency=1).tokens[4:] == ("c", "a")


def test_json_brings_the_same_vocabulary_back() -> None:
    vocabulary = Vocabulary([*SPECIALS, 'ü"\\', "\u2028", "🙂"])
    again = Vocabulary.from_json(vocabulary.to_json())
    assert again.tokens == vocabulary.tokens
    assert again.fingerprint == vocabulary.fingerprint


def test_fingerprint_depends_on_pieces_and_order() -> None:
    lists = (["a", "b"], ["b", "a"], ["ab"], ["a", "b", "c"])
    assert len({Vocabulary([*SPECIALS, *pieces]).fingerprint for pieces in lists}) == 4


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[1]",
        b"\xff",
        json.dumps(["a"]).encode(),
        b"[" * 100_000,
        b'["\\ud800"]',
        json.dumps([*SPECIALS, 1]).encode(),
        json.dumps([*SPECIALS, "\ud800"]).encode(),
        json.dumps({"specials": SPECIALS, "tokens": ["a"], "other": []}).encode(),
        json.dumps({"specials": SPECIALS, "tokens": {"a": 1}}).encode(),
        json.dumps({"specials": SPECIALS, "tokens": "ab"}).encode(),
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(UserError):
        Vocabulary.from_json(data)


TAGGED = [*SPECIALS, "<2de>", "<2en>"]


def test_tags_follow_the_special_tokens_and_are_no_text() -> None:
    vocabulary = Vocabulary([*TAGGED, "a"], TAGGED)
    assert [vocabulary.is_special(i) for i in range(7)] == [True] * 6 + [False]
    assert list(vocabulary.text_ids) == [6]
    assert (vocabulary.id("<2de>"), vocabulary.id("a")) == (UNK, 6)
    again = Vocabulary.from_json(vocabulary.to_json())
    assert (again.tokens, again.specials) == (vocabulary.tokens, vocabulary.specials)
    assert again.fingerprint == vocabulary.fingerprint != Vocabulary([*TAGGED, "a"]).fingerprint


@pytest.mark.parametrize(
    ("pieces", "specials"),
    [(["a"], ["a"]), ([*SPECIALS, "a"], TAGGED), ([*SPECIALS, "x", "x"], [*SPECIALS, "x", "x"])],
)
def test_special_tokens_stand_first_and_once(pieces: list[str], specials: list[str]) -> None:
    with pytest.raises(UserError):
        Vocabulary(pieces, specials)


def test_a_tag_has_an_id_and_another_is_refused_with_those_there_are() -> None:
    vocabulary = Vocabulary([*TAGGED, "a"], TAGGED)
    assert vocabulary.tags == ("<2de>", "<2en>")
    assert [vocabulary.tag(name) for name in vocabulary.tags] == [4, 5]
    for name in ("<2fr>", "<s>", "a"):
        with pytest.raises(UserError, match=f"the tag {name} is no token .* its tags are <2de>, <2en>"):
            vocabulary.tag(name)
    with pytest.raises(UserError, match="its tags are none"):
        Vocabulary([*SPECIALS, "a"]).tag("<2de>")
