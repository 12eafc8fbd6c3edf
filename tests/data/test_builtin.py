"""The built-in corpus: the same everywhere, distinct, and held out by combinations."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

import pytest

from nmt.data.builtin import LIMITS, Split, pairs, split_of, words
from nmt.data.builtin.lexicon import ADJECTIVES, NOUNS, VERBS
from nmt.errors import UserError

pytestmark = pytest.mark.slow

Pairs = list[tuple[str, str]]


@pytest.fixture(scope="module")
def train() -> Pairs:
    return list(pairs("train", 100_000, seed=1))


@pytest.fixture(scope="module")
def test() -> Pairs:
    return list(pairs("test", 2_000, seed=1))


@pytest.fixture(scope="module")
def validation() -> Pairs:
    return list(pairs("validation", 2_000, seed=1))


@pytest.mark.parametrize(
    ("split", "digest"),
    [
        ("train", "99b2b4b163da6e3171cbdd0d987c5c3783cfe892d6e45612f8a8bfc9f5f5f8f3"),
        ("validation", "f061bfdd2a60ff83f68ac5a685528aabf758be1b9e793b30369d3d83a644878b"),
        ("test", "04e7873428b75cbe7efc5c56b5c3c3447c4cecc1024e412af62c1431909ce7c8"),
    ],
)
def test_first_thousand_pairs_are_the_same_everywhere(split: Split, digest: str) -> None:
    text = "".join(f"{german}\t{english}\n" for german, english in pairs(split, 1_000, seed=1))
    assert hashlib.sha256(text.encode()).hexdigest() == digest


def test_smaller_count_is_the_beginning_of_a_larger_one(train: Pairs) -> None:
    assert list(pairs("train", 500, seed=1)) == train[:500]


def test_another_seed_gives_another_corpus(train: Pairs) -> None:
    assert set(pairs("train", 500, seed=2)) != set(train[:500])


def test_hundred_thousand_distinct_pairs_of_which_none_is_in_two_splits(
    train: Pairs, validation: Pairs, test: Pairs
) -> None:
    everything = [german for split in (train, validation, test) for german, _ in split]
    assert len(set(everything)) == len(everything) == 104_000


def test_sentences_are_short_and_well_formed(train: Pairs) -> None:
    for pair in train:
        for text in pair:
            assert 2 <= len(words(text)) <= 27
            assert re.fullmatch(r"[^\W\d_](?:[\w'-]+|, | (?=\w))*[.?]", text), text
            assert unicodedata.is_normalized("NFC", text)
        assert pair[0][-1] == pair[1][-1]


def test_every_word_of_the_other_splits_is_known_from_training(
    train: Pairs, validation: Pairs, test: Pairs
) -> None:
    for side in (0, 1):
        known = {word for pair in train[:10_000] for word in words(pair[side])}
        assert {word for pair in validation + test for word in words(pair[side])} <= known


def _adjectives_with_nouns(sentence: str) -> Iterator[tuple[str, str]]:
    """Adjectives directly before their noun, read off the text by endings alone."""
    stems = {
        adjective.stem + end: adjective for adjective in ADJECTIVES for end in ("e", "en", "er", "es", "em")
    }
    nouns = {
        noun.form(case, plural=plural): noun
        for noun in NOUNS
        for case in range(3)
        for plural in (False, True)
        if (noun.plural if plural else noun.singular)
    }
    tokens = words(sentence)
    for first, second in pairwise(tokens):
        if first in stems and second in nouns:
            yield stems[first].german, nouns[second].lemma


def test_no_adjective_stands_before_a_noun_of_another_split(
    train: Pairs, validation: Pairs, test: Pairs
) -> None:
    owners: dict[str, set[str]] = {}
    for name, split in (("train", train[:3_000]), ("validation", validation[:500]), ("test", test[:500])):
        owners[name] = {split_of(*found) for german, _ in split for found in _adjectives_with_nouns(german)}
    assert owners == {"train": {"train"}, "validation": {"train", "validation"}, "test": {"train", "test"}}


def test_held_out_verb_and_object_are_in_test_and_not_in_train(train: Pairs, test: Pairs) -> None:
    reads = next(verb for verb in VERBS["accusative"] if verb.infinitive == "lesen")
    by_split: dict[str, set[str]] = {"train": set(), "test": set(), "validation": set()}
    for noun in reads.objects:
        by_split[split_of("lesen", noun.lemma)].add(noun.lemma)

    def read_in(split: Pairs) -> set[str]:
        sentence = re.compile(r"(?:Ich lese|\w+ \w+ liest) (?:den|die|das|einen?|ein) (\w+)\.")
        return {found[1] for german, _ in split if (found := sentence.fullmatch(german))}

    assert read_in(train) <= by_split["train"]
    assert read_in(train)
    assert not read_in(test) & by_split["validation"]


def test_each_verb_and_adjective_can_be_learned() -> None:
    for verb in (verb for frame in VERBS.values() for verb in frame if verb.objects):
        trained = [noun for noun in verb.objects if split_of(verb.infinitive, noun.lemma) == "train"]
        assert len(trained) >= 2, verb.infinitive
    for adjective in ADJECTIVES:
        trained_nouns = [noun for noun in adjective.suits if split_of(adjective.german, noun) == "train"]
        assert len(trained_nouns) >= 2, adjective.german


@pytest.mark.parametrize(
    "wrong",
    [
        # Behind a comma "der" and "das" are relative pronouns.
        r"(?<!, )\b([Dd](em|en|as)|[Ee]in(em|en)?|[Ss]eine[mn]) ([a-zäöüß]+e[nmrs] )?(Frau|Tante|Uhr)\b",
        r"\b([Dd]ie|[Dd]er|[Ee]iner?|[Ss]einer) (Kind|Buch|Auto|Hemd)\b",
        r"\b(den|einen|keinen) (\w+en )?(Junge|Nachbar|Student|Hase)\b",  # weak nouns take an ending
        r"(?<!, )\b[Dd]er [a-zäöüß]+(er|es|em) [A-ZÄÖÜ]",
        r"\b[Ee]in [a-zäöüß]+(en|e) [A-ZÄÖÜ]",
        r"\b(in|an|zu) dem\b|\bin das\b|\bzu der\b",
        r"\bnicht (ein|eine|einen) ",
        r"\b(weil|dass|obwohl) .*\b(ruft|räumt|zieht|macht) .*\b(an|auf|zu)[.,]",
        r"\b(teuer|müde)(e|en|er|es|em)\b",
    ],
)
def test_german_agrees(train: Pairs, wrong: str) -> None:
    assert [german for german, _ in train if re.search(wrong, german)] == []


@pytest.mark.parametrize(
    "wrong",
    [r"\ba [aeiou]", r"\ban [^aeiou]", r"\bnot \w+s every", r"\bI (is|are|has)\b", r"\b(he|she) \w+ not"],
)
def test_english_agrees(train: Pairs, wrong: str) -> None:
    allowed = r"\b(he|she) (is|was|does|did|will|can|should|would) not"
    found = [english for _, english in train if re.search(wrong, re.sub(allowed, "", english))]
    assert found == []


def test_count_beyond_the_limit_is_the_persons_mistake() -> None:
    with pytest.raises(UserError, match=r"data\.builtin\.test: .* holds 100,000 test pairs, found 100,001"):
        pairs("test", LIMITS["test"] + 1, seed=1)
