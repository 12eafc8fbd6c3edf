"""From attention to word alignment: merging pieces, Pharaoh format, error rate, a drawing."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmt.errors import UserError

Matrix = NDArray[np.floating]

_LINK = re.compile(r"([0-9]+)([-p?])([0-9]+)")
_SHADES = " ░▒▓█"
_THRESHOLDS = (0.05, 0.25, 0.5, 0.75)


class Link(NamedTuple):
    """Word `src` of the source goes with word `trg` of the target, both counted from 0."""

    src: int
    trg: int


class Gold(NamedTuple):
    """A person's alignment of one sentence; the possible links include the sure ones."""

    sure: frozenset[Link]
    possible: frozenset[Link]


def merge_pieces(attention: Matrix, src_starts: Sequence[bool], trg_starts: Sequence[bool]) -> Matrix:
    """Attention over pieces, (Ty, Tx), becomes attention over words, (Wy, Wx).

    A word receives the sum over its source pieces and the mean over its target pieces, so a row that
    sums to one still does. `src_starts` and `trg_starts` say of each piece whether a word starts there
    (the first always does); padding and </s> are sliced off beforehand. ValueError where sizes differ.
    """
    if attention.shape != (len(trg_starts), len(src_starts)):
        raise ValueError(
            f"attention is {attention.shape}, the pieces are ({len(trg_starts)}, {len(src_starts)})"
        )
    src, trg = _starts(src_starts), _starts(trg_starts)
    lengths = np.diff(trg, append=len(trg_starts))
    by_source = np.add.reduceat(attention, src, axis=1)  # (Ty, Wx)
    words: Matrix = np.add.reduceat(by_source, trg, axis=0) / lengths[:, None]  # (Wy, Wx)
    return words


def _starts(flags: Sequence[bool]) -> NDArray[np.intp]:
    starts = np.array(flags, dtype=bool)
    starts[:1] = True
    return np.flatnonzero(starts)


def best_links(words: Matrix) -> list[Link]:
    """Each target word with the source word it attends to most, (Wy, Wx) → Wy links; ties go left."""
    if not words.size:
        return []
    return [Link(int(src), trg) for trg, src in enumerate(words.argmax(axis=1))]


def pharaoh(links: Iterable[Link]) -> str:
    """One line of Pharaoh format, "0-0 1-2 …", ordered by source and then by target."""
    return " ".join(f"{src}-{trg}" for src, trg in sorted(links))


def parse_pharaoh(line: str, where: str, size: tuple[int, int] | None = None) -> Gold:
    """Read "0-0 1-2 …"; a possible link is written 1p2 or 1?2.

    `size` is the number of source and target words. UserError names `where` and the link that is
    no link or lies out of range.
    """
    sure, possible = set(), set()
    for word in line.split():
        match = _LINK.fullmatch(word)
        if match is None:
            raise UserError(f"{where}: {word!r} is no link; expected SOURCE-TARGET, such as 0-2")
        link = Link(int(match[1]), int(match[3]))
        if size is not None and (link.src >= size[0] or link.trg >= size[1]):
            raise UserError(
                f"{where}: link {word} is out of range; source and target have {size[0]} and {size[1]} "
                "words, counted from 0; correct the link or leave it out"
            )
        possible.add(link)
        if match[2] == "-":
            sure.add(link)
    return Gold(frozenset(sure), frozenset(possible))


def read_pharaoh(path: Path, sizes: Sequence[tuple[int, int]] | None = None) -> list[Gold]:
    """Read a file with one sentence a line; `sizes` are the (source, target) word counts to check against.

    UserError names the file, the sentence (counted from 1, as the line is) and the link.
    """
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 at byte {error.start}; expected lines like 0-0 1-2") from None
    if sizes is not None and len(lines) != len(sizes):
        raise UserError(
            f"{path}: {len(lines)} alignments, but {len(sizes)} sentences; give one line for each"
        )
    return [
        parse_pharaoh(line, f"{path}, sentence {n + 1}", sizes[n] if sizes is not None else None)
        for n, line in enumerate(lines)
    ]


def alignment_error_rate(found: Sequence[Collection[Link]], gold: Sequence[Gold]) -> float:
    """AER over a corpus, 0 (best) to 1: 1 - (|A ∩ S| + |A ∩ P|) / (|A| + |S|) (Och & Ney 2003, eq. 12).

    UserError where the counts of sentences differ or neither side has a link.
    """
    if len(found) != len(gold):
        raise UserError(f"{len(found)} alignments, but {len(gold)} in the gold standard; give one for each")
    hits = total = 0
    for links, reference in zip(found, gold, strict=True):
        claimed = frozenset(links)
        hits += len(claimed & reference.sure) + len(claimed & reference.possible)
        total += len(claimed) + len(reference.sure)
    if not total:
        raise UserError("no links, neither found nor in the gold standard; there is nothing to score")
    return 1 - hits / total


def draw(words: Matrix, src_words: Sequence[str], trg_words: Sequence[str], width: int = 100) -> str:
    """Attention over words, (Wy, Wx), drawn in block shades: a row a target word, a column a source word.

    Each source word stands above its column and a line leads down to it. Cells are three columns wide,
    or two or one where `width` asks for it; more source words than that make the drawing wider.
    """
    if words.shape != (len(trg_words), len(src_words)):
        raise ValueError(f"attention is {words.shape}, the words are ({len(trg_words)}, {len(src_words)})")
    src, trg = [_printable(word) for word in src_words], [_printable(word) for word in trg_words]
    margin = max(map(_columns, trg), default=0) + 1
    cell = next((n for n in (3, 2) if _widest(src, margin, n) <= width), 1)
    lines = [" " * margin + "│".ljust(cell) * i + word for i, word in enumerate(src)]
    for word, row in zip(trg, words.tolist(), strict=True):
        shades = (_SHADES[bisect_right(_THRESHOLDS, value)] for value in row)
        # An empty cell keeps a dot, to lead the eye along the row.
        cells = "".join((shade * max(1, cell - 1) if shade != " " else "·").ljust(cell) for shade in shades)
        lines.append(" " * (margin - 1 - _columns(word)) + f"{word} {cells}".rstrip())
    legend = "  ".join(f"{shade} {limit:.2f}" for shade, limit in zip(_SHADES[1:], _THRESHOLDS, strict=True))
    return "\n".join([*lines, " " * margin + f"{legend} and more"])


def _widest(src: Sequence[str], margin: int, cell: int) -> int:
    return max((margin + i * cell + max(cell, _columns(word)) for i, word in enumerate(src)), default=0)


def _printable(word: str) -> str:
    # A control character in a text must not command the terminal.
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in word)


def _columns(text: str) -> int:
    """Terminal columns: East Asian wide characters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )
