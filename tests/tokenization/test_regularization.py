"""nmt.tokenization.regularization: the right distributions, from the given generator alone."""

import math
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.tokenization.regularization import BpeDropout, Sampler, UnigramSampling

MERGES = {"a": -9.0, "b": -10.0, "c": -11.0, "ab": 0.0, "bc": -1.0, "abc": -2.0, "abab": -3.0}
SCORES = {"a": -3.0, "b": -3.5, "c": -4.0, "ab": -2.0, "bc": -2.5, "abc": -3.2}


def _shares(sampler: Sampler, word: str, draws: int = 20_000) -> dict[str, float]:
    chance = Random(1)
    counts = Counter("|".join(sampler.segment(word, chance)) for _ in range(draws))
    return {segmentation: count / draws for segmentation, count in counts.items()}


@pytest.mark.parametrize("sampler", [BpeDropout(MERGES, 0.3), UnigramSampling(SCORES, 0.3)])
@given(word=st.text(alphabet="abcx東"), seed=st.integers(0, 99))
def test_segments_are_the_word(sampler: Sampler, word: str, seed: int) -> None:
    segments = sampler.segment(word, Random(seed))
    assert "".join(segments) == word
    assert "" not in segments
    assert sampler.segment(word, Random(seed)) == segments


def test_bpe_without_dropout_merges_the_best_first() -> None:
    plain = BpeDropout(MERGES, 0.0)
    assert plain.segment("abcababx", Random(1)) == ["abc", "abab", "x"]
    assert plain.segment("bcab", Random(1)) == ["bc", "ab"]


def test_bpe_dropout_has_the_probabilities_of_its_algorithm() -> None:
    p = 0.4
    q = 1 - p
    # ab survives, q; else bc survives, p·q; else nothing, p². Then abc is merged or not.
    expected = {"abc": q * q * (1 + p), "ab|c": q * p, "a|bc": p * q * p, "a|b|c": p * p}
    assert sum(expected.values()) == pytest.approx(1)
    assert _shares(BpeDropout(MERGES, p), "abc") == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("alpha", [0.0, 0.2, 1.0])
def test_unigram_samples_in_proportion_to_the_tempered_probability(alpha: float) -> None:
    ways = {"abc": -3.2, "ab|c": -6.0, "a|bc": -5.5, "a|b|c": -10.5}
    total = sum(math.exp(alpha * score) for score in ways.values())
    expected = {way: math.exp(alpha * score) / total for way, score in ways.items()}
    assert _shares(UnigramSampling(SCORES, alpha), "abc") == pytest.approx(expected, abs=0.015)


def test_an_unseen_character_stands_alone() -> None:
    assert UnigramSampling(SCORES, 50.0).segment("abx", Random(1)) == ["ab", "x"]


def test_a_hundred_characters_neither_overflow_nor_vanish() -> None:
    assert "".join(UnigramSampling(SCORES, 100.0).segment("abcx" * 25, Random(1))) == "abcx" * 25
