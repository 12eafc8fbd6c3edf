"""Confidence in a word: how often a word of its log-probability is right. Needs no torch.

N words.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

KNOTS = 20  # bins of a fit, at most
WORDS = 25  # words of a bin, at least
MOST_POINTS = 100
_BINS = 15  # of the calibration error


@dataclass(frozen=True)
class Curve:
    """A rising curve from the log-probability of a word to the rate at which such words are right.

    points: (log-probability, rate) pairs; the curve is linear between them and level beyond them. Raises
    ValueError unless the log-probabilities rise, the rates do not fall, and all rates are from 0 to 1.
    """

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.points) <= MOST_POINTS:
            raise ValueError(f"expected 1 to {MOST_POINTS} points, found {len(self.points)}")
        for (x, low), (then, high) in pairwise(self.points):
            if not (x < then and low <= high):
                raise ValueError("expected points that rise")
        if not all(0 <= rate <= 1 for _, rate in self.points):
            raise ValueError("expected rates from 0 to 1")

    def __call__(self, log_probs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the confidence in words (N,) of these log-probabilities (N,)."""
        found: NDArray[np.float64] = np.interp(log_probs, *np.array(self.points).T)
        return found

    @classmethod
    def fit(cls, log_probs: NDArray[np.float64], right: NDArray[np.bool_]) -> Self | None:
        """Return the curve of words (N,) that are right or not; None for too few words.

        Isotonic regression (Zadrozny & Elkan 2002) by pool adjacent violators (Ayer et al. 1955), over bins
        of words that are about equally many.
        """
        bins = min(KNOTS, len(log_probs) // WORDS)
        if bins < 2:
            return None
        order = np.argsort(log_probs, kind="stable")
        pools: list[NDArray[np.float64]] = []  # of each: the sums of log-probabilities and right words, words
        for chosen in np.array_split(order, bins):
            pools.append(np.array([log_probs[chosen].sum(), right[chosen].sum(), len(chosen)]))
            while len(pools) > 1 and not (_mean(pools[-2]) < _mean(pools[-1])).all():
                pools[-2:] = [pools[-2] + pools[-1]]
        return cls(tuple((float(x), float(rate)) for x, rate in map(_mean, pools)))


def _mean(pool: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log-probability and rate of a pool's words, rounded as they are stored."""
    means: NDArray[np.float64] = np.round(pool[:2] / pool[2], 4)
    return means


def right_words(words: Sequence[str], reference: str) -> list[bool]:
    """Return which words of a translation are right: they occur in the reference, wherever.

    A word of the reference counts for one word. Punctuation at the ends of words is left out, case is not.
    Blatz et al. 2004 and Ueffing & Ney 2007 compare such measures of the correctness of words.
    """
    left = Counter(map(_bare, reference.split()))
    found = []
    for word in map(_bare, words):
        found.append(left[word] > 0)
        left[word] -= found[-1]
    return found


def _bare(word: str) -> str:
    word = unicodedata.normalize("NFC", word)
    marks = {char for char in word if unicodedata.category(char)[0] in "PS"}
    return word.strip("".join(marks)) or word


class Bin(NamedTuple):
    """Words of similar confidence: how many, the mean confidence in them, and the rate of right ones."""

    words: int
    confidence: float
    rate: float


def reliability(confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int = 10) -> list[Bin]:
    """Return the bins of equal width that hold words (N,), from the least to the most confident."""
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    chosen = (places == place for place in range(bins))
    return [
        Bin(int(each.sum()), float(confidence[each].mean()), float(right[each].mean()))
        for each in chosen
        if each.any()
    ]


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error of words (N,), over 15 bins of equal width (Guo et al. 2017).

    It is the mean distance between the confidence in words and the rate of right ones, in each bin.
    """
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = np.bincount(bins, weights=confidence - right, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(confidence))
