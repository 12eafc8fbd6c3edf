"""Where a tag of the source goes in the translation, by the attention between words."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nmt.evaluation.alignment import Matrix


@dataclass
class Element:
    """What stands around the source words from begin to end, or before begin if they are the same.

    place: the same of the words of the translation.
    """

    begin: int
    end: int
    children: list["Element"] = field(default_factory=list)
    place: tuple[int, int] | None = None


def place(
    elements: Sequence[Element], weights: Matrix, source: tuple[int, int], target: tuple[int, int]
) -> None:
    """Set the place of each element and of those in it; places nest, and those of neighbours are apart.

    weights: (Wy, Wx), the attention of target to source words. source, target: the words between which the
    elements stand. An element goes around a run of words that begins and ends with one linked to it, and
    holds none linked to another element: the one with most attention to it, less what the unlinked words
    within give to other words. If no word is linked, it is the free word that looks at it most. A thing
    without text goes behind the word that is linked to the one before it.
    """
    links = weights.argmax(axis=1) if weights.size else np.zeros(len(weights), np.intp)
    around = [each for each in elements if each.begin < each.end]
    owner = {t: _owner(around, int(links[t])) for t in range(*target)}
    taken: list[tuple[int, int]] = []
    for i, each in enumerate(around):
        whole = len(around) == 1 and (each.begin, each.end) == source
        if (
            found := target
            if whole
            else _best_run(owner, i, weights[:, each.begin : each.end].sum(axis=1), target)
        ):
            each.place = found
            taken.append(found)
    for each in [each for each in around if not each.place]:
        each.place = _most_looked(weights, each, _free(target, taken))
        taken += [each.place] if each.place else []
    for each in elements:
        if each.place is None:
            at = _behind(links, each.begin, source, target)
            at = next((end for begin, end in taken if begin < at < end), at)
            each.place = at, at
        place(each.children, weights, (each.begin, each.end), each.place)


def _owner(elements: Sequence[Element], word: int) -> int | None:
    return next((i for i, each in enumerate(elements) if each.begin <= word < each.end), None)


def _best_run(
    owner: dict[int, int | None], mine: int, mass: NDArray[np.floating], target: tuple[int, int]
) -> tuple[int, int] | None:
    """Return the run with most attention to an element from its words, less that from others elsewhere."""
    best: tuple[float, int, tuple[int, int]] | None = None
    begin, score = target[0], 0.0
    for t in range(*target):
        if owner[t] not in (mine, None):
            begin, score = t + 1, 0.0
            continue
        if score <= 0:
            begin, score = t, 0.0
        if owner[t] == mine:
            score += float(mass[t])
            found = score, t + 1 - begin, (begin, t + 1)
            best = found if best is None or found[:2] > best[:2] else best
        else:
            score -= 1 - float(mass[t])
    return best and best[2]


def _free(target: tuple[int, int], taken: Sequence[tuple[int, int]]) -> list[int]:
    return [t for t in range(*target) if not any(begin <= t < end for begin, end in taken)]


def _most_looked(weights: Matrix, element: Element, free: Sequence[int]) -> tuple[int, int] | None:
    if not free:
        return None
    mass = weights[list(free), element.begin : element.end].sum(axis=1)
    best = free[int(mass.argmax())]
    return (best, best + 1) if mass.max() > 0 else None


def _behind(links: NDArray[np.intp], word: int, source: tuple[int, int], target: tuple[int, int]) -> int:
    """Return the target word before which a thing goes that stands before a source word."""
    if word <= source[0]:
        return target[0]
    if word >= source[1]:
        return target[1]
    before = [t for t in range(*target) if links[t] == word - 1]
    if before:
        return before[-1] + 1
    after = [t for t in range(*target) if links[t] >= word]
    return after[0] if after else target[1]
