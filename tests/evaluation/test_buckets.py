"""Buckets and faults, each against a plain reading of what it says."""

import pytest
from sacrebleu.metrics.bleu import BLEU

from nmt.evaluation.buckets import (
    bucket_labels,
    bucket_of,
    find_faults,
    ratio_counts,
    repeats,
    sentence_buckets,
    split_words,
    word_buckets,
)
from nmt.evaluation.verdict import counts_of

OUTPUTS = ["the dog runs", "a cat sleeps here today", "we ate some fresh bread today"]
REFERENCES = ["the dog runs fast", "a cat sleeps today", "we eat some fresh bread today"]


def test_labels_name_the_values_that_fall_in() -> None:
    edges = (1, 2, 5, 1000)
    labels = bucket_labels(edges)
    assert labels == ["1", "2–4", "5–999", "1,000 or more"]
    assert [labels[bucket_of(value, edges)] for value in (0, 1, 2, 4, 5, 999, 1000, 10**6)] == [
        "1", "1", "2–4", "2–4", "5–999", "5–999", "1,000 or more", "1,000 or more",
    ]  # fmt: skip


def test_a_bucket_has_the_bleu_of_its_sentences_alone() -> None:
    counts = counts_of(OUTPUTS, REFERENCES, "13a")
    first, last = sentence_buckets([2, 0, 2], ["a", "empty", "c"], counts)
    assert (first.label, first.sentences, last.label, last.sentences) == ("a", 1, "c", 2)
    chosen = [OUTPUTS[0], OUTPUTS[2]], [[REFERENCES[0], REFERENCES[2]]]
    assert last.bleu == pytest.approx(BLEU().corpus_score(*chosen).score)
    assert last.ratio == pytest.approx(9 / 10)
    assert first.ratio == pytest.approx(5 / 4)


def test_words_are_counted_by_their_frequency_in_training() -> None:
    outputs = [["the", "the", "dog"], ["unheard", "cat"]]
    references = [["the", "dog", "dog"], ["unheard", "cat", "new"]]
    found = {
        each.label: each for each in word_buckets(outputs, references, {"the": 2000, "dog": 3, "cat": 1})
    }
    assert found["never"][1:] == (2, 1, 1)
    assert found["1"][1:] == (1, 1, 1)
    assert found["2–4"][1:] == (2, 1, 1)
    assert found["1,000 or more"][1:] == (1, 2, 1)
    assert found["never"].f1 == pytest.approx(200 / 3)
    assert found["5–9"].f1 is None


def test_every_sentence_has_a_length_ratio() -> None:
    outputs = [[], ["a"], ["a"] * 4, ["a"] * 9, ["a"]]
    references = [["x"] * 3, ["x"], ["x"] * 3, ["x"] * 3, []]
    assert ratio_counts(outputs, references) == [1, 0, 2, 1, 1]


@pytest.mark.parametrize(
    ("text", "does"),
    [
        ("the man the man sits", True),
        ("the man sees the man", False),
        ("very very good", True),
        ("he is in the old town in the old town .", True),
        ("a b c d e a b c d e", False),  # five words
        ("so . . .", False),
        ("", False),
        ("one", False),
    ],
)
def test_a_phrase_twice_in_a_row(text: str, does: bool) -> None:
    assert repeats(text.split()) is does


def test_each_fault_is_found_where_it_is() -> None:
    rows = [
        ("ein Hund", "", "a dog"),
        ("ein Hund", "Ein Hund", "a dog"),
        ("Oslo", "Oslo", "Oslo"),
        ("ein Hund", "a dog a dog", "a dog"),
        ("sehr sehr gut", "very very good", "very very good"),
        ("ein Schwarm Vögel", "a Schwarm of birds", "a flock of birds"),
        ("", "", ""),
    ]
    faults = find_faults(*([text.split() for text in column] for column in zip(*rows, strict=True)))
    assert faults.empty == [0]
    assert faults.copies == [1]
    assert faults.repeats == [3]
    assert faults.copied_words == [1, 5]


def test_words_are_split_as_bleu_splits_them() -> None:
    assert split_words(["A dog, runs.", ""], "13a") == [["A", "dog", ",", "runs", "."], []]
    assert split_words(["犬が"], "char") == [["犬", "が"]]
