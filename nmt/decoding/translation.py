"""A translation of a line: the n best texts, with their scores and details. Needs no torch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import nlargest
from itertools import product
from typing import Protocol, TypeVar

from nmt.evaluation.alignment import Detail, Link, best_links


@dataclass(frozen=True)
class Ranked:
    """One of the n best: its text and its penalised log-probability, summed over the parts of the line.

    parts: the details of each part of the line, where they were asked for.
    """

    text: str
    score: float
    parts: list[Detail] = field(default_factory=list, compare=False)

    def links(self) -> list[Link]:
        """Return the word alignment: where each target word looked most."""
        links, src, trg = [], 0, 0
        for part in self.parts:
            links += [Link(link.src + src, link.trg + trg) for link in best_links(part.weights)]
            src += len(part.src_words) - (not part.spaced)
            trg += len(part.trg_words) - (not part.apart and bool(part.trg_words))
        return list(dict.fromkeys(links))


@dataclass(frozen=True)
class Translation:
    """The n best translations of one line, the best first.

    short: the best has far fewer tokens for those of its source than the pairs of the training.
    """

    ranked: list[Ranked]
    short: bool = False

    @property
    def text(self) -> str:
        """The best translation."""
        return self.ranked[0].text

    def links(self) -> list[Link]:
        """Return the word alignment of the best translation."""
        return self.ranked[0].links()


class Scored(Protocol):
    """A candidate with a score; the larger the better."""

    @property
    def score(self) -> float: ...


AnyScored = TypeVar("AnyScored", bound=Scored)


def best_of_each(found: Sequence[list[AnyScored]], count: int) -> list[tuple[float, list[AnyScored]]]:
    """Return the best ways to choose a candidate of each part, best first, with the sums of the scores.

    Each part's candidates are in order. The parts are translated apart, so that any can stand beside any.
    """
    best: list[tuple[float, list[AnyScored]]] = [(0.0, [])]
    for candidates in found:
        ways = product(best, candidates)
        longer = ((score + each.score, [*chosen, each]) for (score, chosen), each in ways)
        best = nlargest(count, longer, key=lambda way: way[0])
    return best
