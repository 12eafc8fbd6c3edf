"""Find what no model may change, such as addresses and placeholders, and hide it behind names."""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple, Self

from nmt.data.sentences import sentence_ends

# Names that a model trained on everyday text copies; of other models the translation is checked.
NAMES = ("Tom", "Paris", "Boston", "John", "Tokyo", "Maria")

_TAG = r"</?[A-Za-z][^<>]*>"
_IN_BRACKETS = r"\([^\s<>()]*\)|\{[^\s<>{}]*\}"
_PLACE = rf"(?:[^\s<>\"“”«»(){{}}]|{_IN_BRACKETS})*(?:[^\s<>\"“”«»(){{}}.,;:!?'’\]*$%]|{_IN_BRACKETS})"
_WHOLE = (
    rf"(?:https?|ftp)://{_PLACE}"
    rf"|\bwww\.[\w-]+(?:\.[\w-]+)+(?:/{_PLACE}|/)?"
    r"|\b(?:mailto:)?[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|\{\{[^{}]*\}\}|[$#]\{[^{}\s]+\}|\{[^{}\s]*\}"
    r"|%\(\w+\)[-#0+ ]*\d*(?:\.\d+)?[A-Za-z]"
    r"|(?<![\w%])%(?:\d+\$)?[-#0+]*\d*(?:\.\d+)?(?:l|ll|h|z)?[diouxXeEfFgGcsr@](?!\w)"
)
_SPAN = re.compile(rf"(?:{_WHOLE}|{_TAG})+")
_TAGS = re.compile(_TAG)
_ENDED = re.compile(r"(?:^|[.!?:;…。！？])\s*$")
_BEGINS = re.compile(r"\s*(?:$|[.!?…。！？]+\s*$|[.!?…。！？]+\s)")
_LEADING = re.compile(r"(\s*)([.,;:!?…)\]»”’]+)(?=\s|$)")
_WORD = re.compile(r"[^\W\d_]|\d")


class Piece(NamedTuple):
    """A stretch of a line, and the white space before it; kept: it is not translated."""

    space: str
    text: str
    kept: bool


class Masked(NamedTuple):
    """A text in which names stand for the spans that no model may change."""

    text: str
    spans: Mapping[str, str]

    @classmethod
    def of(cls, text: str) -> Self | None:
        """Return the text with a name for each span; None if there are too few names, or one cannot stand."""
        found = list(_SPAN.finditer(text))
        free = [name for name in NAMES if name not in text]
        alone = all(_stands_apart(text, span.start(), span.end()) for span in found)
        if len(found) > len(free) or not alone:
            return None
        spans = {name: span[0] for name, span in zip(free, found, strict=False)}
        names = iter(spans)
        return cls(_SPAN.sub(lambda _: next(names), text), spans)

    def restore(self, text: str) -> str | None:
        """Return a translation with the spans in place of their names; None if one is not there once."""
        if any(len(_whole(name).findall(text)) != 1 for name in self.spans):
            return None
        return self.restore_word(text)

    def restore_word(self, word: str) -> str:
        """Return a word, or several, with the spans in place of the names that it holds."""
        if not self.spans:
            return word
        pattern = "|".join(map(re.escape, self.spans))
        return re.sub(rf"(?<!\w)(?:{pattern})(?!\w)", lambda found: self.spans[found[0]], word)


def has_spans(text: str) -> bool:
    """Say whether there is anything in the text that no model may change."""
    return _SPAN.search(text) is not None


def sentence_pieces(text: str) -> list[Piece]:
    """Return the pieces of a text: its sentences, and tags and spans that stand outside of them."""

    def outside(span: re.Match[str]) -> bool:
        after = _BEGINS.match(text, span.end())
        return bool(_TAGS.search(span[0])) or bool(after and _ENDED.search(text, 0, span.start()))

    pieces = _cut(text, [span for span in _SPAN.finditer(text) if outside(span)])
    return [each for piece in pieces for each in ([piece] if piece.kept else _sentences(piece))]


def all_pieces(text: str) -> list[Piece]:
    """Return the pieces of a text, cut at every span."""
    return list(_cut(text, list(_SPAN.finditer(text))))


def _cut(text: str, spans: list[re.Match[str]]) -> Iterator[Piece]:
    end = 0
    for span in spans:
        yield from _stretch(text[end : span.start()])
        yield Piece(_space_before(text[end:], span.start() - end), span[0], kept=True)
        end = span.end()
    yield from _stretch(text[end:])


def _sentences(piece: Piece) -> Iterator[Piece]:
    """Yield the sentences of a piece; none ends within a span."""
    spans = [span.span() for span in _SPAN.finditer(piece.text)]
    ends = [end for end in sentence_ends(piece.text) if not any(a < end < b for a, b in spans)]
    for begin, end in pairwise([0, *ends, len(piece.text)]):
        yield from _stretch(
            (piece.space if not begin else _space_before(piece.text, begin)) + piece.text[begin:end]
        )


def _space_before(text: str, end: int) -> str:
    """Return the white space that ends there."""
    return text[len(text[:end].rstrip()) : end]


def _stretch(text: str) -> Iterator[Piece]:
    """Yield the text between two spans, if there is any, as pieces; punctuation at its begin is kept."""
    begin = 0
    if leading := _LEADING.match(text):
        yield Piece(leading[1], leading[2], kept=True)
        begin = leading.end()
    if stripped := text[begin:].strip():
        space = text[begin : len(text) - len(text[begin:].lstrip())]
        yield Piece(space, stripped, kept=not _WORD.search(stripped))


def _stands_apart(text: str, begin: int, end: int) -> bool:
    """Say whether no letter or digit touches the span."""
    return not (text[:begin][-1:].isalnum() or text[end : end + 1].isalnum())


def _whole(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
