"""A run folder, or several → a translator in torch, or with its steps on ONNX Runtime."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from nmt.builders.hardware import choose_device, choose_translation_precision
from nmt.builders.members import AnyMember, read_members
from nmt.builders.search import build_search
from nmt.config.experiment import Experiment
from nmt.data.sentences import sentence_finder
from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.options import TranslationOptions, choose_beam
from nmt.decoding.scorers import EnsembleScorer, FusionScorer, LanguageModelScorer, ModelScorer
from nmt.decoding.search import AnyScorer
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translator import Translator
from nmt.errors import UserError
from nmt.evaluation.alignment import Confidence
from nmt.machine import Precision
from nmt.models import LanguageModel
from nmt.runtime.bundle import find_model, is_fresh
from nmt.runtime.manifest import Manifest


def load_translator(
    options: TranslationOptions, experiment: Experiment | None = None
) -> Translator[TorchEngine]:
    """Return the translator that the options describe, in torch: float64, float32 or bfloat16.

    auto is float32, and float64 for sampling. experiment: the first run's configuration with overrides.

    Raises UserError when a folder is no run, its parts are damaged or do not belong together, or the
    device cannot do what is asked for. An exported model is no run.
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

    In float32 if the options say so, else in int8; an exported model as it was exported. The search stays in
    torch. Raises CannotExport if a layer has no graph, and UserError like `load_translator`.
    """
    from nmt.decoding.graph_scorer import GraphScorer, LanguageModelGraphScorer  # a fifth of a second
    from nmt.graphs.language_model import language_model_graph

    members = read_members(options, experiment)
    precisions = [member.precision(options.precision) for member in members]
    threads = options.threads or 1
    scorers = []
    for member, precision in zip(members, precisions, strict=True):
        graphs = member.steps(precision)
        scorers.append(GraphScorer(*(graph.SerializeToString() for graph in graphs), threads=threads))
    lm = None
    if options.lm:
        graph = language_model_graph(_language_model(options, options.lm, torch.float32), precisions[0])
        lm = LanguageModelGraphScorer(graph.SerializeToString(), threads=threads)
    scorer = _together(options, members, scorers, lm)
    return _translator(options, members, scorer, device=torch.device("cpu"), precision=precisions[0])


def _language_model(options: TranslationOptions, folder: Path, dtype: torch.dtype) -> LanguageModel:
    from nmt.builders.language_model import load_language_model  # a tenth of a second that few need

    return load_language_model(folder, device=options.device, precision=dtype).model


def _together(
    options: TranslationOptions,
    members: Sequence[AnyMember],
    scorers: Sequence[AnyScorer],
    lm: AnyScorer | None,
) -> AnyScorer:
    """Return the scorer of all models from one of each."""
    same_source = len({member.src.fingerprint for member in members}) == 1
    scorer = scorers[0] if len(scorers) == 1 else EnsembleScorer(scorers, same_source=same_source)
    return scorer if lm is None else FusionScorer(scorer, lm, options.weight)


def _translator(
    options: TranslationOptions,
    members: Sequence[AnyMember],
    scorer: AnyScorer,
    *,
    device: torch.device,
    precision: Precision,
) -> Translator[TorchEngine]:
    """Return the translator around a scorer of all models."""
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    first = members[0]
    keys, n_best = first.keys, options.n_best
    beam = choose_beam(n_best, asked=options.beam, usual=keys.beam)
    limits = [member.limits(options.max_source) for member in members]
    # Some of the hypotheses may be one text.
    search = build_search(keys, first.trg, beam=beam, n_best=1 if n_best == 1 else beam, rules=options.rules)
    penalty = LengthPenalty(*options.penalty(search.penalty.alpha, search.penalty.offset))
    engine = TorchEngine(
        scorer,
        replace(search, penalty=penalty),
        tokens_per_batch=keys.tokens_per_batch,
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
                ends=sentence_finder(options.sentences, member.languages.src or ""),
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
        folder = find_model(options.models[0])
        with suppress(UserError):  # a damaged manifest, which torch does without
            manifest = Manifest.load(folder)
            if manifest and manifest.confidence and is_fresh(folder, manifest):
                return manifest.confidence
    return np.exp
