"""What happened → result.json."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from nmt.builders.kinds import kind_of
from nmt.config.data import DataConfig
from nmt.config.experiment import Experiment
from nmt.config.model import ModelConfig
from nmt.data.prepared import Prepared
from nmt.machine import source_commit
from nmt.results import Decoding, Machine, Result, Training, Versions
from nmt.training.trainer import Trainer


def training_result(experiment: Experiment, prepared: Prepared, trainer: Trainer[Any]) -> Result:
    """Return what a finished training knows: the best validation, and what the weights cost."""
    at, config = trainer.at, experiment.training
    decoding = Decoding(
        settings={**experiment.decoding.model_dump(mode="json"), "beam": config.validation_beam},
        precision=_name(trainer.precision),
    )
    return Result(
        name=experiment.name,
        date=datetime.now(UTC),
        src=prepared.meta.src,
        trg=prepared.meta.trg,
        dataset=dataset_name(experiment.data),
        split="validation",
        sentences=len(prepared.split("validation")),
        scores=kind_of(experiment).scores(experiment, prepared, at.best),
        decoding=decoding
        if isinstance(experiment.model, ModelConfig)
        else None,  # text without sources is read, nothing searched for
        training=Training(
            updates=at.update,
            epochs=trainer.epochs(),
            wall_minutes=at.seconds / 60,
            cpu_minutes=at.cpu_seconds / 60,
            trg_tokens_per_second=at.trg_tokens / at.updating_seconds if at.updating_seconds else None,
            precision=_name(trainer.precision),
        ),
        parameters=sum(p.numel() for p in trainer.model.parameters()),
        seed=experiment.seed,
        commit=source_commit(),
        versions=Versions.installed(),
        machine=machine(trainer.device, trainer.processes.size),
        data_hashes=dict(prepared.meta.data_hashes),
        tokenizers={"src": prepared.src_tokenizer.fingerprint, "trg": prepared.trg_tokenizer.fingerprint},
    )


def dataset_name(data: DataConfig) -> str:
    """Return what the data is called: the hub id, or the name of the folder or file."""
    if data.dataset is not None:
        return Path(data.dataset).name if Path(data.dataset).is_dir() else data.dataset
    if data.text is not None:
        return Path(data.text.train).name
    if data.labelled is not None:
        return Path(data.labelled.train).name
    if data.files is not None:
        return Path(data.files.train.src).name
    return Path(data.tsv.train).name if data.tsv is not None else "builtin"


def machine(device: torch.device, processes: int = 1) -> Machine:
    """Return where this process computes, and with how many threads all processes together do."""
    accelerator = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    if accelerator and processes > 1:
        accelerator = f"{processes} × {accelerator}"
    return Machine.here(device.type, accelerator=accelerator, threads=processes * torch.get_num_threads())


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
