"""Where a text is cut into stretches that a model reads as a whole. Needs no torch."""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from nmt.data.sentences import Ends, sentence_ends

TIGHT = "。！？、，；：」』）】》"  # no space stands behind these
_CLAUSE = re.compile(r"(?<=[,;:–—、，；：])\s+|(?<=[、，；：])")
_SPACE = re.compile(r"\s+")


def split_text(
    text: str,
    fits: Callable[[str], bool],
    together: Callable[[str], bool] | None = None,
    ends: Ends = sentence_ends,
) -> Iterator[str]:
    """Yield stretches of the text that fit and together are the text, cut at the best places there are.

    Sentence ends first; a sentence that does not fit is cut at clause ends, then at white space, then
    anywhere. Neighbouring stretches are packed together while they fit; sentences while `together` says so.
    """
    yield from _pack(text, fits, together or fits, [ends, _clause_ends, _spaces])


def _pack(
    text: str,
    fits: Callable[[str], bool],
    together: Callable[[str], bool],
    ends: list[Callable[[str], list[int]]],
) -> Iterator[str]:
    if together(text) or len(text) == 1:
        yield text
        return
    if not ends:
        middle = len(text) // 2
        yield from _pack(text[:middle], fits, fits, ends)
        yield from _pack(text[middle:], fits, fits, ends)
        return
    held = ""
    for begin, end in pairwise([0, *ends[0](text), len(text)]):
        stretch = text[begin:end]
        if held and together(held + stretch):
            held += stretch
            continue
        if held:
            yield held
        held = stretch
        if not fits(held):
            *whole, held = _pack(held, fits, fits, ends[1:])
            yield from whole
    yield held


def _clause_ends(text: str) -> list[int]:
    return [found.end() for found in _CLAUSE.finditer(text) if found.end() < len(text)]


def _spaces(text: str) -> list[int]:
    return [found.end() for found in _SPACE.finditer(text) if found.end() < len(text)]


def ends_without_space(text: str) -> bool:
    """Say whether a sentence or clause ends with the text, as in scripts that need no space there."""
    return sentence_ends(f"{text}Xx")[-1:] == [len(text)] or text[-1:] in TIGHT
