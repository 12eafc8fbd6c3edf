"""Random segmentations of a word: BPE-dropout and sampling from a unigram model.

sentencepiece can do both, but salts its random numbers differently in every process (seen in 0.2.3), so two
runs with one seed would train on different text. These classes use `random.Random`.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from functools import lru_cache
from random import Random
from typing import Protocol

_CACHED = 2**16
_LONGEST = 16  # characters in a token, sentencepiece's limit
_UNSEEN = 10.0  # how far an unseen character scores below the worst token, as in sentencepiece


class Sampler(Protocol):
    """Samples one segmentation of a word; a character outside the vocabulary is a part of its own."""

    def segment(self, word: str, chance: Random) -> list[str]:
        """Return strings that concatenate to the word."""
        ...


class BpeDropout:
    """BPE-dropout (Provilkov 2020, algorithm 1): before each merge, candidates are dropped at random.

    scores: scores of the tokens; the highest is merged first. dropout: the dropout rate, 0 = plain BPE.
    """

    def __init__(self, scores: Mapping[str, float], dropout: float) -> None:
        self._scores, self._dropout = scores, dropout
        self._candidates = lru_cache(_CACHED)(self._rank)

    def segment(self, word: str, chance: Random) -> list[str]:
        """Return strings that concatenate to the word."""
        symbols, merged = tuple(word), True
        while merged:
            merged = False
            # The first survivor is the best one, so the others need no random number.
            for n in self._candidates(symbols):
                if chance.random() >= self._dropout:
                    symbols = (*symbols[:n], symbols[n] + symbols[n + 1], *symbols[n + 2 :])
                    merged = True
                    break
        return list(symbols)

    def _rank(self, symbols: tuple[str, ...]) -> tuple[int, ...]:
        """Return the positions of pairs that form a token, the best first, then from the left."""
        pairs = [symbols[n] + symbols[n + 1] for n in range(len(symbols) - 1)]
        known = [n for n, pair in enumerate(pairs) if pair in self._scores]
        return tuple(sorted(known, key=lambda n: -self._scores[pairs[n]]))


class UnigramSampling:
    """Sampling from a unigram model (Kudo 2018, eq. 8 over all segmentations): P(segmentation)^alpha.

    scores: log-probabilities of the tokens. alpha: 0 is uniform; for large alpha only the best is sampled.
    """

    def __init__(self, scores: Mapping[str, float], alpha: float) -> None:
        self._scores, self._alpha = scores, alpha
        self._unseen = min(scores.values()) - _UNSEEN
        self._lattice = lru_cache(_CACHED)(self._filter)

    def segment(self, word: str, chance: Random) -> list[str]:
        """Return strings that concatenate to the word."""
        lattice, end, parts = self._lattice(word), len(word), []
        while end:
            starts, sums = lattice[end]
            start = starts[min(bisect_right(sums, chance.random() * sums[-1]), len(starts) - 1)]
            parts.append(word[start:end])
            end = start
        return parts[::-1]

    def _filter(self, word: str) -> list[tuple[list[int], list[float]]]:
        """Return for each end where the last token may start, and the cumulative weights of these starts."""
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
