"""The models of a server: one for each pair of languages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypedDict

from nmt.builders.engine import find_graph
from nmt.data.directions import Direction, language_of
from nmt.data.letters import Letters
from nmt.decoding.translation import Translation
from nmt.decoding.translator import Translator
from nmt.errors import UserError
from nmt.runtime.bundle import translator_of
from nmt.runtime.engine import GraphEngine
from nmt.runtime.manifest import Manifest
from nmt.server.names import name_of

Pair: TypeAlias = tuple[str, str]  # the languages of source and target


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

    of_pair: Mapping[Pair, Model]
    letters: Mapping[str, Letters]

    def languages(self) -> list[Language]:
        """Return every language, in alphabetical order of the codes."""
        return languages_of(self.of_pair)

    def targets(self, source: str) -> set[str]:
        """Return the languages that a language is translated to."""
        return {trg for src, trg in self.of_pair if src == source}


class Found(NamedTuple):
    """An exported model: its folder, what is in it, and the tag that asks for a pair of it, "" for none."""

    folder: Path
    manifest: Manifest
    graph: bytes
    tag: str = ""


def pairs_of(models: Iterable[Path]) -> dict[Pair, Found]:
    """Return the models by their languages; raises UserError unless each is whole, and of a pair of its own.

    A model with tags is there for each of its pairs. A run that has not been exported is exported.
    """
    return by_pair((f"--model {model}", Found(*find_graph(model))) for model in models)


def by_pair(models: Iterable[tuple[str, Found]]) -> dict[Pair, Found]:
    """Return models, which have names for a UserError, by their languages; raises it like `pairs_of`."""
    found: dict[Pair, Found] = {}
    for name, model in models:
        for src, trg, tag in _served(model.manifest):
            if not (src and trg):
                raise UserError(
                    f"{name}: expected a model that knows its languages, found none; "
                    "give data.src and data.trg in its configuration"
                )
            if (src, trg) in found:
                raise UserError(
                    f"{name}: translates {src} to {trg}, as {found[src, trg].folder} does; "
                    "leave out one of them"
                )
            found[src, trg] = model._replace(tag=tag)
    return found


def _served(manifest: Manifest) -> list[Direction]:
    """Return what a model is asked for: of text that was only marked, nothing; of a pair, one direction."""
    directions = manifest.directions or (Direction(manifest.src, manifest.trg, ""),)
    asked = [each for each in directions if each.tag == "" or language_of(each.tag)]
    return [*{each[:2]: each for each in reversed(asked)}.values()][::-1]


def languages_of(pairs: Iterable[Pair]) -> list[Language]:
    """Return every language of some pairs, in alphabetical order of the codes."""
    targets: dict[str, set[str]] = {}
    for src, trg in pairs:
        targets.setdefault(src, set()).add(trg)
        targets.setdefault(trg, set())
    return [
        {"code": code, "name": name_of(code), "targets": sorted(targets[code])} for code in sorted(targets)
    ]


def open_models(models: Iterable[Path], beam: int | None = None) -> Models:
    """Return the models, ready to translate on one thread; raises UserError like `pairs_of`."""
    pairs = pairs_of(models)
    manifests = [found.manifest for found in pairs.values()]
    opened: dict[Path, Translator[GraphEngine]] = {}  # pairs of one model share its memory
    for folder, manifest, graph, _ in pairs.values():
        if folder not in opened:
            opened[folder] = replace(translator_of(folder, manifest, graph, beam=beam), protect=True)
    return Models(
        {pair: _model(opened[found.folder].with_tag(found.tag)) for pair, found in pairs.items()},
        {each.src: Letters(each.letters) for each in manifests if each.letters},
    )


def _model(best: Translator[GraphEngine]) -> Model:
    width = best.engine.beam
    return Model(best, replace(best, engine=replace(best.engine, n_best=width), n_best=width))
