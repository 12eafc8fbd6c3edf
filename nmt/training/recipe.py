"""The parts of a trainer: how to make an update, when to validate and stop, where to record."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from nmt.training.averaging import Averaging
from nmt.training.checkpoint import Checkpoints
from nmt.training.progress import Progress
from nmt.training.schedules import Schedule
from nmt.training.tracking import Tracker


@dataclass(frozen=True)
class Recipe:
    """How an update is made.

    rate: the learning rate that the schedule multiplies. clip_norm: the largest gradient norm, or None.
    accumulate: number of micro-batches of a batch. max_bad_updates: number of non-finite updates in a row
    that ends the run.
    """

    optimizer: torch.optim.Optimizer
    schedule: Schedule
    averaging: Averaging
    rate: float
    precision: torch.dtype
    device: torch.device
    clip_norm: float | None = None
    accumulate: int = 1
    max_bad_updates: int = 20


@dataclass(frozen=True)
class Pace:
    """When a run validates, saves and logs, in updates, and what ends it; None means no such limit.

    patience: validations without improvement before the run ends.
    """

    validate_every: int
    save_every: int
    log_every: int
    max_updates: int | None = None
    max_epochs: int | None = None
    max_minutes: float | None = None
    patience: int | None = None

    def used(self, updates: int, epochs: float, seconds: float) -> float:
        """Return the largest fraction used of any budget, from 0."""
        budgets = (
            (updates, self.max_updates),
            (epochs, self.max_epochs),
            (seconds / 60, self.max_minutes),
        )
        return max((spent / budget for spent, budget in budgets if budget is not None), default=0.0)


@dataclass(frozen=True)
class Records:
    """Where a run is saved and logged.

    keep_best: saves the model's current weights as the best. identity: names and values that a checkpoint
    must agree with to be resumed.
    """

    checkpoints: Checkpoints
    tracker: Tracker
    progress: Progress
    keep_best: Callable[[], None]
    identity: dict[str, str]
