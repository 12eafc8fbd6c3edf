"""What happened → result.json."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import torch
from torch import nn

from nmt.builders.corpus import corpus_of
from nmt.builders.kinds import kind_of
from nmt.config.experiment import Experiment
from nmt.config.model import ModelConfig
from nmt.data.corpus import UNKNOWN, Languages
from nmt.data.prepared import Prepared
from nmt.machine import source_commit
from nmt.results import Decoding, Machine, Result, Score, Training, Versions
from nmt.training.trainer import Trainer


class ScoredData(NamedTuple):
    """The scored data: name, split, number of sentences, and checksums of the texts."""

    dataset: str
    split: str | None
    sentences: int
    hashes: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class System:
    """The model that was scored: its configuration, where it ran, how it decoded, and what it cost.

    experiment: with what was set for this score; None of an exported model, whose languages stand in its
    place. trained: as it was trained; None of several models.
    """

    experiment: Experiment | None
    trained: Experiment | None
    languages: Languages = UNKNOWN
    machine: Machine
    tokenizers: dict[str, str]  # src, trg → fingerprint
    decoding: Decoding | None = None
    training: Training | None = None
    parameters: int | None = None


def readable(name: str) -> str:
    """Return a file name for JSON; bytes that are not UTF-8 become U+FFFD."""
    return os.fsencode(name).decode("utf-8", "replace")


def make_result(name: str, data: ScoredData, scores: Iterable[Score], system: System | None = None) -> Result:
    """Return the scores on some data; system: None for translations known only from a file."""
    experiment = system and system.experiment
    languages = corpus_of(experiment).languages if experiment else system.languages if system else UNKNOWN
    return Result(
        name=readable(name),
        date=datetime.now(UTC),
        src=languages.src,
        trg=languages.trg,
        dataset=readable(data.dataset),
        split=data.split,
        sentences=data.sentences,
        scores=tuple(scores),
        decoding=system and system.decoding,
        training=system and system.training,
        parameters=system and system.parameters,
        seed=experiment and experiment.seed,
        commit=source_commit() if system else None,
        versions=Versions.installed(),
        machine=system and system.machine,
        data_hashes={readable(key): each for key, each in data.hashes.items()},
        tokenizers=system.tokenizers if system else {},
        configuration=system and system.trained and system.trained.model_dump(mode="json"),
    )


def training_result(experiment: Experiment, prepared: Prepared, trainer: Trainer[nn.Module]) -> Result:
    """Return the result of a finished training: the best validation and the cost of the weights."""
    at, config, precision = trainer.at, experiment.training, _name(trainer.precision)
    settings = {**experiment.decoding.model_dump(mode="json"), "beam": config.validation_beam}
    searches = isinstance(experiment.model, ModelConfig)  # text without sources is only read
    here = machine(trainer.device, trainer.processes.size)
    cost = Training(
        updates=at.update,
        epochs=trainer.epochs(),
        wall_minutes=at.seconds / 60,
        cpu_minutes=at.cpu_seconds / 60,
        trg_tokens_per_second=at.trg_tokens / at.updating_seconds if at.updating_seconds else None,
        precision=precision,
        commit=source_commit(),
        machine=here,
        processes=trainer.processes.size,
    )
    system = System(
        experiment=experiment,
        trained=experiment,
        machine=here,
        tokenizers={"src": prepared.src_tokenizer.fingerprint, "trg": prepared.trg_tokenizer.fingerprint},
        decoding=Decoding(settings=settings, precision=precision) if searches else None,
        training=cost,
        parameters=sum(p.numel() for p in trainer.model.parameters()),
    )
    hashes = {str(split): sha256 for split, sha256 in prepared.meta.data_hashes.items()}
    sentences = len(prepared.split("validation"))
    data = ScoredData(corpus_of(experiment).name, "validation", sentences, hashes)
    scores = kind_of(experiment).scores(experiment, prepared, at.best)
    result = make_result(experiment.name, data, scores, system)
    return result.model_copy(update={"command": ("train",)})


def machine(device: torch.device, processes: int = 1) -> Machine:
    """Return the machine of this process, with the number of threads of all processes together."""
    accelerator = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    if accelerator and processes > 1:
        accelerator = f"{processes} × {accelerator}"
    return Machine.here(device.type, accelerator=accelerator, threads=processes * torch.get_num_threads())


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
