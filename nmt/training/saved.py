"""What a checkpoint holds beside weights, and whether it fits the run that goes on from it."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from nmt.errors import UserError


@dataclass
class Progressed:
    """How far a run has come; everything in it is saved with a checkpoint."""

    update: int = 0
    trg_tokens: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    updating_seconds: float = 0.0  # of seconds, those that went into updates
    skipped: int = 0
    skipped_in_row: int = 0
    validations_without_improvement: int = 0
    best_update: int = 0
    best: dict[str, float] = field(default_factory=dict)
    validated_update: int = 0


@dataclass
class Window:
    """What happened since the last line of figures."""

    loss: float = 0.0
    figures: dict[str, float] = field(default_factory=dict)
    tokens: int = 0
    updates: int = 0
    norms: float = 0.0
    clipped: int = 0
    began: float = field(default_factory=time.perf_counter)

    def add(
        self, loss: float, figures: Mapping[str, float], tokens: int, norm: float, *, clipped: bool
    ) -> None:
        """Take in an update: sums over its tokens, and its gradient's norm before clipping."""
        self.loss, self.tokens = self.loss + loss, self.tokens + tokens
        self.figures = {name: self.figures.get(name, 0.0) + value for name, value in figures.items()}
        self.updates, self.norms, self.clipped = self.updates + 1, self.norms + norm, self.clipped + clipped

    def sums(self) -> dict[str, object]:
        """Return everything but the clock."""
        return {name: value for name, value in asdict(self).items() if name != "began"}


class Saved(BaseModel):
    """The state of a trainer as state.json holds it."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    at: Progressed
    window: Window
    batches: dict[str, int]
    schedule: dict[str, int]
    identity: dict[str, str]
    ema_updates: int = Field(ge=0)
    processes: int = Field(1, ge=1)  # before there could be several, the number was not written down

    @classmethod
    def of(cls, content: Mapping[str, Any], path: Path) -> Self:
        """Return the state in the content of a checkpoint; UserError naming the key that is wrong."""
        window = content.get("window")
        if isinstance(window, dict) and "nll" in window:  # before an objective had figures of its own
            rest = {key: value for key, value in window.items() if key != "nll"}
            content = {**content, "window": {**rest, "figures": {"nll": window["nll"]}}}
        try:
            state = cls.model_validate(content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(map(str, first["loc"]))
            raise UserError(
                f"{path}: state.json: {key}: {first['msg']}; delete the checkpoint or give another --run"
            ) from None
        if "updating_seconds" not in content["at"]:  # then all of the time was theirs
            state.at.updating_seconds = state.at.seconds
        return state


def check_tensors(
    groups: Mapping[str, Mapping[str, Tensor]], parameters: Mapping[str, Tensor], *, ema: bool
) -> None:
    """Raise ValueError where weights, averages or moments have another shape than the parameters.

    A smaller one would be repeated in silence.
    """
    for group in ("model", "ema") if ema else ("model",):
        for name, parameter in parameters.items():
            found = groups[group][name].shape
            if found != parameter.shape:
                raise ValueError(f"{group}: {name} should be {tuple(parameter.shape)}, found {tuple(found)}")
    for key, slot in groups["optimizer"].items():
        owner = parameters[key.rpartition("/")[0]]
        if (slot.shape, slot.dtype) not in ((owner.shape, owner.dtype), ((), torch.float32)):
            raise ValueError(f"optimizer: {key} should be {tuple(owner.shape)}, found {tuple(slot.shape)}")
