"""HTML as it is written, cut into segments: a line of text with its tags, or what is not translated."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from typing import Literal, NamedTuple

# Elements within a line of text; every other tag ends a segment, br too.
_INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i img ins kbd label mark nobr q s samp "
    "small span strike strong sub sup time tt u var wbr".split()
)
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
# Elements that hold no language, or none to be read as running text.
_UNTRANSLATED = frozenset(
    "code kbd math noscript object pre samp script style svg template textarea tt var".split()
)
Kind = Literal["start", "end", "void", "text", "other", "kept"]


class Token(NamedTuple):
    """A stretch of a document as it is written.

    kind: a tag, text, an element within a line that is kept as it is, or anything else. kept: a start tag
    whose element is not translated.
    """

    kind: Kind
    name: str
    raw: str
    kept: bool = False


class _Reader(HTMLParser):
    """Notes where each tag and text begins."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self._lines = [0, *(found.end() for found in re.finditer("\n", text))]
        self._found: list[tuple[int, Token]] = []
        self.feed(text)
        self.close()
        self._text = text

    def tokens(self) -> list[Token]:
        """Return the stretches, which together are the document."""
        starts = [*(at for at, _ in self._found), len(self._text)]
        first = [Token("other", "", self._text[: starts[0]])] if starts[0] else []
        ranges = zip(self._found, pairwise(starts), strict=True)
        return first + [token._replace(raw=self._text[a:b]) for (_, token), (a, b) in ranges if a < b]

    def _note(self, kind: Kind, name: str = "", *, kept: bool = False) -> None:
        line, column = self.getpos()
        self._found.append((self._lines[line - 1] + column, Token(kind, name, "", kept)))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = dict(attrs)
        marked = (of.get("translate") or "").lower() == "no" or "notranslate" in (
            of.get("class") or ""
        ).split()
        self._note("void" if tag in _VOID else "start", tag, kept=marked or tag in _UNTRANSLATED)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note("void", tag)

    def handle_endtag(self, tag: str) -> None:
        self._note("end", tag)

    def handle_data(self, data: str) -> None:
        self._note("text")

    def handle_entityref(self, name: str) -> None:
        self._note("text")

    def handle_charref(self, name: str) -> None:
        self._note("text")

    def handle_comment(self, data: str) -> None:
        self._note("void", "img")  # which stands in a line of text as a picture does

    def handle_decl(self, decl: str) -> None:
        self._note("other")

    def handle_pi(self, data: str) -> None:
        self._note("other")

    def unknown_decl(self, data: str) -> None:
        self._note("other")


def _whole_elements(tokens: list[Token]) -> Iterator[Token]:
    """Yield the tokens, an element that is not translated as one; one without an end reaches to the last."""
    at = 0
    while at < len(tokens):
        token, begin = tokens[at], at
        at += 1
        if token.kind == "start" and token.kept:
            depth = 1
            while depth and at < len(tokens):
                if tokens[at].name == token.name:
                    depth += {"start": 1, "end": -1}.get(tokens[at].kind, 0)
                at += 1
            raw = "".join(each.raw for each in tokens[begin:at])
            yield Token("kept" if token.name in _INLINE and not depth else "other", token.name, raw)
        else:
            yield token


def segments(text: str) -> Iterator[list[Token]]:
    """Yield the document in segments: text with tags, each opened and closed, or a token of another kind."""
    held: list[Token] = []
    for token in _whole_elements(_Reader(text).tokens()):
        if token.kind in ("text", "kept") or token.name in _INLINE:
            held.append(token)
            continue
        yield from _balanced(held)
        yield [token]
        held = []
    yield from _balanced(held)


def _balanced(tokens: list[Token]) -> Iterator[list[Token]]:
    """Yield segments that begin and end where a tag stands alone."""
    alone = set()
    opened: list[int] = []
    for i, token in enumerate(tokens):
        if token.kind == "start":
            opened.append(i)
        elif token.kind == "end":
            same = [j for j in opened if tokens[j].name == token.name]
            if not same:
                alone.add(i)
                continue
            while (last := opened.pop()) != same[-1]:
                alone.add(last)
    alone |= set(opened)
    if not alone:
        if tokens:
            yield tokens
        return
    begin = 0
    for i in sorted(alone):
        yield from _balanced(tokens[begin:i])
        yield [tokens[i]]
        begin = i + 1
    yield from _balanced(tokens[begin:])
