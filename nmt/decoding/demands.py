"""What a person demands of a translation: how it begins, what it must hold and must not. Needs no torch."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, Self

from nmt.errors import UserError

AfterTab = Literal["prefix", "terms"]  # what stands behind a tab in a line to be translated

DIVERSITY = 0.5  # what a token loses in a diverse beam, unless said otherwise


class Demand(NamedTuple):
    """How the translation of one line begins, and the texts that it must hold and must not hold.

    A text is held where a word, or several, begin with it.
    """

    prefix: str = ""
    terms: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()

    @classmethod
    def parse(cls, line: str, kind: AfterTab) -> tuple[str, Self]:
        """Return the source and the demand of a line; behind tabs a prefix, or terms and !forbidden ones."""
        source, *rest = line.split("\t")
        if kind == "prefix":
            return source, cls(prefix="\t".join(rest))
        given = [text for text in map(str.strip, rest) if text]
        return source, cls(
            terms=tuple(text for text in given if not text.startswith("!")),
            forbidden=tuple(text[1:].strip() for text in given if text[1:].strip() and text.startswith("!")),
        )


def holds(text: str, part: str) -> bool:
    """Say whether a word, or several, of a text begin with the part."""
    return re.search(rf"(?<!\w){re.escape(part)}", text) is not None


@dataclass(frozen=True)
class Glossary:
    """Target texts that a translation holds where its source has a source text, as whole words."""

    entries: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, lines: Iterable[str], name: str) -> Self:
        """Read lines source, tab, target; raises UserError that names a line of the file without one tab."""
        entries = []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            columns = [column.strip() for column in line.split("\t")]
            if len(columns) != 2 or not all(columns):
                raise UserError(
                    f"{name}, line {number}: expected a source text, one tab and a target text, "
                    f"found {line!r}"
                )
            entries.append((columns[0], columns[1]))
        return cls(tuple(entries))

    @cached_property
    def _targets(self) -> dict[str, str]:
        return dict(self.entries)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted(self._targets, key=len, reverse=True)
        return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")

    def terms(self, source: str) -> list[str]:
        """Return the target texts of what the source has, the longest first where entries overlap."""
        if not self.entries:
            return []
        return [self._targets[found] for found in self._pattern.findall(source)]


@dataclass(frozen=True)
class Rules:
    """Rules about every output of a search.

    min_length: tokens, at least. no_repeat: no so many tokens in a row occur twice; 0 for any. coverage: the
    strength of the penalty for source tokens left out. groups, diversity: of a diverse beam (`Groups`).
    glossary, forbidden: see `Glossary` and `Demand`. after_tab: what stands behind a tab in each line.
    """

    min_length: int = 0
    no_repeat: int = 0
    coverage: float = 0.0
    groups: int = 0
    diversity: float = DIVERSITY
    glossary: Glossary | None = None
    forbidden: tuple[str, ...] = ()
    after_tab: AfterTab | None = None

    def __post_init__(self) -> None:
        if self.no_repeat and (self.glossary or self.after_tab):
            raise UserError(
                f"no_repeat {self.no_repeat}: expected no glossary, terms or prefix with it, "
                "which may repeat; leave it out"
            )

        if self.groups and (self.glossary or self.after_tab == "terms"):
            raise UserError(
                f"diverse {self.groups}: expected no glossary or terms with it, for which the beam is shared "
                "in another way; leave it out"
            )

    def __bool__(self) -> bool:
        return self != NONE


NONE = Rules()
