"""The objective section → what a training minimises."""

from functools import partial
from pathlib import Path
from typing import Any, assert_never

import torch

from nmt.builders.kinds import AnyKind, validation_by_tag
from nmt.builders.search import build_search, search_keys
from nmt.builders.trained import load_trained
from nmt.config.experiment import Experiment
from nmt.config.training import (
    CrossEntropyConfig,
    DistillationConfig,
    MinimumRiskConfig,
    RDropConfig,
    ScheduledSamplingConfig,
    SimCutConfig,
)
from nmt.data.batches import Batch
from nmt.data.prepared import Prepared
from nmt.decoding.sampling import SamplingSettings, sample
from nmt.decoding.scorers import ModelScorer
from nmt.errors import UserError
from nmt.evaluation.metrics import sentence_bleu
from nmt.models import Seq2Seq, Source
from nmt.objectives.consistency import Consistency, consistency, cut_tokens
from nmt.objectives.cross_entropy import FIGURES, cross_entropy
from nmt.objectives.distillation import Distillation
from nmt.objectives.minimum_risk import Ids, MinimumRisk
from nmt.objectives.objective import Objective
from nmt.objectives.scheduled_sampling import ScheduledSampling
from nmt.objectives.token_loss import TokenLoss
from nmt.tokenization.tokenizer import Tokenizer


def build_objective(
    kind: AnyKind, experiment: Experiment, prepared: Prepared, device: torch.device
) -> Objective[Any]:
    """Return the training objective of a kind of model; raises UserError for teachers that do not fit."""
    smoothing, forward = experiment.training.label_smoothing, kind.forward
    match experiment.training.objective:
        case CrossEntropyConfig():
            return TokenLoss(forward, partial(cross_entropy, smoothing=smoothing), FIGURES)
        case RDropConfig(weight=weight):
            loss = partial(consistency, smoothing=smoothing, weight=weight / 2, passes=2)
            return Consistency(forward, loss)
        case SimCutConfig(weight=weight, rate=rate):
            loss = partial(consistency, smoothing=smoothing, weight=weight, passes=1)
            return Consistency(forward, loss, partial(cut_tokens, rate=rate))
        case DistillationConfig(teachers=teachers, weight=weight):
            key = "training.objective.teachers"
            models = [load_trained(key, Path(folder), kind, prepared).to(device) for folder in teachers]
            return Distillation(forward, models, smoothing=smoothing, weight=weight)
        case ScheduledSamplingConfig(rate=rate):
            return ScheduledSampling(forward, smoothing=smoothing, rate=rate)
        case MinimumRiskConfig(samples=samples, sharpness=sharpness):
            target, tokenize = prepared.trg_tokenizer, _tokenizer_of_bleu(experiment, prepared)
            sampler, risk = partial(_sampled, experiment, target, samples), partial(_risk, target, tokenize)
            return MinimumRisk(sampler, risk, sharpness=sharpness)
        case other:
            assert_never(other)


def _tokenizer_of_bleu(experiment: Experiment, prepared: Prepared) -> str:
    """Return sacreBLEU's tokenizer for all targets; raises UserError where languages need several."""
    found = {each.tokenize for each in validation_by_tag(experiment, prepared)}
    if len(found) > 1:
        raise UserError(
            f"training.objective minimum_risk compares all translations by one tokenizer of BLEU, and these "
            f"target languages need {' and '.join(sorted(found))}; take another objective"
        )
    return found.pop()


def _sampled(
    experiment: Experiment, tokenizer: Tokenizer, samples: int, model: Seq2Seq, batch: Batch
) -> list[list[Ids]]:
    """Return sampled translations of each sentence of a batch, without dropout."""
    search = build_search(search_keys(experiment.decoding), tokenizer, beam=1)
    settings = SamplingSettings(bos=search.bos, eos=search.eos, processors=search.processors)
    source = Source(batch.src.repeat_interleave(samples, dim=0), batch.src_len.repeat_interleave(samples))
    keys = [(key,) for key in torch.randint(2**62, (len(source.ids),)).tolist()]
    training = model.training
    model.eval()
    try:
        limits = search.limits(source.lengths)
        found = [each.ids for each in sample(ModelScorer(model), source, limits, settings, keys=keys)]
    finally:
        model.train(training)
    return [found[start : start + samples] for start in range(0, len(found), samples)]


def _risk(tokenizer: Tokenizer, tokenize: str, ids: Ids, reference: Ids) -> float:
    return 1 - sentence_bleu(tokenizer.decode(ids), tokenizer.decode(reference), tokenize) / 100
