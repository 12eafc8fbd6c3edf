"""A tiny training on the built-in corpus."""

import io
from pathlib import Path
from typing import Any

from rich.console import Console

from nmt.config import Experiment
from nmt.run import Run
from nmt.training.trainer import Trainer
from nmt.workflows.train import build_trainer


def experiment(folder: Path, objective: dict[str, Any], **training: Any) -> Experiment:
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
                "dropout": 0.2,
                "tie_embeddings": "three_way",
                "encoder": {"hidden": 8},
                "decoder": {"hidden": 8},
            },
            "training": {
                "objective": objective,
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


def build(run: Path, config: Experiment) -> Trainer:
    run.mkdir(exist_ok=True)
    return build_trainer(config, Run(run), Console(file=io.StringIO()))[0]
