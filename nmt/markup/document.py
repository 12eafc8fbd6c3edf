"""An HTML document or fragment, and the one with its text translated: the same tags, in their places.

Tags within a sentence are taken out for the translation, and put back around the words that are aligned with
the words they stood around: Müller 2017, "Treatment of Markup in Statistical Machine Translation"; Hanneman &
Dinu 2020, "How Should Markup Tags Be Translated?". Needs no torch.
"""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np

from nmt.decoding.translation import Translation
from nmt.evaluation.alignment import Matrix
from nmt.evaluation.record import translation_record
from nmt.markup.html import Token, segments
from nmt.markup.placing import Element, place

_BLANK = " \t\n\r\f"  # what HTML takes for one space
_BLANKS, _WORD, _LETTER = re.compile(f"[{_BLANK}]+"), re.compile(r"\S+"), re.compile(r"[^\W_]")


class _Tag(NamedTuple):
    """An element in the text of a segment, or a thing without text (close is None), by characters.

    spaced: a thing with white space on both sides.
    """

    open: str
    begin: int
    end: int
    close: str | None
    children: list["_Tag"]
    spaced: bool = False


@dataclass(frozen=True)
class Segment:
    """A line of text that is translated, with its tags. before, after: white space around it.

    kept: what stands for {0}, {1} … in the text: elements that are not translated.
    """

    text: str
    tags: list[_Tag]
    kept: dict[str, str]
    before: str
    after: str

    @classmethod
    def of(cls, tokens: Sequence[Token]) -> Self | None:
        """Return the segment of these tokens, None if it has no word to translate."""
        written = "".join(html.unescape(token.raw) for token in tokens if token.kind == "text")
        if not _LETTER.search(written):
            return None
        text, kept, number = "", {}, 0
        opened: list[_Tag] = [_Tag("", 0, 0, None, [])]
        for token, following in pairwise([*tokens, Token("other", "", "")]):
            if token.kind == "text":
                read = _BLANKS.sub(" ", html.unescape(token.raw))
                text += read.lstrip(" ") if text[-1:] in ("", " ") else read
            elif token.kind == "kept":
                while f"{{{number}}}" in written:
                    number += 1
                kept[name := f"{{{number}}}"] = token.raw
                text, number = text + name, number + 1
            elif token.kind == "start":
                opened.append(_Tag(token.raw, len(text), 0, None, []))
            elif token.kind == "end":
                tag = opened.pop()._replace(end=len(text), close=token.raw)
                opened[-1].children.append(tag)
            else:
                spaced = text[-1:] == " " and following.kind == "text" and bool(_leading(following.raw))
                opened[-1].children.append(_Tag(token.raw, len(text), len(text), None, [], spaced))
        before = _leading(tokens[0].raw) if tokens[0].kind == "text" else ""
        after = _leading(tokens[-1].raw[::-1])[::-1] if tokens[-1].kind == "text" else ""
        return cls(text.rstrip(" "), opened[0].children, kept, before, after)

    def translated(self, translation: Translation) -> str:
        """Return the segment as HTML, with its translation and all its tags."""
        src, trg = _words(self.text), _words(translation.text)
        elements = [_element(tag, src) for tag in self.tags]
        place(elements, _weights(translation, len(trg), len(src)), (0, len(src)), (0, len(trg)))
        writer = _Writer(translation.text, trg, self.text)
        body = writer.written(list(zip(self.tags, elements, strict=True)), 0, len(translation.text))
        for name, raw in self.kept.items():
            body = body.replace(name, raw, 1) if name in body else f"{body} {raw}"
        return self.before + body + self.after


class Document(NamedTuple):
    """A document in segments: those to translate, and what stands as it is written."""

    segments: list[Segment | str]

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the segments of a document or fragment, whatever it holds."""
        return cls([Segment.of(tokens) or "".join(each.raw for each in tokens) for tokens in segments(text)])

    @property
    def lines(self) -> list[str]:
        """The texts to translate; {0} and the like in them must come out whole."""
        return [each.text for each in self.segments if isinstance(each, Segment)]

    def join(self, translations: Sequence[Translation]) -> str:
        """Return the document with its text translated. translations: of `lines`, with details."""
        found = iter(translations)
        return "".join(
            each if isinstance(each, str) else each.translated(next(found)) for each in self.segments
        )


class _Writer(NamedTuple):
    """Writes the translation of a segment with its tags."""

    text: str
    words: list[tuple[int, int]]
    source: str

    def written(self, tags: Sequence[tuple[_Tag, Element]], begin: int, end: int) -> str:
        """Return the text from begin to end, escaped, with these tags and those in them."""
        out, at = "", begin
        for tag, element in sorted(tags, key=lambda each: each[1].place or ()):
            first, last = self._extent(tag, element)
            first, last = max(at, min(first, end)), max(at, min(last, end))
            out += html.escape(self.text[at:first], quote=False)
            if first == last == len(self.text) and self.source[: tag.begin].endswith(" "):
                out += " "
            out += tag.open + " " * (tag.spaced and last < len(self.text))
            if tag.close is not None:
                inner = list(zip(tag.children, element.children, strict=True))
                out += self.written(inner, first, last) + tag.close
            at = last
        return out + html.escape(self.text[at:end], quote=False)

    def _extent(self, tag: _Tag, element: Element) -> tuple[int, int]:
        """Return the characters that a tag stands around, without punctuation at an end where it had none."""
        assert element.place is not None
        first, last = element.place
        if first == last:
            spaced = self.source[: tag.begin][-1:].isspace()
            if first == len(self.words) or (first and not spaced):
                return (self.words[first - 1][1],) * 2 if first else (0, 0)
            return (self.words[first][0],) * 2
        begin, end = self.words[first][0], self.words[last - 1][1]
        own, rest = self.source[tag.begin : tag.end].strip(), self.source[tag.end :].strip()
        if rest and _LETTER.match(own[-1:]):
            while end > begin + 1 and not _LETTER.match(self.text[end - 1]):
                end -= 1
        if self.source[: tag.begin].strip() and _LETTER.match(own):
            while begin < end - 1 and not _LETTER.match(self.text[begin]):
                begin += 1
        return begin, end


def _leading(text: str) -> str:
    return text[: len(text) - len(text.lstrip(_BLANK))]


def _words(text: str) -> list[tuple[int, int]]:
    return [found.span() for found in _WORD.finditer(text)]


def _element(tag: _Tag, words: Sequence[tuple[int, int]]) -> Element:
    """Return the element by words: those that it has a letter of."""
    begin = sum(end <= tag.begin for _, end in words)
    end = sum(start < tag.end for start, _ in words)
    if tag.close is None or begin >= end:
        begin = end = sum(start < tag.begin for start, _ in words)
    return Element(begin, end, [_element(child, words) for child in tag.children])


def _weights(translation: Translation, trg: int, src: int) -> Matrix:
    """Return the attention between words (trg, src); where a tokenizer counts others, between those near."""
    record = translation_record("", translation)
    found = np.array([word["attention"] for word in record["words"]], np.float64)
    if not found.size or not trg or not src:
        return np.zeros((trg, src))
    rows, columns = (np.arange(n) * size // n for n, size in zip((trg, src), found.shape, strict=True))
    weights: Matrix = found[np.ix_(rows, columns)]
    return weights
