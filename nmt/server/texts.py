"""A text of several lines, and the translation of it that those of its lines are together."""

import re
from typing import NamedTuple, Self

from nmt.decoding.translation import Ranked, Translation, best_of_each
from nmt.evaluation.alignment import Detail

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
        ranked = [
            Ranked(self._joined([line.text for line in chosen]), score, _parts(chosen))
            for score, chosen in best_of_each([each.ranked for each in translations], n_best)
        ]
        return Translation(ranked)

    def _joined(self, lines: list[str]) -> str:
        return "".join(line + end for line, end in zip(lines, [*self.ends, ""], strict=True))


def _parts(lines: list[Ranked]) -> list[Detail]:
    """Return the parts of all lines; a line end is as good as a space."""
    return [
        part._replace(spaced=True, apart=True) if part is line.parts[-1] else part
        for line in lines
        for part in line.parts
    ]
