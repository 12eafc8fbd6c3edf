"""The kinds of model: one entry per kind, with everything that is specific to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import torch
from torch import nn

from nmt.builders.corpus import directions_of
from nmt.builders.model import build_labeller, build_language_model, build_model
from nmt.builders.search import build_search, search_keys
from nmt.builders.tokenizer import build_normalizer
from nmt.config.experiment import Experiment
from nmt.config.model import AnyModelConfig, ClassifierConfig, LanguageModelConfig, ModelConfig, TaggerConfig
from nmt.data.batches import Batch, Batches, TrainingBatches
from nmt.data.corpus import Pair
from nmt.data.directions import lines_by_tag, target_of
from nmt.data.encoded import EncodedSplit
from nmt.data.labelled import check_known
from nmt.data.mixture import Mixture
from nmt.data.prepared import Prepared
from nmt.data.stream import StreamBatches
from nmt.data.text import TextEncoder
from nmt.decoding.scorers import ModelScorer
from nmt.decoding.sources import SourceLimits
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translator import Translator
from nmt.errors import UserError
from nmt.evaluation.alignment import Detail
from nmt.evaluation.metrics import (
    CASED,
    CLASSES,
    LABELS,
    bleu_signature,
    bleu_tokenizer,
    form_of,
    label_signature,
    text_scores,
)
from nmt.models import LanguageModel, Seq2Seq, Tagger
from nmt.objectives.teacher_forcing import TeacherForced, label_forced, read_forced, translate_forced
from nmt.results import Score
from nmt.tasks.labeling import LabellingTask
from nmt.tasks.language_modeling import LanguageModelTask
from nmt.tasks.task import Task
from nmt.tasks.translation import Group, TranslationTask, bleu_of
from nmt.training.distributed import Processes

# A validation reads a long text as at most VALIDATION_ROWS parallel rows of at least ROW_LENGTH tokens. Every
# row starts from an empty state, so rows must be long; one row alone would take that many times as long.
VALIDATION_ROWS, ROW_LENGTH = 16, 1000

C = TypeVar("C", bound=AnyModelConfig)
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class ModelKind(Generic[C, M]):
    """A kind of model.

    configs: its configuration sections. build_model: the initialised model for vocabularies of given sizes.
    build_batches: the training batches of one process, `ahead` of them made in a thread.
    forward: the teacher-forced model outputs of a batch. build_task: the validation, with pictures of
    attention on request. scores: the figures of the best validation as scores.
    next_commands: the commands to type after training; RUN is replaced by the run.
    """

    configs: tuple[type[C], ...]
    build_model: Callable[[C, int, int], M]
    build_batches: Callable[[Experiment, Prepared, Processes, int], TrainingBatches]
    forward: Callable[[M, Batch], TeacherForced]
    build_task: Callable[[Experiment, Prepared, torch.device, bool], Task[M]]
    scores: Callable[[Experiment, Prepared, dict[str, float]], tuple[Score, ...]]
    next_commands: str

    def next(self, folder: Path) -> str:
        """Return the commands to type after the run in a folder is trained."""
        return self.next_commands.replace("RUN", quote(str(folder)))


AnyKind: TypeAlias = ModelKind[Any, Any]  # any section and model


def kind_of(experiment: Experiment) -> AnyKind:
    """Return the kind of model that an experiment trains."""
    return next(kind for kind in KINDS_OF_MODEL if isinstance(experiment.model, kind.configs))


def build_trained_model(experiment: Experiment, src: int, trg: int) -> Seq2Seq | LanguageModel | Tagger:
    """Return the newly initialised model of an experiment, for vocabularies of these sizes."""
    model: Seq2Seq | LanguageModel | Tagger = kind_of(experiment).build_model(experiment.model, src, trg)
    return model


def _pair_batches(
    experiment: Experiment, prepared: Prepared, processes: Processes, ahead: int
) -> TrainingBatches:
    return Batches(
        prepared.split("train"),
        experiment.training.tokens_per_batch,
        seed=experiment.seed,
        ahead=ahead,
        rows=processes.rows,
        mixture=mixture_of(experiment, prepared),
    )


def mixture_of(experiment: Experiment, prepared: Prepared) -> Mixture | None:
    """Return which training pairs an epoch reads of several corpora; None if there is just one."""
    weights = [member.weight for member in experiment.data.members]
    sizes = prepared.meta.splits["train"].members
    return Mixture(sizes, weights, seed=experiment.seed) if weights else None


def _text_batches(
    experiment: Experiment, prepared: Prepared, processes: Processes, ahead: int
) -> TrainingBatches:
    if not experiment.data.continuous:
        return _pair_batches(experiment, prepared, processes, ahead)
    split, config = prepared.split("train"), experiment.training
    rows = config.tokens_per_batch // config.bptt
    if rows < processes.size:
        raise UserError(
            f"wrong number of processes: {processes.size} for {rows} rows of training.bptt {config.bptt} in "
            f"training.tokens_per_batch {config.tokens_per_batch}; raise it, or start fewer"
        )
    return StreamBatches(split, config.tokens_per_batch, config.bptt, rows=processes.rows)


def _tokens_per_batch(experiment: Experiment) -> int:
    """Return the tokens per batch of a validation, at most as many as in training."""
    return min(experiment.decoding.tokens_per_batch, experiment.training.tokens_per_batch)


def _translation_task(
    experiment: Experiment, prepared: Prepared, device: torch.device, pictures: bool
) -> TranslationTask:
    config, tokens = experiment.training, _tokens_per_batch(experiment)
    return TranslationTask(
        validation=prepared.split("validation"),
        raw=references(experiment, prepared),
        groups=tuple(
            Group(
                each.name,
                each.lines,
                partial(_translate, experiment, prepared, each.tag, tokens, device),
                each.tokenize,
            )
            for each in validation_by_tag(experiment, prepared)
        ),
        smoothing=config.label_smoothing,
        best_by=config.best_by,
        tokens_per_batch=tokens,
        device=device,
        details=pictures,
    )


def references(experiment: Experiment, prepared: Prepared) -> list[Pair]:
    """Return the validation text, its targets in lowercase if the model writes nothing else."""
    raw = prepared.raw("validation")
    if not experiment.data.preprocess.lowercase:
        return raw
    return [pair._replace(trg=pair.trg.lower()) for pair in raw]


class LinesOfTag(NamedTuple):
    """The lines of the validation text with one tag, and BLEU's tokenizer for their targets.

    name: that of their figure, "" where all lines have one tag. remark: for a person, if the tokenizer is not
    the preferred one.
    """

    tag: str
    name: str
    lines: Sequence[int]
    tokenize: str
    remark: str | None


def validation_by_tag(experiment: Experiment, prepared: Prepared) -> list[LinesOfTag]:
    """Return the lines of the validation text, by the tags of their sources."""
    raw, directions, found = prepared.raw("validation"), directions_of(experiment.data), list[LinesOfTag]()
    groups = lines_by_tag(prepared.tags("validation"))
    for tag, lines in groups.items():
        language = target_of(directions, tag) if directions else prepared.meta.trg
        tokenize, remark = bleu_tokenizer(language, [raw[i].trg for i in lines])
        name = (tag.strip("<>") or "no_tag") if groups.keys() - {tag} else ""
        found.append(LinesOfTag(tag, name, lines, tokenize, remark))
    return found


def _translate(
    experiment: Experiment,
    prepared: Prepared,
    tag: str,
    tokens_per_batch: int,
    device: torch.device,
    model: Seq2Seq,
    lines: Sequence[str],
    *,
    details: bool = False,
) -> tuple[list[str], list[Detail]]:
    """Translate lines as `nmt translate` does, with a model that is being trained."""
    src, trg = prepared.src_tokenizer, prepared.trg_tokenizer
    limits = SourceLimits.of(prepared.folder / "tokenizer", experiment.decoding.max_source)
    encoder = TextEncoder(src, build_normalizer(experiment.data)).with_tag(tag)
    engine = TorchEngine(
        ModelScorer(model),
        build_search(search_keys(experiment.decoding), trg, beam=experiment.training.validation_beam),
        tokens_per_batch=tokens_per_batch,
        device=device,
        precision=experiment.training.precision,
    )
    translator = Translator(engine, (limits.reader(encoder),), trg, lengths=limits.lengths)
    found = translator.translations(lines, details=details)
    return [each.text for each in found], [part for each in found for part in each.ranked[0].parts]


def _language_model_task(
    experiment: Experiment, prepared: Prepared, device: torch.device, pictures: bool
) -> LanguageModelTask:
    validation = prepared.split("validation")
    return LanguageModelTask(
        validation=validation,
        characters=_characters(prepared),
        smoothing=experiment.training.label_smoothing,
        tokens_per_batch=_tokens_per_batch(experiment),
        device=device,
        continuous=experiment.data.continuous,
        rows=_validation_rows(validation),
    )


def _labelling_task(
    experiment: Experiment, prepared: Prepared, device: torch.device, pictures: bool
) -> LabellingTask:
    config, raw = experiment.training, prepared.raw("validation")
    check_known(raw, prepared.trg_tokenizer, "data.labelled.validation", dropped=prepared.dropped)
    if "test" in prepared.splits:
        test = prepared.raw("test")
        check_known(test, prepared.trg_tokenizer, "data.labelled.test", dropped=prepared.dropped)
    return LabellingTask(
        validation=prepared.split("validation"),
        raw=raw,
        labels=prepared.trg_tokenizer,
        smoothing=config.label_smoothing,
        best_by=config.best_by,
        tokens_per_batch=_tokens_per_batch(experiment),
        device=device,
    )


def _bleu(experiment: Experiment, prepared: Prepared, best: dict[str, float]) -> tuple[Score, ...]:
    lowercase = experiment.data.preprocess.lowercase
    return tuple(
        Score(
            metric="BLEU",
            form=form_of(each.tag, case, several=bool(each.name)),
            score=best[bleu_of(each.name)],
            signature=bleu_signature(each.tokenize, lowercase=lowercase),
        )
        for each in validation_by_tag(experiment, prepared)
        for case in (f"lowercased, {each.tokenize}" if lowercase else CASED,)
    )


def _perplexity(experiment: Experiment, prepared: Prepared, best: dict[str, float]) -> tuple[Score, ...]:
    text = prepared.split("validation")
    rows = _validation_rows(text) if experiment.data.continuous else None
    kind = prepared.trg_tokenizer.kind
    return text_scores(best["nll"], text, _characters(prepared), tokenizer=kind, rows=rows)


def _accuracy(experiment: Experiment, prepared: Prepared, best: dict[str, float]) -> tuple[Score, ...]:
    signature = label_signature([pair.trg for pair in prepared.raw("validation")])
    return (
        Score(metric="accuracy", form=LABELS, score=best["accuracy"], signature=signature),
        Score(metric="macro-F1", form=CLASSES, score=best["macro_f1"], signature=signature),
    )


def _characters(prepared: Prepared) -> int:
    """Return the characters of the validation text, the end of each line counted as one."""
    return sum(len(line.trg) + 1 for line in prepared.raw("validation"))


def _validation_rows(text: EncodedSplit) -> int:
    tokens = len(text) + int(text.lengths()[1].sum())
    return max(1, min(VALIDATION_ROWS, tokens // ROW_LENGTH))


TRANSLATION = ModelKind[ModelConfig, Seq2Seq](
    configs=(ModelConfig,),
    build_model=build_model,
    build_batches=_pair_batches,
    forward=translate_forced,
    build_task=_translation_task,
    scores=_bleu,
    next_commands="nmt score --model RUN    nmt translate --model RUN < FILE",
)
LANGUAGE_MODEL = ModelKind[LanguageModelConfig, LanguageModel](
    configs=(LanguageModelConfig,),
    build_model=lambda config, src, trg: build_language_model(config, trg),
    build_batches=_text_batches,
    forward=read_forced,
    build_task=_language_model_task,
    scores=_perplexity,
    next_commands="nmt sample --model RUN    nmt score --model RUN --text FILE",
)
LABELLER = ModelKind[ClassifierConfig | TaggerConfig, Tagger](
    configs=(ClassifierConfig, TaggerConfig),
    build_model=build_labeller,
    build_batches=_pair_batches,
    forward=label_forced,
    build_task=_labelling_task,
    scores=_accuracy,
    next_commands="nmt score --model RUN    nmt predict --model RUN < FILE",
)
KINDS_OF_MODEL: tuple[AnyKind, ...] = (TRANSLATION, LANGUAGE_MODEL, LABELLER)
