"""A task of which the trainer knows nothing: a regression, so small that a run takes milliseconds."""

import io
import json
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import torch
from rich.console import Console
from torch import Tensor, nn

from nmt.builders.optimizer import build_pace, build_recipe
from nmt.config import Experiment
from nmt.config.training import AveragingConfig, ConstantSchedule, OptimizerConfig, TrainingConfig
from nmt.data.batches import Batch, Batches
from nmt.data.encoded import EncodedSplit
from nmt.objectives.objective import Loss
from nmt.tasks.task import Validation
from nmt.training.checkpoint import Checkpoints, write_tensors
from nmt.training.progress import Progress
from nmt.training.recipe import Records
from nmt.training.tracking import Tracker
from nmt.training.trainer import TIMES, Trainer

Everything: TypeAlias = Callable[[Path], dict[str, Any]]
SPLIT = EncodedSplit.of([[4] * (i % 7 + 1) for i in range(60)], [[4] * (i % 5 + 1) for i in range(60)])
CPU = torch.device("cpu")


@dataclass
class Regression:
    """Learns 2·Tx − Ty + 0.5 from (Tx, Ty); events happen at losses counted from 1."""

    validations: list[float] = field(default_factory=list)  # figures to report in the place of real ones
    events: dict[int, Callable[[], float]] = field(default_factory=dict)  # gives a factor for the loss
    losses: int = 0
    validated: list[Tensor] = field(default_factory=list)

    figures: tuple[str, ...] = ("nll",)

    def __call__(self, model: nn.Module, batch: Batch) -> Loss:
        self.losses += 1
        event = self.events.get(self.losses)
        factor = event() if event else 1.0
        dtype = next(model.parameters()).dtype
        x = torch.stack([batch.src_len, batch.trg_len], dim=1).to(dtype)  # (B, 2)
        wanted = 2 * x[:, 0] - x[:, 1] + 0.5
        loss = ((model(x).squeeze(1) - wanted) ** 2).sum() * factor
        return Loss(loss, len(batch), {"nll": loss.detach()})

    @torch.inference_mode()
    def validate(self, model: nn.Module) -> Validation:
        assert not model.training
        first = next(model.parameters())
        self.validated.append(first.clone())
        figure = self.validations.pop(0) if self.validations else model(first.new_ones(1, 2)).sum().item()
        return Validation({"figure": figure}, [("a", "b", "c")])

    def better(self, a: Mapping[str, float], b: Mapping[str, float]) -> bool:
        return a["figure"] > b["figure"]


def settings(**changes: Any) -> TrainingConfig:
    base = TrainingConfig(
        tokens_per_batch=40,
        max_updates=20,
        validate_every=5,
        save_every=4,
        log_every=3,
        optimizer=OptimizerConfig(lr=0.05),
        schedule=ConstantSchedule(),
    )
    return TrainingConfig.model_validate({**base.model_dump(), **changes})


def make(
    folder: Path,
    config: TrainingConfig,
    task: Regression | None = None,
    *,
    dtype: torch.dtype = torch.float64,
    dropout: float = 0.2,
    seed: int = 1,
    identity: dict[str, str] | None = None,
    out: io.StringIO | None = None,
) -> Trainer[Any]:
    """A trainer as a new process would build it."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(dropout), nn.Linear(8, 1)).to(dtype)
    experiment = Experiment.model_validate({"name": "x", "data": {"builtin": {}, "src": "de", "trg": "en"}})
    task = task or Regression()
    records = Records(
        checkpoints=Checkpoints(
            folder / "checkpoints", keep=config.keep_checkpoints, every=config.save_every
        ),
        tracker=Tracker(folder, experiment),
        progress=Progress(Console(file=out or io.StringIO())),
        keep_best=lambda: write_tensors(folder / "model.safetensors", dict(model.named_parameters())),
        identity=identity or {"data": "abc"},
    )
    return Trainer(
        model=model,
        objective=task,
        task=task,
        batches=Batches(SPLIT, config.tokens_per_batch, seed=seed),
        recipe=build_recipe(config, model, dtype, CPU, records),
        pace=build_pace(config),
        records=records,
    )


def metrics(folder: Path) -> list[dict[str, Any]]:
    """Every logged figure but the times."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


def asked_to_stop(number: int = signal.SIGTERM) -> float:
    signal.raise_signal(number)
    return 1.0


AVERAGES = [
    AveragingConfig(kind="none"),
    AveragingConfig(kind="ema", decay=0.9),
    AveragingConfig(kind="checkpoints", last=3),
]
