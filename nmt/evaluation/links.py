"""Word alignments as sets of links: reading, symmetrising, and the alignment error rate."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from nmt.data.lines import read_lines
from nmt.errors import UserError
from nmt.evaluation.alignment import Link

Links: TypeAlias = set[Link]
Symmetry = Literal["intersection", "union", "grow-diag", "grow-diag-final-and"]

_LINK = re.compile(r"(\d{1,6})([-p?])(\d{1,6})")
_NEIGHBOURS = [(-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]


class Gold(NamedTuple):
    """Links of a sentence pair by people: those they are sure of, and the possible ones, these included."""

    sure: Links
    possible: Links


def read_gold(path: Path, pairs: Sequence[tuple[str, str]]) -> list[Gold]:
    """Read a line of links for each pair of texts, words counted from 0: 0-0 is sure, 0p0 or 0?0 possible.

    Raises UserError that names file and line of what is no link, a link out of range, and a wrong number of
    lines.
    """
    lines = list(read_lines(path))
    if len(lines) != len(pairs):
        raise UserError(f"{path}: expected a line for each of the {len(pairs):,} pairs, found {len(lines):,}")
    return [
        _gold(f"{path}, line {number}", line, len(src.split()), len(trg.split()))
        for number, (line, (src, trg)) in enumerate(zip(lines, pairs, strict=True), 1)
    ]


def _gold(where: str, line: str, src_words: int, trg_words: int) -> Gold:
    sure, possible = set(), set()
    for text in line.split():
        found = _LINK.fullmatch(text)
        if found is None:
            raise UserError(f"{where}: expected links such as 0-0 or 0p0, found {text!r}")
        link = Link(int(found[1]), int(found[3]))
        if link.src >= src_words or link.trg >= trg_words:
            raise UserError(
                f"{where}: the link {text} is out of range: expected words below {src_words} and {trg_words}"
            )
        possible.add(link)
        if found[2] == "-":
            sure.add(link)
    return Gold(sure, possible)


class ErrorRate(NamedTuple):
    """AER = 1 − (|A ∩ S| + |A ∩ P|) / (|A| + |S|) over all sentences (Och & Ney 2003).

    precision = |A ∩ P| / |A|; recall = |A ∩ S| / |S|. A: links found; S, P: sure and possible ones.
    """

    aer: float
    precision: float
    recall: float
    found: int
    sure: int


def error_rate(found: Iterable[Links], gold: Iterable[Gold]) -> ErrorRate:
    """Return the alignment error rate of links against gold ones."""
    of_sure = of_possible = links = sure = 0
    for each, (certain, possible) in zip(found, gold, strict=True):
        of_sure, of_possible = of_sure + len(each & certain), of_possible + len(each & possible)
        links, sure = links + len(each), sure + len(certain)
    aer = 1 - (of_sure + of_possible) / max(1, links + sure)
    return ErrorRate(aer, of_possible / max(1, links), of_sure / max(1, sure), links, sure)


def symmetrise(forward: Links, backward: Links, kind: Symmetry) -> Links:
    """Return one alignment from those of both directions, both as links source-target.

    grow-diag begins with the intersection and takes links of the union beside one it has, if they link a word
    that has none; final-and then takes other links if neither of their words has one (Koehn et al. 2003).
    """
    if kind == "union":
        return forward | backward
    found = forward & backward
    if kind == "intersection":
        return found
    src, trg = {link.src for link in found}, {link.trg for link in found}
    waiting = sorted(found)
    while waiting:  # what is added has neighbours too
        at = waiting.pop(0)
        for link in (Link(at.src + right, at.trg + down) for right, down in _NEIGHBOURS):
            new = link.src not in src or link.trg not in trg
            if new and link in forward | backward:
                _add(link, found, src, trg)
                waiting.append(link)
    if kind == "grow-diag-final-and":
        for link in (*sorted(forward), *sorted(backward)):
            if link.src not in src and link.trg not in trg:
                _add(link, found, src, trg)
    return found


def _add(link: Link, found: Links, src: set[int], trg: set[int]) -> None:
    found.add(link)
    src.add(link.src)
    trg.add(link.trg)
