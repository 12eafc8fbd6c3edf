"""Random segmentations of a word: BPE-dropout and sampling from a unigram model.

sentencepiece can do both, but starts its random numbers with a salt that is new in every process (seen in
0.2.3): under one seed two runs would train on different text. Hence our own, on `random.Random`.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from functools import lru_cache
from random import Random
from typing import Protocol

_CACHED = 2**16
_LONGEST = 16  # characters in a piece, sentencepiece's limit
_UNSEEN = 10.0  # how far an unseen character lies under the worst piece, as in sentencepiece


class Sampler(Protocol):
    """Draws one segmentation of a word; characters without a piece come out alone."""

    def segment(self, word: str, chance: Random) -> list[str]:
        """Strings that together are the word."""
        ...


class BpeDropout:
    """BPE-dropout (Provilkov 2020, algorithm 1): before each merge every candidate is left out at random.

    scores: of the pieces; the higher is merged first. dropout: the chance of being left out, 0 = plain BPE.
    """

    def __init__(self, scores: Mapping[str, float], dropout: float) -> None:
        self._scores, self._dropout = scores, dropout
        self._candidates = lru_cache(_CACHED)(self._rank)

    def segment(self, word: str, chance: Random) -> list[str]:
        """Strings that together are the word."""
        symbols, merged = tuple(word), True
        while merged:
            merged = False
            # The best that is not left out is the first to survive, so the rest need no draw.
            for n in self._candidates(symbols):
                if chance.random() >= self._dropout:
                    symbols = (*symbols[:n], symbols[n] + symbols[n + 1], *symbols[n + 2 :])
                    merged = True
                    break
        return list(symbols)

    def _rank(self, symbols: tuple[str, ...]) -> tuple[int, ...]:
        """The places of pairs that make a piece, the best first, then from the left."""
        pairs = [symbols[n] + symbols[n + 1] for n in range(len(symbols) - 1)]
        known = [n for n, pair in enumerate(pairs) if pair in self._scores]
        return tuple(sorted(known, key=lambda n: -self._scores[pairs[n]]))


class UnigramSampling:
    """Sampling from a unigram model (Kudo 2018, eq. 8 over all segmentations): P(segmentation)^alpha.

    scores: log-probabilities of the pieces. alpha: 0 makes all alike, towards infinity only the best is left.
    """

    def __init__(self, scores: Mapping[str, float], alpha: float) -> None:
        self._scores, self._alpha = scores, alpha
        self._unseen = min(scores.values()) - _UNSEEN
        self._lattice = lru_cache(_CACHED)(self._filter)

    def segment(self, word: str, chance: Random) -> list[str]:
        """Strings that together are the word."""
        lattice, end, pieces = self._lattice(word), len(word), []
        while end:
            starts, sums = lattice[end]
            start = starts[min(bisect_right(sums, chance.random() * sums[-1]), len(starts) - 1)]
            pieces.append(word[start:end])
            end = start
        return pieces[::-1]

    def _filter(self, word: str) -> list[tuple[list[int], list[float]]]:
        """For each end: where the last piece may start, and the running sums of the weights of that."""
        forward, lattice = [0.0], [([0], [1.0])]
        for end in range(1, len(word) + 1):
            starts, weights = [], []
            for start in range(max(0, end - _LONGEST), end):
                score = self._scores.get(word[start:end], self._unseen if start == end - 1 else None)
                if score is not None:
                    starts.append(start)
                    weights.append(forward[start] + self._alpha * score)
            most = max(weights)
            sums, total = [], 0.0
            for weight in weights:
                total += math.exp(weight - most)
                sums.append(total)
            forward.append(most + math.log(total))
            lattice.append((starts, sums))
        return lattice
