"""Several corpora of pairs as one, and which of their pairs an epoch reads."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from math import floor

import numpy as np
from numpy.typing import NDArray

from nmt.data.corpus import Corpus, Languages, Member, Pair, Split
from nmt.errors import UserError

SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class MixedCorpus(Corpus):
    """Several corpora, one after the other in every split; a language is known where all agree on it."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = tuple(members)
        corpora = [member.corpus for member in members]
        self.name = " + ".join(dict.fromkeys(corpus.name for corpus in corpora))
        self.splits = tuple(split for split in SPLITS if any(split in corpus.splits for corpus in corpora))
        self.languages = Languages(
            common(corpus.languages.src for corpus in corpora),
            common(corpus.languages.trg for corpus in corpora),
        )
        self.streamed = any(corpus.streamed for corpus in corpora)
        self.needs_library = any(corpus.needs_library for corpus in corpora)

    @property
    def members(self) -> tuple[Member, ...]:
        return self._members

    def pairs(self, split: Split) -> Iterator[Pair]:
        """Yield the pairs of every corpus that has the split, one corpus after the other."""
        return chain.from_iterable(corpus.pairs(split) for corpus in self._having(split))

    def fingerprint(self, split: Split) -> str:
        """Return a sha256 over the fingerprints, and which corpora have the split."""
        found = [corpus.fingerprint(split) if split in corpus.splits else "" for corpus, _ in self._members]
        return hashlib.sha256("\n".join(found).encode()).hexdigest()

    def describe(self, split: Split = "train") -> str:
        return " and ".join(dict.fromkeys(corpus.describe(split) for corpus in self._having(split)))

    def _having(self, split: Split) -> list[Corpus]:
        return [corpus for corpus, _ in self._members if split in corpus.splits]


def common(languages: Iterable[str | None]) -> str | None:
    """Return the language that all have, None if they differ."""
    first, *others = {*languages}
    return None if others else first


class Mixture:
    """Which training pairs an epoch reads, if corpora have weights.

    sizes: the numbers of pairs of the corpora, which stand one after the other. weights: how often an epoch
    reads a pair of each. Raises UserError where an epoch would be empty.

    The pairs of a corpus come in an endless line of passes, each in an order of its own that follows from
    (seed, corpus, pass). Epoch e takes the stretch from e · weight · size to (e + 1) · weight · size. So no
    pair is ever read more than once more often than another of its corpus.
    """

    def __init__(self, sizes: Sequence[int], weights: Sequence[float], *, seed: int) -> None:
        if len(sizes) != len(weights):
            raise ValueError(f"{len(sizes)} sizes and {len(weights)} weights")
        if max(size * weight for size, weight in zip(sizes, weights, strict=True)) < 1:
            raise UserError(
                f"data.corpora: weights {', '.join(f'{weight:g}' for weight in weights)} of "
                f"{', '.join(f'{size:,}' for size in sizes)} pairs leave none for an epoch; raise a weight"
            )
        self._sizes, self._weights, self._seed = tuple(sizes), tuple(weights), seed

    def counts(self, epoch: int) -> list[int]:
        """Return how many pairs of each corpus an epoch reads."""
        return [end - begin for begin, end in self._stretches(epoch)]

    def rows(self, epoch: int) -> NDArray[np.intp]:
        """Return the numbers of the pairs of an epoch, in rising order."""
        found, first = list[NDArray[np.intp]](), 0
        for corpus, (begin, end) in enumerate(self._stretches(epoch)):
            size = self._sizes[corpus]
            for number in range(begin // size, -(-end // size)):
                start, stop = max(0, begin - number * size), min(size, end - number * size)
                part = np.arange(size) if stop - start == size else self._pass(corpus, number)[start:stop]
                found.append(part + first)
            first += size
        return np.sort(np.concatenate(found))

    def _pass(self, corpus: int, number: int) -> NDArray[np.intp]:
        return np.random.default_rng((self._seed, corpus, number)).permutation(self._sizes[corpus])

    def _stretches(self, epoch: int) -> list[tuple[int, int]]:
        steps = [weight * size for weight, size in zip(self._weights, self._sizes, strict=True)]
        return [(floor(epoch * step), floor((epoch + 1) * step)) for step in steps]
