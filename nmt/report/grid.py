"""A table of text."""

import re
from collections.abc import Sequence
from typing import NamedTuple

_NUMBER = re.compile(r"[−+]?[\d.,]+( ± [\d.,]+)?( M)?|–")


class Grid(NamedTuple):
    """Rows of text under named columns, the first of which names the row; note: what stands below it."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    @property
    def id(self) -> str:
        """The caption as an identifier."""
        return "-".join(re.findall(r"[a-z]+", self.caption.lower()))

    @property
    def numeric(self) -> list[bool]:
        """Whether each column holds numbers alone."""
        return [all(_NUMBER.fullmatch(cell) for cell in column) for column in zip(*self.rows, strict=True)]
