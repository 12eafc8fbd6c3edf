"""The state in a checkpoint beside the weights, and whether it fits the run that resumes from it."""

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from nmt.errors import UserError


def _number(value: float) -> float:
    if math.isnan(value):
        raise ValueError("expected a number, found NaN")
    return value


# A checkpoint may come from a stranger: what no run can have counted or measured is refused.
Count = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
Time = Annotated[float, Field(strict=True, ge=0, lt=1e12)]  # seconds
Sum = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Measure = Annotated[float, Field(strict=True), AfterValidator(_number)]  # a perplexity may be infinite


@dataclass
class Progressed:
    """How far a run has come; all of it is saved with a checkpoint."""

    update: Count = 0
    trg_tokens: Count = 0
    seconds: Time = 0.0
    cpu_seconds: Time = 0.0
    updating_seconds: Time = 0.0  # the part of `seconds` spent in updates
    skipped: Count = 0
    skipped_in_row: Count = 0
    validations_without_improvement: Count = 0
    best_update: Count = 0
    best: dict[str, Measure] = field(default_factory=dict)
    validated_update: Count = 0


@dataclass
class Window:
    """Sums since the metrics were last logged."""

    loss: Sum = 0.0
    figures: dict[str, Sum] = field(default_factory=dict)
    tokens: Count = 0
    updates: Count = 0
    norms: Sum = 0.0
    clipped: Count = 0
    began: float = field(default_factory=time.perf_counter)

    def add(
        self, loss: float, figures: Mapping[str, float], tokens: int, norm: float, *, clipped: bool
    ) -> None:
        """Add an update: sums over its tokens, and its gradient norm before clipping."""
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
    batches: dict[str, Count]
    schedule: dict[str, Count]
    identity: dict[str, str]
    ema_updates: Count
    processes: int = Field(1, ge=1, strict=True)  # absent in early checkpoints

    @classmethod
    def of(cls, content: Mapping[str, Any], path: Path) -> Self:
        """Return the state in the content of a checkpoint; raises UserError that names a wrong key."""
        window = content.get("window")
        if isinstance(window, dict) and "nll" in window:  # earlier checkpoints
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
        if path.name != f"step-{state.at.update}":
            raise UserError(
                f"{path}: state.json: at.update: expected the number in the folder's name, found "
                f"{state.at.update}; delete the checkpoint or give another --run"
            )
        if "updating_seconds" not in content["at"]:  # earlier checkpoints
            state.at.updating_seconds = state.at.seconds
        return state


def check_tensors(
    groups: Mapping[str, Mapping[str, Tensor]], parameters: Mapping[str, Tensor], *, ema: bool, updates: int
) -> None:
    """Raise ValueError unless weights, averages and moments are those of the parameters, and numbers.

    A smaller shape would be broadcast silently, another type converted; a moment that lacks would begin anew.
    updates: the most that a moment can have seen.
    """
    for group in ("model", "ema") if ema else ("model",):
        if surplus := sorted({*groups[group]} - {*parameters}):
            raise ValueError(f"{group}: {surplus[0]} should not be there")
        for name, parameter in parameters.items():
            _check_tensor(f"{group}: {name}", groups[group][name], parameter)
    moments: dict[str, set[str]] = {}
    for key, moment in groups["optimizer"].items():
        name, _, slot = key.rpartition("/")
        moments.setdefault(name, set()).add(slot)
        if slot == "step":
            _check_tensor(f"optimizer: {key}", moment, torch.empty(()))
        else:
            _check_tensor(f"optimizer: {key}", moment, parameters[name])
        if slot != "exp_avg" and bool((moment < 0).any()):
            raise ValueError(f"optimizer: {key} should be 0 or more, found less")
        if slot == "step" and moment > updates:
            raise ValueError(f"optimizer: {key} should be {updates} or less, found {moment}")
    for name, found in moments.items():
        if found != {"step", "exp_avg", "exp_avg_sq"}:
            raise ValueError(f"optimizer: {name} should have step, exp_avg and exp_avg_sq, found {found}")
    if updates and not moments:
        raise ValueError("optimizer: expected its moments, found none")


def _check_tensor(called: str, found: Tensor, expected: Tensor) -> None:
    if (found.shape, found.dtype) != (expected.shape, expected.dtype):
        wanted, given = (f"{tuple(each.shape)} of {each.dtype}" for each in (expected, found))
        raise ValueError(f"{called} should be {wanted}, found {given}")
    if not bool(found.isfinite().all()):
        raise ValueError(f"{called} holds numbers that are not finite")
