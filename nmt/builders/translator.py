"""A run folder, or several → a translator in torch, or with its steps on ONNX Runtime."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from nmt.builders.corpus import directions_of, languages_of
from nmt.builders.hardware import choose_device, choose_translation_precision
from nmt.builders.model import build_model
from nmt.builders.search import build_search
from nmt.builders.tokenizer import build_normalizer
from nmt.config.experiment import Experiment
from nmt.config.model import LanguageModelConfig, ModelConfig
from nmt.data.directions import choose_tag
from nmt.data.sentences import sentence_finder
from nmt.data.text import TextEncoder
from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.options import TranslationOptions, choose_beam
from nmt.decoding.scorers import EnsembleScorer, FusionScorer, LanguageModelScorer, ModelScorer
from nmt.decoding.search import AnyScorer
from nmt.decoding.sources import SourceLimits
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translator import Translator
from nmt.errors import UserError
from nmt.evaluation.alignment import Confidence
from nmt.machine import Precision
from nmt.models import LanguageModel, Seq2Seq
from nmt.run import Run
from nmt.runtime.bundle import find_model, is_exported, is_fresh
from nmt.runtime.manifest import GraphPrecision, Manifest
from nmt.tokenization.reversal import is_reversed
from nmt.tokenization.tokenizer import Tokenizer, load_tokenizers


def load_translator(
    options: TranslationOptions, experiment: Experiment | None = None
) -> Translator[TorchEngine]:
    """Return the translator that the options describe, in torch: float64, float32 or bfloat16.

    auto is float32, and float64 for sampling. experiment: the first run's configuration with overrides.

    Raises UserError when a folder is no run, its parts are damaged or do not belong together, or the
    device cannot do what is asked for.
    """
    device = choose_device(options.device)
    asked: Precision = "float64" if options.sampling and options.precision == "auto" else options.precision
    precision = choose_translation_precision(asked, device)
    dtype: torch.dtype = getattr(torch, precision)
    members = read_members(options, experiment)
    scorers = [ModelScorer(member.load_model().to(device, dtype)) for member in members]
    lm = LanguageModelScorer(_language_model(options, options.lm, dtype)) if options.lm else None
    scorer = _together(options, members, scorers, lm)
    return _translator(options, members, scorer, device=device, precision=precision)


def load_in_graphs(
    options: TranslationOptions, experiment: Experiment | None = None
) -> Translator[TorchEngine]:
    """Return the translator whose models take their steps on ONNX Runtime, for searches on a CPU.

    In float32 if the options say so, else in int8. The search stays in torch. Raises CannotExport if a layer
    has no graph, and UserError like `load_translator`.
    """
    from nmt.decoding.graph_scorer import GraphScorer, LanguageModelGraphScorer  # a fifth of a second
    from nmt.graphs.language_model import language_model_graph
    from nmt.graphs.steps import encode_graph, step_graph

    precision: GraphPrecision = "float32" if options.precision == "float32" else "int8"
    members = read_members(options, experiment)
    threads = options.threads or 1
    scorers = []
    for model in (member.load_model() for member in members):
        graphs = encode_graph(model, precision), step_graph(model, precision)
        scorers.append(GraphScorer(*(graph.SerializeToString() for graph in graphs), threads=threads))
    lm = None
    if options.lm:
        graph = language_model_graph(_language_model(options, options.lm, torch.float32), precision)
        lm = LanguageModelGraphScorer(graph.SerializeToString(), threads=threads)
    scorer = _together(options, members, scorers, lm)
    return _translator(options, members, scorer, device=torch.device("cpu"), precision=precision)


def _language_model(options: TranslationOptions, folder: Path, dtype: torch.dtype) -> LanguageModel:
    from nmt.builders.language_model import load_language_model  # a tenth of a second that few need

    return load_language_model(folder, device=options.device, precision=dtype).model


def _together(
    options: TranslationOptions,
    members: Sequence["Member"],
    scorers: Sequence[AnyScorer],
    lm: AnyScorer | None,
) -> AnyScorer:
    """Return the scorer of all models from one of each."""
    same_source = len({member.src.fingerprint for member in members}) == 1
    scorer = scorers[0] if len(scorers) == 1 else EnsembleScorer(scorers, same_source=same_source)
    return scorer if lm is None else FusionScorer(scorer, lm, options.weight)


def _translator(
    options: TranslationOptions,
    members: Sequence["Member"],
    scorer: AnyScorer,
    *,
    device: torch.device,
    precision: Precision,
) -> Translator[TorchEngine]:
    """Return the translator around a scorer of all models."""
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    first = members[0]
    decoding, n_best = first.experiment.decoding, options.n_best
    beam = choose_beam(n_best, asked=options.beam, usual=decoding.beam)
    limits = [member.limits(options.max_source) for member in members]
    # Some of the hypotheses may be one text.
    search = build_search(
        decoding, first.trg, beam=beam, n_best=1 if n_best == 1 else beam, rules=options.rules
    )
    penalty = LengthPenalty(*options.penalty(search.penalty.alpha, search.penalty.offset))
    engine = TorchEngine(
        scorer,
        replace(search, penalty=penalty),
        tokens_per_batch=decoding.tokens_per_batch,
        device=device,
        precision=precision,
        surfaces=first.trg.surfaces() if options.rules else (),
        coverage=options.rules.coverage,
    )
    return Translator(
        engine,
        tuple(
            limit.reader(
                member.encoder(options),
                split=options.split,
                ends=sentence_finder(options.sentences, languages_of(member.experiment.data).src or ""),
            )
            for member, limit in zip(members, limits, strict=True)
        ),
        first.trg,
        n_best=n_best,
        lengths=limits[0].lengths,
        confidence=_confidence(options),
        protect=options.protect,
        replace_unk=options.replace_unk,
        glossary=options.rules.glossary,
        forbidden=options.rules.forbidden,
    )


def _confidence(options: TranslationOptions) -> Confidence:
    """Return the curve of a run that was exported in place; else a word's own probability."""
    if len(options.models) == 1 and not options.lm:
        folder = options.models[0]
        with suppress(UserError):  # a damaged manifest, which torch does without
            manifest = Manifest.load(folder)
            if manifest and manifest.confidence and is_fresh(folder, manifest):
                return manifest.confidence
    return np.exp


def check_models(options: TranslationOptions) -> None:
    """Raise UserError if the models cannot translate together; no weights are read."""
    for member in read_members(options):
        member.encoder(options)


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
    rules = options.rules
    if is_reversed(members[0].trg) and (rules.glossary or rules.forbidden or rules.after_tab):
        raise UserError(
            f"{folder} writes from right to left (data.reverse_target), where texts that a translation must "
            "or must not hold cannot be asked for; leave out --glossary, --forbid and --after-tab"
        )
    return members


def read_member(folder: Path, experiment: Experiment | None = None) -> Member:
    """Return a run that translates; raises UserError for another."""
    if is_exported(find_model(folder)):
        raise UserError(
            f"{folder} was exported and searches by itself; an ensemble, a language model, sampling, "
            "reranking, and rules such as a glossary need the run that it was made of"
        )
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
