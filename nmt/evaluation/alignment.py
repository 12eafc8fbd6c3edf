"""From attention to word alignment: merging tokens, Pharaoh format, a drawing, a picture."""

import math
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nmt.tokenization.tokenizer import Tokenizer
from nmt.tokenization.vocabulary import EOS

Matrix = NDArray[np.floating]
# From the log-probabilities of words (N,) to the confidence in each (N,).
Confidence: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]

_SHADES = " ░▒▓█"
_THRESHOLDS = (0.05, 0.25, 0.5, 0.75)


class Link(NamedTuple):
    """Word `src` of the source is aligned with word `trg` of the target, both counted from 0."""

    src: int
    trg: int


class Detail(NamedTuple):
    """How a part of a line became its translation: words, where each looked, and how probable all are.

    weights: (Wy, Wx), the attention of each target word to each source word. spaced, apart: white space
    follows in the source, a space in the target; if not, the last word continues in the next part. tokens:
    those of the target, </s> last, with the log-probability of each after those before it. confidence: of
    each target word, from 0 to 1.
    """

    src_words: list[str]
    trg_words: list[str]
    weights: Matrix
    spaced: bool
    apart: bool
    tokens: list[str]
    log_probs: list[float]
    confidence: list[float]


def detail(
    tokenizers: tuple[Tokenizer, Tokenizer],
    src_ids: Sequence[int],
    trg_ids: Sequence[int],
    attention: Matrix,
    log_probs: Sequence[float],
    *,
    confidence: Confidence = np.exp,
    spaced: bool = True,
    apart: bool = True,
) -> Detail:
    """Return the details over words, from the ids of a sentence pair and the details of its tokens.

    attention: rows and columns beyond the ids belong to </s> and padding and are left out. log_probs: of the
    target ids and of </s>, which belongs to no word. confidence: that in words of given log-probabilities.
    """
    src, trg = tokenizers
    src_starts, trg_starts = src.word_starts(src_ids), trg.word_starts(trg_ids)
    of_words = sum_tokens(log_probs[: len(trg_ids)], trg_starts)
    return Detail(
        _words(src, src_ids, src_starts),
        _words(trg, trg_ids, trg_starts),
        merge_tokens(attention[: len(trg_ids), : len(src_ids)], src_starts, trg_starts),
        spaced,
        apart,
        [*trg.tokens(trg_ids), *trg.tokens([EOS])],
        list(log_probs),
        confidence(of_words).tolist(),
    )


def _words(tokenizer: Tokenizer, ids: Sequence[int], starts: Sequence[bool]) -> list[str]:
    begins = [i for i, start in enumerate(starts) if start or i == 0]
    return [tokenizer.decode(ids[a:b]).strip() for a, b in pairwise([*begins, len(ids)])]


def merge_tokens(attention: Matrix, src_starts: Sequence[bool], trg_starts: Sequence[bool]) -> Matrix:
    """Return attention between words (Wy, Wx) from attention between tokens (Ty, Tx).

    A word gets the sum over its source tokens and the mean over its target tokens, so a row that sums to one
    still does. src_starts, trg_starts: whether a word starts at each token (one always starts at the first).
    The attention must not include padding and </s>. Raises ValueError if sizes differ.
    """
    if attention.shape != (len(trg_starts), len(src_starts)):
        raise ValueError(
            f"attention is {attention.shape}, the tokens are ({len(trg_starts)}, {len(src_starts)})"
        )
    src, trg = _starts(src_starts), _starts(trg_starts)
    lengths = np.diff(trg, append=len(trg_starts))
    by_source = np.add.reduceat(attention, src, axis=1)  # (Ty, Wx)
    words: Matrix = np.add.reduceat(by_source, trg, axis=0) / lengths[:, None]  # (Wy, Wx)
    return words


def sum_tokens(log_probs: Sequence[float], starts: Sequence[bool]) -> NDArray[np.float64]:
    """Return the log-probability of each word (W,) from those of its tokens (T,).

    starts: whether a word starts at each token (one always starts at the first).
    """
    words: NDArray[np.float64] = np.add.reduceat(np.array(log_probs, np.float64), _starts(starts))
    return words


def _starts(flags: Sequence[bool]) -> NDArray[np.intp]:
    starts = np.array(flags, dtype=bool)
    starts[:1] = True
    return np.flatnonzero(starts)


def best_links(words: Matrix) -> list[Link]:
    """Link each target word to the source word with most attention, (Wy, Wx) → Wy links; ties go left."""
    if not words.size:
        return []
    return [Link(int(src), trg) for trg, src in enumerate(words.argmax(axis=1))]


def pharaoh(links: Iterable[Link]) -> str:
    """Return one line of Pharaoh format, "0-0 1-2 …", ordered by source and then by target."""
    return " ".join(f"{src}-{trg}" for src, trg in sorted(links))


def draw(words: Matrix, src_words: Sequence[str], trg_words: Sequence[str], width: int = 100) -> str:
    """Draw attention between words (Wy, Wx) in block shades: one row per target word.

    Each source word is above its column, with a line down to it. Cells are three columns wide, or two or one
    to stay within `width`; with more source words the drawing becomes wider.
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


def paint(words: Matrix, src_words: Sequence[str], trg_words: Sequence[str]) -> NDArray[np.uint8]:
    """Return attention between words (Wy, Wx) as a grey picture (height, width): black for 1, white for 0.

    One row per target word. Characters that matplotlib's font lacks become boxes.
    """
    # matplotlib's axes would take sixteen times as long.
    from matplotlib import get_data_path
    from PIL import Image, ImageDraw, ImageFont

    if words.shape != (len(trg_words), len(src_words)):
        raise ValueError(f"attention is {words.shape}, the words are ({len(trg_words)}, {len(src_words)})")
    src, trg = [_label(word) for word in src_words], [_label(word) for word in trg_words]
    font = ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", 12)
    cell, gap = 24, 6  # pixels
    top, left = (2 * gap + math.ceil(max(map(font.getlength, side), default=0)) for side in (src, trg))
    shades = np.kron(255 * (1 - words), np.ones((cell, cell))).astype(np.uint8)
    height, width = shades.shape

    picture = Image.new("L", (left + width + gap, top + height + gap), 255)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((left - 1, top - 1, left + width, top + height), outline=0)
    for i, word in enumerate(trg):
        pen.text((left - gap, top + cell * (i + 0.5)), word, 0, font, anchor="rm")
    # Rotated, to write the source words upwards.
    picture = picture.rotate(-90, expand=True)
    pen = ImageDraw.Draw(picture)
    for i, word in enumerate(src):
        pen.text((picture.width - top + gap, left + cell * (i + 0.5)), word, 0, font, anchor="lm")
    pixels = np.array(picture.rotate(90, expand=True))
    pixels[top : top + height, left : left + width] = shades
    return pixels


def _label(word: str, longest: int = 20) -> str:
    shown = _printable(word)
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def _widest(src: Sequence[str], margin: int, cell: int) -> int:
    return max((margin + i * cell + max(cell, _columns(word)) for i, word in enumerate(src)), default=0)


def _printable(word: str) -> str:
    # A control character must not reach the terminal.
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in word)


def _columns(text: str) -> int:
    """Return the width in terminal columns: East Asian wide characters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )
