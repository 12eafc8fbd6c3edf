"""A run folder, or several → a translator."""

from math import inf
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import nn

from nmt.builders.hardware import choose_device, choose_translation_precision
from nmt.builders.model import build_model
from nmt.builders.search import build_search
from nmt.config.experiment import Experiment
from nmt.config.model import LanguageModelConfig, ModelConfig
from nmt.data.lengths import TrainingLengths
from nmt.data.text import Normalizer, TextEncoder
from nmt.decoding.recorded import RecordedScorer
from nmt.decoding.scorers import EnsembleScorer, FusionScorer, LanguageModelScorer, ModelScorer
from nmt.decoding.search import StepScorer
from nmt.decoding.translator import SourceReader, Translator
from nmt.errors import UserError
from nmt.layers.packed import MANY, PATIENCE, kernels, packed
from nmt.machine import has_packed
from nmt.models import LanguageModel, Seq2Seq
from nmt.run import Run
from nmt.tokenization.tokenizer import Tokenizer, load_tokenizers

LM_WEIGHT = 0.2  # of a language model, unless said otherwise
Model = TypeVar("Model", Seq2Seq, LanguageModel)


def load_translator(
    folder: Path,
    *others: Path,
    lm: Path | None = None,
    lm_weight: float | None = None,
    experiment: Experiment | None = None,
    beam: int | None = None,
    n_best: int = 1,
    max_source: int | None = None,
    split: bool = True,
    device: str = "auto",
    precision: str = "auto",
) -> Translator:
    """Return a translator with the model of a run; what is not given is as the run's configuration says.

    others: runs whose models translate along with it, as an ensemble; of their configurations
    decoding.max_source alone counts. lm: a run of a language model, fused with lm_weight (0.2).
    max_source: tokens translated as a whole, see `source_limits`; split: False leaves several sentences
    together that training did not show together. experiment: the first run's configuration with overrides.
    precision: what products are taken in: auto, float64, float32, bfloat16 or int8.

    Raises UserError when a folder is no run, its parts are damaged or do not belong together, or the
    device cannot do what is asked for.
    """
    if lm is None and lm_weight is not None:
        raise UserError(f"lm_weight {lm_weight} weighs a language model, and none is given; give lm")
    if max_source is not None and max_source < 4:
        raise UserError(f"max_source {max_source}: expected 4 tokens or more, such as 200")
    where = choose_device(device)
    precision = choose_translation_precision(precision, where)
    first, *further = members = _members(folder, *others, lm=lm, experiment=experiment)
    models: list[ModelScorer | LanguageModelScorer] = [
        ModelScorer(for_translation(_model(member), where, precision)) for member in members
    ]
    scorer: StepScorer[Any, Any, Any] = models[0]
    if others:
        same_source = len({member.src.fingerprint for member in members}) == 1
        scorer = EnsembleScorer(models, same_source=same_source)
    if lm:
        from nmt.builders.language_model import load_language_model  # a tenth of a second that few need

        exact = torch.float64 if precision == "float64" else torch.float32
        read = load_language_model(lm, device=device, precision=exact)
        fused = LanguageModelScorer(for_translation(read.model, where, precision))
        models.append(fused)
        scorer = FusionScorer(scorer, fused, LM_WEIGHT if lm_weight is None else lm_weight)
    if precision == "int8":
        scorer = recorded(scorer, *(each.model for each in models))
    decoding = first.experiment.decoding
    limits = [source_limits(member.experiment, member.run.tokenizer, max_source) for member in members]
    lengths = limits[0].lengths.model_copy(
        update={"sentences": min(each.lengths.sentences for each in limits)}
    )
    return Translator(
        scorer,
        first.src,
        first.trg,
        build_search(decoding, first.trg, beam=beam or max(decoding.beam, n_best), n_best=n_best),
        max_source=limits[0].max_source,
        tokens_per_batch=decoding.tokens_per_batch,
        device=where,
        precision=precision,
        lengths=lengths,
        split=split,
        normalize=Normalizer.of(first.experiment.data),
        others=[
            SourceReader(
                TextEncoder(member.src, Normalizer.of(member.experiment.data)),
                limit.max_source,
                limit.lengths.tokens if split else inf,
            )
            for member, limit in zip(further, limits[1:], strict=True)
        ],
    )


class SourceLimits(NamedTuple):
    """What a run translates as a whole: a sentence of so many tokens, several as training showed them."""

    max_source: int
    lengths: TrainingLengths


def source_limits(experiment: Experiment, tokenizers: Path, max_source: int | None = None) -> SourceLimits:
    """Return what a run translates as a whole: decoding.max_source, and what lies beside its tokenizers.

    max_source: tokens that are translated as a whole in place of both; how many sentences is as before. A run
    from before there were lengths translates each sentence by itself.
    """
    most = max_source or experiment.decoding.max_source
    lengths = TrainingLengths.load(tokenizers) or TrainingLengths(tokens=most)
    return SourceLimits(most, lengths.model_copy(update={"tokens": max_source}) if max_source else lengths)


def recorded(scorer: StepScorer[Any, Any, Any], *models: nn.Module) -> RecordedScorer:
    """Return the scorer of models packed in int8, the step of few rows recorded."""
    # Recorded before the tables are made, a step would do without them for good.
    after = PATIENCE + 8
    return RecordedScorer(scorer, rows=MANY, after=after, kernels=lambda: kernels(nn.ModuleList(models)))


def check_models(folder: Path, *others: Path, lm: Path | None = None) -> None:
    """Raise UserError where runs cannot translate together; no weights are read."""
    _members(folder, *others, lm=lm)


class _Member(NamedTuple):
    """A run that translates, but for its weights."""

    run: Run
    experiment: Experiment
    config: ModelConfig
    src: Tokenizer
    trg: Tokenizer


def _members(
    folder: Path, *others: Path, lm: Path | None, experiment: Experiment | None = None
) -> list[_Member]:
    members = [_member(folder, experiment), *(_member(other) for other in others)]
    for other, member in zip(others, members[1:], strict=True):
        _same_pieces(
            f"--model {other}", member.trg, folder, members[0].trg, "models of an ensemble need the same ones"
        )
    if lm:
        _check_language_model(lm, folder, members[0].trg)
    return members


def _member(folder: Path, experiment: Experiment | None = None) -> _Member:
    run = Run(folder)
    experiment = experiment or run.experiment()
    if not isinstance(experiment.model, ModelConfig):
        raise UserError(
            f"{folder} is a run of model.kind {experiment.model.kind}, which translates nothing; "
            "see nmt predict and nmt score for labels, nmt sample and nmt score --text for a language model, "
            "which can be given as --lm beside a --model"
        )
    return _Member(run, experiment, experiment.model, *load_tokenizers(run.tokenizer))


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
            "it does not know how a line begins"
        )
    _, tokenizer = load_tokenizers(run.tokenizer)
    saved = f"train it with data.tokenizer {{kind: saved, path: {Run(folder).tokenizer}}}"
    _same_pieces(f"--lm {lm}", tokenizer, folder, trg, saved)


def _same_pieces(what: str, found: Tokenizer, folder: Path, expected: Tokenizer, remedy: str) -> None:
    a, b = expected.vocabulary, found.vocabulary
    if a.fingerprint != b.fingerprint:
        raise UserError(
            f"{what}: data.tokenizer has other target pieces than that of {folder}: expected {len(a)} with "
            f"fingerprint {a.fingerprint[:12]}, found {len(b)} with {b.fingerprint[:12]}; {remedy}"
        )


def _model(member: _Member) -> Seq2Seq:
    model = member.run.load_model(
        lambda: build_model(member.config, len(member.src.vocabulary), len(member.trg.vocabulary)),
        (member.src.fingerprint, member.trg.fingerprint),
    )
    return model.eval()


def for_translation(model: Model, device: torch.device, precision: str) -> Model:
    """Return the model on the device in the precision, its weights packed where a CPU can read them so."""
    if precision == "float64" or device.type != "cpu" or not has_packed():
        return model.to(device, getattr(torch, precision))
    return packed(model.requires_grad_(False), precision)  # a recording takes no weights that want gradients
