"""A tiny training on the built-in corpus."""

import io
from pathlib import Path
from typing import Any

from rich.console import Console

from nmt.config import Experiment
from nmt.run import Run
from nmt.training.distributed import SINGLE, Processes
from nmt.training.trainer import Trainer
from nmt.workflows.train import build_trainer


def experiment(folder: Path, *, dropout: float = 0.2, **training: Any) -> Experiment:
    """A tiny experiment, its prepared data in the folder. training: keys of that section."""
    return Experiment.model_validate(
        {
            "name": "tiny",
            "data": {
                "builtin": {"train": 120, "validation": 10, "test": 10},
                "src": "de",
                "trg": "en",
                "tokenizer": {"kind": "bpe", "vocab_size": 400, "shared": True},
                "prepared": str(folder / "prepared"),
            },
            "model": {
                "embedding": 8,
                "dropout": dropout,
                "tie_embeddings": "three_way",
                "encoder": {"hidden": 8},
                "decoder": {"hidden": 8},
            },
            "training": {
                "tokens_per_batch": 400,
                "max_updates": 6,
                "validate_every": 2,
                "save_every": 2,
                "log_every": 2,
                "precision": "float32",
                "device": "cpu",
                **training,
            },
            "decoding": {"max_ratio": 1.0, "max_extra": 2},
        }
    )


def build(run: Path, config: Experiment, processes: Processes = SINGLE) -> Trainer:
    """The trainer of a run in this folder."""
    run.mkdir(exist_ok=True)
    return build_trainer(config, Run(run), Console(file=io.StringIO()), processes)[0]
