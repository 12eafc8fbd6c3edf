"""A run folder, or several → a translator."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import torch
from torch import nn

from nmt.builders.hardware import choose_device, choose_translation_precision
from nmt.builders.model import build_model
from nmt.builders.search import build_search
from nmt.builders.tokenizer import build_normalizer
from nmt.config.experiment import Experiment
from nmt.config.model import LanguageModelConfig, ModelConfig
from nmt.data.text import TextEncoder
from nmt.decoding.options import TranslationOptions
from nmt.decoding.recorded import RecordedScorer
from nmt.decoding.scorers import EnsembleScorer, FusionScorer, LanguageModelScorer, ModelScorer
from nmt.decoding.search import AnyScorer
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translator import SourceLimits, Translator
from nmt.errors import CannotExport, UserError
from nmt.layers.decoders import ConditionalDecoder
from nmt.layers.packed import MANY, folded, kernels, packed
from nmt.machine import Precision, has_packed
from nmt.models import LanguageModel, Seq2Seq
from nmt.run import Run
from nmt.tokenization.tokenizer import Tokenizer, load_tokenizers

if TYPE_CHECKING:
    from nmt.graphs.graph import Precision as GraphPrecision

AFTER = 32  # steps, before which recording one does not pay: a single line
Model = TypeVar("Model", Seq2Seq, LanguageModel)


def load_translator(
    options: TranslationOptions, experiment: Experiment | None = None
) -> Translator[TorchEngine]:
    """Return the translator that the options describe.

    experiment: the first run's configuration with overrides.

    Raises UserError when a folder is no run, its parts are damaged or do not belong together, or the
    device cannot do what is asked for.
    """
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    where = choose_device(options.device)
    members = read_members(options, experiment)
    first = members[0]
    decoding, n_best = first.experiment.decoding, options.n_best
    limits = [member.limits(options.max_source) for member in members]
    chosen = _scorers(options, members, where)
    engine = TorchEngine(
        chosen.scorer,
        build_search(decoding, first.trg, beam=options.beam or max(decoding.beam, n_best), n_best=n_best),
        tokens_per_batch=decoding.tokens_per_batch,
        device=where,
        precision=chosen.precision,
        plain=chosen.plain,
    )
    return Translator(
        engine,
        tuple(
            limit.reader(
                TextEncoder(member.src, build_normalizer(member.experiment.data)), split=options.split
            )
            for member, limit in zip(members, limits, strict=True)
        ),
        first.trg,
        lengths=limits[0].lengths,
    )


class _Scorers(NamedTuple):
    """scorer, precision: of the search. plain: gives the scorer that samples and forces, if it is another."""

    scorer: AnyScorer
    precision: Precision
    plain: Callable[[], AnyScorer] | None = None


def _scorers(options: TranslationOptions, members: Sequence["Member"], device: torch.device) -> _Scorers:
    """Return the scorers of one model, an ensemble or a fusion.

    Several models that search on a CPU take their steps on ONNX Runtime, if it has all their layers.
    """
    asked: Precision = "float64" if options.sampling and options.precision == "auto" else options.precision
    alone = len(members) == 1 and not options.lm
    in_graphs = not (alone or options.sampling) and device.type == "cpu"
    if not in_graphs or asked not in ("auto", "float32", "int8"):
        precision = choose_translation_precision(asked, device)
        return _Scorers(_in_torch(_together(options, members), device, precision), precision)
    together = _together(options, members)

    def plain() -> AnyScorer:
        return _in_torch(together, device, choose_translation_precision(asked, device))

    precision = "float32" if asked == "float32" else "int8"
    scorer = _in_graphs(together, precision, threads=options.threads or 1)
    if scorer is None:
        precision = choose_translation_precision(asked, device)
        return _Scorers(_in_torch(together, device, precision), precision)
    return _Scorers(scorer, precision, cache(plain))


class _Together(NamedTuple):
    """Models that translate together, the language model's weight, and whether all read the same tokens."""

    models: list[Seq2Seq]
    lm: LanguageModel | None
    weight: float
    same_source: bool

    def scorer(self, models: Sequence[AnyScorer], lm: LanguageModelScorer | None) -> AnyScorer:
        """Return the scorer of all from one for each."""
        scorer = models[0] if len(models) == 1 else EnsembleScorer(models, same_source=self.same_source)
        return scorer if lm is None else FusionScorer(scorer, lm, self.weight)


def _together(options: TranslationOptions, members: Sequence["Member"]) -> _Together:
    """Return the models on the CPU in float32."""
    lm = None
    if options.lm:
        from nmt.builders.language_model import load_language_model  # a tenth of a second that few need

        lm = load_language_model(options.lm, device="cpu", precision=torch.float32).model
    same_source = len({member.src.fingerprint for member in members}) == 1
    return _Together([member.load_model() for member in members], lm, options.weight, same_source)


def _in_torch(together: _Together, device: torch.device, precision: Precision) -> AnyScorer:
    models = [for_translation(model, device, precision) for model in together.models]
    lm = None if together.lm is None else for_translation(together.lm, device, precision)
    scorer = together.scorer(
        [ModelScorer(model) for model in models], None if lm is None else LanguageModelScorer(lm)
    )
    every: list[nn.Module] = [*models, *([] if lm is None else [lm])]
    return recorded(scorer, *every) if precision == "int8" else scorer


def _in_graphs(together: _Together, precision: "GraphPrecision", *, threads: int) -> AnyScorer | None:
    """Return the scorer on ONNX Runtime, None if a layer has no graph; a language model stays in torch."""
    from nmt.decoding.graph_scorer import GraphScorer  # a fifth of a second that few need
    from nmt.graphs.steps import encode_graph, step_graph

    made = []
    for model in together.models:
        try:
            graphs = encode_graph(model, precision), step_graph(model, precision)
        except CannotExport:
            return None
        made.append(GraphScorer(*(graph.SerializeToString() for graph in graphs), threads=threads))
    lm = together.lm
    text = None if lm is None else LanguageModelScorer(for_translation(lm, torch.device("cpu"), "float32"))
    return together.scorer(made, text)


def recorded(scorer: AnyScorer, *models: nn.Module) -> AnyScorer:
    """Return the scorer of models packed in int8, the step of few rows recorded."""
    return RecordedScorer(scorer, rows=MANY, after=AFTER, kernels=lambda: kernels(nn.ModuleList(models)))


def check_models(options: TranslationOptions) -> None:
    """Raise UserError if the models cannot translate together; no weights are read."""
    read_members(options)


class Member(NamedTuple):
    """A run that translates, but for its weights."""

    run: Run
    experiment: Experiment
    config: ModelConfig
    src: Tokenizer
    trg: Tokenizer

    def limits(self, max_source: int | None) -> SourceLimits:
        """Return what it translates as a whole."""
        return SourceLimits.of(self.run.tokenizer, self.experiment.decoding.max_source, asked=max_source)

    def load_model(self) -> Seq2Seq:
        """Return its model in evaluation mode, in float32."""
        model = self.run.load_model(
            lambda: build_model(self.config, len(self.src.vocabulary), len(self.trg.vocabulary)),
            (self.src.fingerprint, self.trg.fingerprint),
            self.experiment,
        )
        return model.eval()


def read_members(options: TranslationOptions, experiment: Experiment | None = None) -> list[Member]:
    """Return the runs that translate together; raises UserError where they cannot."""
    folder, *others = options.models
    members = [read_member(folder, experiment), *(read_member(other) for other in others)]
    for other, member in zip(others, members[1:], strict=True):
        _same_tokens(
            f"--model {other}", member.trg, folder, members[0].trg, "models of an ensemble need the same ones"
        )
    if options.lm:
        _check_language_model(options.lm, folder, members[0].trg)
    return members


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
    saved = f"train it with data.tokenizer {{kind: saved, path: {Run(folder).tokenizer}}}"
    _same_tokens(f"--lm {lm}", tokenizer, folder, trg, saved)


def _same_tokens(what: str, found: Tokenizer, folder: Path, expected: Tokenizer, remedy: str) -> None:
    a, b = expected.vocabulary, found.vocabulary
    if a.fingerprint != b.fingerprint:
        raise UserError(
            f"{what}: data.tokenizer has other target tokens than {folder}: expected {len(a)} with "
            f"fingerprint {a.fingerprint[:12]}, found {len(b)} with {b.fingerprint[:12]}; {remedy}"
        )


def for_translation(model: Model, device: torch.device, precision: Precision) -> Model:
    """Return the model on the device in the precision, its weights packed where a CPU can read them so.

    Packed, it is for a search: encoding whole sources and taking single steps.
    """
    if precision == "float64" or device.type != "cpu" or not has_packed():
        return model.to(device, getattr(torch, precision))
    made = packed(model.requires_grad_(False), precision)  # a recording takes no weights that want gradients
    if isinstance(made, LanguageModel):
        made.embedding = folded(made.embedding, made.stack.layers[0])
    elif not isinstance(made.decoder, ConditionalDecoder):  # whose features read the token too
        made.trg_embedding = folded(made.trg_embedding, made.decoder.stack.layers[0])
    return made
