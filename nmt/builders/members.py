"""Models that translate together: runs, and exported models, which take their steps on ONNX Runtime."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nmt.builders.corpus import directions_of, languages_of
from nmt.builders.model import build_model
from nmt.builders.search import SearchKeys, search_keys
from nmt.builders.tokenizer import build_normalizer
from nmt.config.experiment import Experiment
from nmt.config.model import LanguageModelConfig, ModelConfig
from nmt.data.corpus import Languages
from nmt.data.directions import choose_tag
from nmt.data.text import Normalizer, TextEncoder
from nmt.decoding.options import TranslationOptions
from nmt.decoding.sources import SourceLimits
from nmt.errors import UserError
from nmt.machine import Precision
from nmt.models import Seq2Seq
from nmt.run import Run
from nmt.runtime.bundle import (
    check_precision,
    find_model,
    is_exported,
    read_graph,
    read_manifest,
    tokenizers_of,
)
from nmt.runtime.manifest import GRAPH, GraphPrecision, Manifest
from nmt.tokenization.reversal import is_reversed
from nmt.tokenization.tokenizer import Tokenizer, load_tokenizers

if TYPE_CHECKING:
    from nmt.graphs.steps import StepGraphs


class Member(NamedTuple):
    """A run that translates, but for its weights."""

    run: Run
    experiment: Experiment
    config: ModelConfig
    src: Tokenizer
    trg: Tokenizer

    @property
    def keys(self) -> SearchKeys:
        """How it searches."""
        return search_keys(self.experiment.decoding)

    @property
    def languages(self) -> Languages:
        """The languages that it reads and writes."""
        return languages_of(self.experiment.data)

    @property
    def tagged(self) -> bool:
        """Whether tags say what it translates to."""
        return bool(self.experiment.data.tags)

    def limits(self, max_source: int | None) -> SourceLimits:
        """Return what it translates as a whole."""
        return SourceLimits.of(self.run.tokenizer, self.keys.max_source, asked=max_source)

    def encoder(self, options: TranslationOptions) -> TextEncoder:
        """Return how it reads a source; raises UserError where no tag of it fits the options."""
        data, tag = self.experiment.data, options.tag
        if tag is None:
            tag = choose_tag(self.run.folder, directions_of(data), options.to)
        return TextEncoder(self.src, build_normalizer(data)).with_tag(tag)

    def load_model(self) -> Seq2Seq:
        """Return its model in evaluation mode, in float32."""
        model = self.run.load_model(
            lambda: build_model(self.config, len(self.src.vocabulary), len(self.trg.vocabulary)),
            (self.src.fingerprint, self.trg.fingerprint),
            self.experiment,
        )
        return model.eval()

    def precision(self, asked: Precision) -> GraphPrecision:
        """Return what its graphs compute in: int8 unless float32 is asked for."""
        return "float32" if asked == "float32" else "int8"

    def steps(self, precision: GraphPrecision) -> "StepGraphs":
        """Return the graphs of its steps; raises CannotExport where a layer has none."""
        from nmt.graphs.steps import StepGraphs, encode_graph, step_graph  # a fifth of a second

        model = self.load_model()
        return StepGraphs(encode_graph(model, precision), step_graph(model, precision))


class ExportedMember(NamedTuple):
    """An exported model that translates, but for its graph."""

    folder: Path
    manifest: Manifest
    src: Tokenizer
    trg: Tokenizer

    @property
    def keys(self) -> SearchKeys:
        """How it searches."""
        return SearchKeys(*(getattr(self.manifest, key) for key in SearchKeys._fields))

    @property
    def languages(self) -> Languages:
        """The languages that it reads and writes."""
        return Languages(self.manifest.src or None, self.manifest.trg or None)

    @property
    def tagged(self) -> bool:
        """Whether tags say what it translates to."""
        return bool(self.manifest.directions)

    def limits(self, max_source: int | None) -> SourceLimits:
        """Return what it translates as a whole."""
        return SourceLimits.of(self.folder / "tokenizer", self.manifest.max_source, asked=max_source)

    def encoder(self, options: TranslationOptions) -> TextEncoder:
        """Return how it reads a source; raises UserError where no tag of it fits the options."""
        tag = options.tag
        if tag is None:
            tag = choose_tag(self.folder, self.manifest.directions, options.to)
        return TextEncoder(self.src, Normalizer(self.manifest.normalize)).with_tag(tag)

    def load_model(self) -> Seq2Seq:
        """Raise UserError: it has no weights that torch could compute with."""
        raise UserError(
            f"{self.folder} was exported and computes in {self.manifest.precision} on a CPU; another "
            "precision or device needs the run that it was made of"
        )

    def precision(self, asked: Precision) -> GraphPrecision:
        """Return what its graph computes in; raises UserError where another precision is asked for."""
        check_precision(self.folder, self.manifest, asked)
        return self.manifest.precision

    def steps(self, precision: GraphPrecision) -> "StepGraphs":
        """Return the graphs of its steps; raises UserError where its graph is damaged."""
        from onnx import load_model_from_string

        from nmt.graphs.cutting import cut_steps

        graph = read_graph(self.folder, self.manifest)
        try:
            return cut_steps(load_model_from_string(graph))
        except (ValueError, LookupError) as error:
            raise UserError(
                f"{self.folder / GRAPH} is no translation graph of nmt ({error}); export the model again"
            ) from None


AnyMember = Member | ExportedMember


def check_models(options: TranslationOptions) -> None:
    """Raise UserError if the models cannot translate together; no weights are read."""
    for member in read_members(options):
        member.encoder(options)


def read_members(options: TranslationOptions, experiment: Experiment | None = None) -> list[AnyMember]:
    """Return the models that translate together; raises UserError where they cannot."""
    folder, *others = options.models
    members = [find_member(folder, experiment), *(find_member(other) for other in others)]
    for other, member in zip(others, members[1:], strict=True):
        _same_tokens(
            f"--model {other}", member.trg, folder, members[0].trg, "models of an ensemble need the same ones"
        )
        check_languages(f"--model {other}", member.languages, folder, members[0].languages)
    if options.lm:
        _check_language_model(options.lm, folder, members[0].trg)
    rules = options.rules
    if is_reversed(members[0].trg) and (rules.glossary or rules.forbidden or rules.after_tab):
        raise UserError(
            f"{folder} writes from right to left (data.reverse_target), where texts that a translation must "
            "or must not hold cannot be asked for; leave out --glossary, --forbid and --after-tab"
        )
    return members


def find_member(folder: Path, experiment: Experiment | None = None) -> AnyMember:
    """Return a run or exported model that translates; raises UserError for another."""
    found = find_model(folder)
    if not is_exported(found):
        return read_member(folder, experiment)
    manifest = read_manifest(found, "seq2seq")
    return ExportedMember(found, manifest, *tokenizers_of(found, manifest))


def read_member(folder: Path, experiment: Experiment | None = None) -> Member:
    """Return a run that translates; raises UserError for another."""
    run = Run(folder)
    experiment = experiment or run.experiment()
    if not isinstance(experiment.model, ModelConfig):
        raise UserError(
            f"{folder} is a run of model.kind {experiment.model.kind}, which translates nothing; "
            "see nmt predict and nmt score for labels, nmt sample and nmt score --text for a language model, "
            "which can be given as --lm beside a --model"
        )
    return Member(run, experiment, experiment.model, *load_tokenizers(run.tokenizer))


def check_languages(what: str, found: Languages, folder: Path, expected: Languages) -> None:
    """Raise UserError where two models are known to read or to write different languages."""
    for verb, a, b in (("reads", expected.src, found.src), ("writes", expected.trg, found.trg)):
        if a and b and a != b:
            raise UserError(f"{what} {verb} {b}, expected {a} as {folder} does; give models of one direction")


def _check_language_model(lm: Path, folder: Path, trg: Tokenizer) -> None:
    run = Run(lm)
    experiment = run.experiment()
    if not isinstance(experiment.model, LanguageModelConfig):
        raise UserError(
            f"--lm {lm} is a run of model.kind {experiment.model.kind}, expected language_model; "
            "give it as --model"
        )
    if experiment.data.continuous:
        raise UserError(
            f"--lm {lm} was trained with data.text.lines: false, as one long text, expected true: "
            "it has not learnt how a line begins"
        )
    _, tokenizer = load_tokenizers(run.tokenizer)
    saved = f"train it with data.tokenizer {{kind: saved, path: {find_model(folder) / 'tokenizer'}}}"
    _same_tokens(f"--lm {lm}", tokenizer, folder, trg, saved)


def _same_tokens(what: str, found: Tokenizer, folder: Path, expected: Tokenizer, remedy: str) -> None:
    if is_reversed(found) != is_reversed(expected):
        raise UserError(
            f"{what}: writes in the other direction than {folder} (data.reverse_target), so they cannot "
            "choose tokens together; see --rerank"
        )
    a, b = expected.vocabulary, found.vocabulary
    if a.fingerprint != b.fingerprint:
        raise UserError(
            f"{what}: data.tokenizer has other target tokens than {folder}: expected {len(a)} with "
            f"fingerprint {a.fingerprint[:12]}, found {len(b)} with {b.fingerprint[:12]}; {remedy}"
        )
