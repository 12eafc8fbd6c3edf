"""The models of a server: one for each pair of languages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from nmt.builders.engine import find_graph
from nmt.data.letters import Letters
from nmt.decoding.translation import Translation
from nmt.decoding.translator import Translator
from nmt.errors import UserError
from nmt.runtime.bundle import translator_of
from nmt.runtime.engine import GraphEngine
from nmt.runtime.manifest import Manifest
from nmt.server.names import name_of


class Language(TypedDict):
    """A language that is read or written, and those that it is translated to."""

    code: str
    name: str
    targets: list[str]


@dataclass(frozen=True, eq=False)
class Model:
    """The model of a pair. best finds one translation of a line, ranking as many as the search keeps.

    Both find the same best translation.
    """

    best: Translator[GraphEngine]
    ranking: Translator[GraphEngine]

    @property
    def most_alternatives(self) -> int:
        """How many translations beside the best it can give."""
        return self.ranking.n_best - 1

    def translations(self, lines: list[str], *, ranked: bool, details: bool) -> list[Translation]:
        """Return the translation of each line; see `Translator`."""
        return (self.ranking if ranked else self.best).translations(lines, details=details)


@dataclass(frozen=True)
class Models:
    """The models by source and target language, and the letters of the source languages that are known."""

    of_pair: Mapping[tuple[str, str], Model]
    letters: Mapping[str, Letters]

    def languages(self) -> list[Language]:
        """Return every language, in alphabetical order of the codes."""
        codes = sorted({code for pair in self.of_pair for code in pair})
        return [
            {"code": code, "name": name_of(code), "targets": sorted(self.targets(code))} for code in codes
        ]

    def targets(self, source: str) -> set[str]:
        """Return the languages that a language is translated to."""
        return {trg for src, trg in self.of_pair if src == source}


def pairs_of(models: Iterable[Path]) -> dict[tuple[str, str], tuple[Path, Manifest, bytes]]:
    """Return the models by their languages; raises UserError unless each is whole, and of a pair of its own.

    A run that has not been exported is exported.
    """
    found: dict[tuple[str, str], tuple[Path, Manifest, bytes]] = {}
    for model in models:
        folder, manifest, graph = find_graph(model)
        pair = manifest.src, manifest.trg
        if not all(pair):
            raise UserError(
                f"--model {model}: expected a model that knows its languages, found none; "
                "give data.src and data.trg in its configuration"
            )
        if pair in found:
            raise UserError(
                f"--model {model}: translates {pair[0]} to {pair[1]}, as {found[pair][0]} does; "
                "leave out one of them"
            )
        found[pair] = folder, manifest, graph
    return found


def open_models(models: Iterable[Path], beam: int | None = None) -> Models:
    """Return the models, ready to translate on one thread; raises UserError like `pairs_of`."""
    pairs = pairs_of(models)
    manifests = [manifest for _, manifest, _ in pairs.values()]
    return Models(
        {pair: _open(*found, beam) for pair, found in pairs.items()},
        {each.src: Letters(each.letters) for each in manifests if each.letters},
    )


def _open(folder: Path, manifest: Manifest, graph: bytes, beam: int | None) -> Model:
    best = replace(translator_of(folder, manifest, graph, beam=beam), protect=True)
    width = best.engine.beam
    return Model(best, replace(best, engine=replace(best.engine, n_best=width), n_best=width))
