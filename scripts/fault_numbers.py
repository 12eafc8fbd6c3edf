"""Spoilt updates for faults.py: NaN and infinity in a loss or a gradient, a disk that is full."""

import json
import math
import resource
from dataclasses import replace
from typing import Any

from fault_runs import Child, Place, Score, checkpoints  # isort: skip

import torch
from torch import Tensor

from nmt.data.batches import Batch
from nmt.objectives.objective import Loss
from nmt.objectives.token_loss import TokenLoss
from nmt.run import Run
from nmt.training.checkpoint import read_tensors
from nmt.training.trainer import Trainer


def not_numbers(score: Score, place: Place) -> None:
    """Put NaN and infinity into the loss, or into one gradient alone, of some batches."""
    print("not numbers: three batches of one run, then all of them", flush=True)
    updates = 60
    config = place.config(updates)
    run = Run(place.folder / "three")
    child = Child(config, run, before=lambda: poison({11: "loss", 25: "gradient", 40: "infinity"}))
    code = child.wait()
    lines = [json.loads(line) for line in run.metrics.read_text(encoding="utf-8").splitlines()]
    skipped = [line["train/skipped"] for line in lines if "train/skipped" in line]
    score.check("the run goes on to its end", holds=code == 0, why=child.text())
    said = [f"update {n} skipped" in child.text() for n in (11, 25, 40)]
    score.check(
        f"{sum(said)} of 3 skipped and named, {skipped[-1]} counted", holds=all(said) and skipped[-1] == 3
    )
    found = checkpoints(run).newest()
    tensors = [t for group in found[1].values() for t in group.values()] if found else []
    tensors += read_tensors(run.model).values()
    finite = all(bool(t.isfinite().all()) for t in tensors) and None not in [
        v for x in lines for v in x.values()
    ]
    score.check(f"{len(tensors)} tensors and every figure are finite", holds=bool(tensors) and finite)

    run = Run(place.folder / "poisoned")
    child = Child(config, run, before=lambda: poison(dict.fromkeys(range(25, 61), "loss")))
    child.wait()
    told = child.error() or ""
    score.check(
        "a run that yields nothing else ends with one clear line", holds="in a row were not finite" in told
    )
    code = Child(config, run).wait()
    score.check("its last checkpoint goes on", holds=code == 0)


def poison(kinds: dict[int, str]) -> None:
    """Spoil the batches of these updates, counted in this process from 1."""
    healthy, update, number = TokenLoss.__call__, Trainer.update, 0

    def counted(self: Trainer) -> None:
        nonlocal number
        number += 1
        update(self)

    def loss(self: TokenLoss[Any], model: torch.nn.Module, batch: Batch) -> Loss:
        result = healthy(self, model, batch)
        match kinds.get(number):
            case "loss":
                return replace(result, sum=result.sum * math.nan)
            case "infinity":
                return replace(result, sum=result.sum * math.inf)
            case "full":
                resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
            case "gradient":  # a loss of the same value, whose gradient is none
                first = next(model.parameters())
                return replace(result, sum=result.sum + _Spoilt.apply(first))  # type: ignore[no-untyped-call]
        return result

    Trainer.update, TokenLoss.__call__ = counted, loss  # type: ignore[method-assign]


class _Spoilt(torch.autograd.Function):
    """Zero, with a gradient that is NaN in one number."""

    @staticmethod
    def forward(ctx: Any, parameter: Tensor) -> Tensor:
        ctx.shape = parameter.shape
        return parameter.new_zeros(())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        spoilt = gradient.new_zeros(ctx.shape)
        spoilt.view(-1)[0] = math.nan
        return spoilt
