"""A text of several lines, or HTML, and the translation of it that those of its lines are together."""

import re
from collections.abc import Callable
from typing import NamedTuple, Self

from nmt.decoding.translation import Ranked, Translation, best_of_each
from nmt.evaluation.alignment import Detail
from nmt.markup.document import Document

_LINE_END = re.compile(r"(\r\n|\r|\n)")


class Text(NamedTuple):
    """The lines of a text, and what stands between two of them."""

    lines: list[str]
    ends: list[str]

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the lines of a text, one at least."""
        found = _LINE_END.split(text)
        return cls(found[::2], found[1::2])

    def join(self, translations: list[Translation], n_best: int) -> Translation:
        """Return the n best translations of the text, from the translations of its lines."""
        if not self.ends:
            return Translation(translations[0].ranked[:n_best])
        return _together(translations, n_best, self._written)

    def _written(self, lines: list[Ranked]) -> str:
        return "".join(line.text + end for line, end in zip(lines, [*self.ends, ""], strict=True))


class Html(NamedTuple):
    """The lines of an HTML document or fragment, and what stands around them."""

    document: Document

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the lines of a document, none if it has no words."""
        return cls(Document.of(text))

    @property
    def lines(self) -> list[str]:
        """The texts of the document."""
        return self.document.lines

    def join(self, translations: list[Translation], n_best: int) -> Translation:
        """Return the n best translations of the document, from the translations of its lines with details."""
        return _together(translations, n_best, self._written)

    def _written(self, lines: list[Ranked]) -> str:
        return self.document.join([Translation([line]) for line in lines])


def _together(
    translations: list[Translation], n_best: int, written: Callable[[list[Ranked]], str]
) -> Translation:
    """Return the n best translations of all lines, of which the text is written as told."""
    best = best_of_each([each.ranked for each in translations], n_best)
    return Translation([Ranked(written(chosen), score, _parts(chosen)) for score, chosen in best])


def _parts(lines: list[Ranked]) -> list[Detail]:
    """Return the parts of all lines; a line end is as good as a space."""
    return [
        part._replace(spaced=True, apart=True) if part is line.parts[-1] else part
        for line in lines
        for part in line.parts
    ]
