"""A run folder of a classifier or tagger → labels of lines, and how many of them are right."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch

from nmt.builders.hardware import choose_device
from nmt.builders.model import build_labeller
from nmt.builders.result import machine
from nmt.config.experiment import Experiment
from nmt.config.model import ClassifierConfig, TaggerConfig
from nmt.data.corpus import Pair
from nmt.data.filtering import scan
from nmt.data.labelled import check_known, check_labels
from nmt.decoding.labeler import Labeller
from nmt.errors import UserError
from nmt.evaluation.metrics import label_scores
from nmt.machine import source_commit
from nmt.results import Result, Versions, read_result
from nmt.run import Run
from nmt.tokenization.tokenizer import load_tokenizers


def load_labeller(folder: Path, *, experiment: Experiment | None = None, device: str = "auto") -> Labeller:
    """Return the classifier or tagger of a run; UserError where the folder holds none.

    In float64, so that neighbours change nothing.
    """
    run = Run(folder)
    where = choose_device(device)
    experiment = experiment or run.experiment()
    if not isinstance(experiment.model, ClassifierConfig | TaggerConfig):
        raise UserError(
            f"{folder} is a run of model.kind {experiment.model.kind}, expected classifier or tagger; "
            "see nmt translate and nmt sample"
        )
    text, labels = load_tokenizers(run.tokenizer)
    config = experiment.model
    model = run.load_model(
        lambda: build_labeller(config, len(text.vocabulary), len(labels.vocabulary)),
        (text.fingerprint, labels.fingerprint),
    )
    return Labeller(model.eval().to(where, torch.float64), text, labels, experiment, where)


def score_labels(
    folder: Path,
    experiment: Experiment,
    pairs: Sequence[Pair],
    *,
    dataset: str,
    split: str | None,
    device: str,
) -> tuple[Result, list[str]]:
    """Return accuracy, macro F1 and the F1 of each label with what the run's training cost, and the labels.

    UserError where a text has not as many labels as it shall, or one that training never saw.
    """
    labeller = load_labeller(folder, experiment=experiment, device=device)
    each_word = isinstance(experiment.model, TaggerConfig)
    for number, pair in enumerate(pairs, 1):
        check_labels(pair, each_word=each_word, where=f"{dataset}: line {number}")
    check_known(pairs, labeller.labels, dataset)
    outputs = labeller.label([pair.src for pair in pairs])
    path = Run(folder).result
    before = read_result(path) if path.is_file() else None
    result = Result(
        name=experiment.name,
        date=datetime.now(UTC),
        dataset=dataset,
        split=split,
        sentences=len(pairs),
        scores=tuple(label_scores(outputs, [pair.trg for pair in pairs])),
        training=before.training if before else None,
        parameters=before.parameters if before else None,
        seed=experiment.seed,
        commit=source_commit(),
        versions=Versions.installed(),
        machine=machine(labeller.device),
        data_hashes={**(before.data_hashes if before else {}), split or dataset: scan(pairs).sha256},
        tokenizers={"src": labeller.tokenizer.fingerprint, "trg": labeller.labels.fingerprint},
    )
    return result, outputs
