"""What kind of model a run trains → its model, batches and task."""

import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import assert_never

import torch

from nmt.builders.model import build_labeller, build_language_model, build_model
from nmt.builders.search import build_search
from nmt.builders.translator import source_limits
from nmt.config.experiment import Experiment
from nmt.config.model import ClassifierConfig, LanguageModelConfig, ModelConfig, TaggerConfig
from nmt.data.batches import Batches, TrainingBatches
from nmt.data.encoded import EncodedSplit
from nmt.data.labelled import check_known
from nmt.data.prepared import Prepared
from nmt.data.stream import StreamBatches
from nmt.data.text import Normalizer
from nmt.decoding.scorers import ModelScorer
from nmt.decoding.translator import Translator
from nmt.errors import UserError
from nmt.evaluation.alignment import Attended
from nmt.evaluation.metrics import (
    CASED,
    KINDS,
    LABELS,
    bleu_signature,
    bleu_tokenizer,
    label_signature,
    text_scores,
)
from nmt.models import LanguageModel, Seq2Seq, Tagger
from nmt.results import Score
from nmt.tasks.labeling import LabellingTask
from nmt.tasks.language_modeling import LanguageModelTask
from nmt.tasks.task import Task
from nmt.tasks.translation import TranslationTask
from nmt.training.distributed import Processes

# At validations a long text is read as at most so many rows side by side, each of so many pieces at least: a
# row begins with a state that has read nothing, and one row alone would take that many times as long.
VALIDATION_ROWS, ROW_LENGTH = 16, 1000


def build_trained_model(experiment: Experiment, src: int, trg: int) -> Seq2Seq | LanguageModel | Tagger:
    """Return the freshly drawn model of an experiment, for vocabularies of these sizes."""
    match experiment.model:
        case ModelConfig() as config:
            return build_model(config, src, trg)
        case LanguageModelConfig() as config:
            return build_language_model(config, trg)
        case ClassifierConfig() | TaggerConfig() as config:
            return build_labeller(config, src, trg)
        case other:
            assert_never(other)


def build_batches(
    experiment: Experiment, prepared: Prepared, processes: Processes, *, ahead: int
) -> TrainingBatches:
    """Return the training batches of this process; a thread makes `ahead` of them before their turn."""
    split, config = prepared.split("train"), experiment.training
    if not experiment.data.continuous:
        return Batches(split, config.tokens_per_batch, seed=experiment.seed, ahead=ahead, rows=processes.rows)
    rows = config.tokens_per_batch // config.bptt
    if rows < processes.size:
        raise UserError(
            f"wrong world size: {rows} rows of training.bptt {config.bptt} in training.tokens_per_batch "
            f"{config.tokens_per_batch}, for {processes.size} processes; raise it, or start fewer"
        )
    return StreamBatches(split, config.tokens_per_batch, config.bptt, rows=processes.rows)


def build_task(experiment: Experiment, prepared: Prepared, device: torch.device, *, pictures: bool) -> Task:
    """Return what is minimised and how it is validated; pictures: somebody looks at attention."""
    config, validation, raw = experiment.training, prepared.split("validation"), prepared.raw("validation")
    tokens = min(experiment.decoding.tokens_per_batch, config.tokens_per_batch)  # no more than training holds
    match experiment.model:
        case ModelConfig():
            return TranslationTask(
                validation=validation,
                raw=raw,
                translate=partial(_translate, experiment, prepared, tokens, device),
                smoothing=config.label_smoothing,
                best_by=config.best_by,
                tokens_per_batch=tokens,
                device=device,
                attention=pictures,
                tokenize=bleu_tokenizer(experiment.data.trg)[0],
            )
        case LanguageModelConfig():
            return LanguageModelTask(
                validation=validation,
                characters=sum(len(line.trg) + 1 for line in raw),
                smoothing=config.label_smoothing,
                tokens_per_batch=tokens,
                device=device,
                continuous=experiment.data.continuous,
                rows=_validation_rows(validation),
            )
        case ClassifierConfig() | TaggerConfig():
            check_known(raw, prepared.trg_tokenizer, "data.labelled.validation", dropped=prepared.dropped)
            if "test" in prepared.splits:
                test = prepared.raw("test")
                check_known(test, prepared.trg_tokenizer, "data.labelled.test", dropped=prepared.dropped)
            return LabellingTask(
                validation=validation,
                raw=raw,
                labels=prepared.trg_tokenizer,
                smoothing=config.label_smoothing,
                best_by=config.best_by,
                tokens_per_batch=tokens,
                device=device,
            )
        case other:
            assert_never(other)


def _translate(
    experiment: Experiment,
    prepared: Prepared,
    tokens_per_batch: int,
    device: torch.device,
    model: Seq2Seq,
    lines: Sequence[str],
    *,
    attention: bool = False,
) -> tuple[list[str], list[Attended]]:
    """Translate lines as `nmt translate` does, with a model that is being trained."""
    src, trg = prepared.src_tokenizer, prepared.trg_tokenizer
    limits = source_limits(experiment, prepared.folder / "tokenizer")
    translator = Translator(
        ModelScorer(model),
        src,
        trg,
        build_search(experiment.decoding, trg, beam=experiment.training.validation_beam),
        max_source=limits.max_source,
        tokens_per_batch=tokens_per_batch,
        device=device,
        precision=experiment.training.precision,
        lengths=limits.lengths,
        normalize=Normalizer.of(experiment.data),
    )
    found = translator.translations(lines, attention=attention)
    return [each.text for each in found], [part for each in found for part in each.attended]


def validation_scores(
    experiment: Experiment, prepared: Prepared, best: dict[str, float]
) -> tuple[Score, ...]:
    """Return the best validation's figures as scores with their signatures."""
    match experiment.model:
        case ModelConfig():
            signature = bleu_signature(bleu_tokenizer(experiment.data.trg)[0])
            return (Score(metric="BLEU", form=CASED, score=best["bleu"], signature=signature),)
        case LanguageModelConfig():
            text = prepared.split("validation")
            return text_scores(
                best["nll"],
                text,
                sum(len(line.trg) + 1 for line in prepared.raw("validation")),
                pieces=prepared.trg_tokenizer.kind,
                rows=_validation_rows(text) if experiment.data.continuous else None,
            )
        case ClassifierConfig() | TaggerConfig():
            signature = label_signature([pair.trg for pair in prepared.raw("validation")])
            return (
                Score(metric="accuracy", form=LABELS, score=best["accuracy"], signature=signature),
                Score(metric="macro-F1", form=KINDS, score=best["macro_f1"], signature=signature),
            )
        case other:
            assert_never(other)


def _validation_rows(text: EncodedSplit) -> int:
    pieces = len(text) + int(text.trg_lengths.sum())
    return max(1, min(VALIDATION_ROWS, pieces // ROW_LENGTH))


def next_commands(experiment: Experiment, folder: Path) -> str:
    """Return what a person may want to type when the model is trained."""
    run = shlex.quote(str(folder))
    match experiment.model:
        case ModelConfig():
            return f"nmt score --model {run}    nmt translate --model {run} < FILE"
        case LanguageModelConfig():
            return f"nmt sample --model {run}    nmt score --model {run} --text FILE"
        case ClassifierConfig() | TaggerConfig():
            return f"nmt score --model {run}    nmt predict --model {run} < FILE"
        case other:
            assert_never(other)
