"""Before the first update: how much memory and time a run will take."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import torch
from torch import nn

from nmt.training.checkpoint import rng_state, set_rng_state
from nmt.training.memory import peak_memory
from nmt.training.splitting import positions
from nmt.training.trainer import Trainer

YEAR = 365 * 86400.0  # seconds
TYPICAL = 3  # batches that are timed


@dataclass(frozen=True)
class Preflight:
    """Measured size, memory (bytes resident in this process or allocated on its GPU) and speed.

    On a CPU memory grows further, because batches of many shapes fragment the heap.
    """

    pairs: int  # in the largest batch
    src_tokens: int
    trg_tokens: int
    memory: int
    trg_tokens_per_second: float
    seconds_left: float  # until the first budget of the run is used up, without validations
    threads: int | None = None  # CPU threads of this process

    def line(self, now: datetime) -> str:
        """Return the line for a person."""
        until = ""
        if self.seconds_left < YEAR:
            end = now + timedelta(seconds=self.seconds_left)
            until = f", until {end:%H:%M}" + ("" if end.date() == now.date() else f" on {end:%Y-%m-%d}")
        # Without a source, src holds </s> only.
        source = (
            f"pairs of up to {self.src_tokens} source and" if self.src_tokens > 1 else "sequences of up to"
        )
        threads = f"with {self.threads} thread{'' if self.threads == 1 else 's'} " if self.threads else ""
        return (
            f"largest batch {self.pairs} {source} "
            f"{self.trg_tokens} target tokens, memory at least {self.memory / 1e6:,.0f} MB; "
            f"{threads}about {self.trg_tokens_per_second:,.0f} target tokens/s, "
            f"{duration(self.seconds_left)} left without validations{until}"
        )


def duration(seconds: float) -> str:
    """Return a duration for a person, such as `12 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds >= YEAR:
        return "more than a year"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def preflight(trainer: Trainer[nn.Module]) -> Preflight | None:
    """Compute the largest and some typical batches and return what the run will take; None if it is over.

    The largest come first, so that too little memory shows at once; the typical ones give the speed. Weights,
    random state, the order of batches and metrics do not change; the run's clock continues.
    """
    if trainer.over():
        return None
    began, rng, training = time.perf_counter(), rng_state(trainer.device), trainer.model.training
    trainer.model.train()
    largest, typical = trainer.batches.largest(), trainer.batches.typical(TYPICAL)
    if trainer.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(trainer.device)
    for batch in largest:
        trainer.trial(batch)
    start = _now(trainer.device)
    tokens = sum(float(trainer.trial(batch)[1]) for batch in typical)
    seconds = _now(trainer.device) - start
    memory = peak_memory(trainer.device)
    if not trainer.optimizer.state:
        # The optimiser's two moments per weight are allocated at its first step.
        memory += 2 * sum(p.nbytes for p in trainer.parameters.values())
    trainer.model.train(training)
    set_rng_state(rng, trainer.device)
    trainer.at.seconds += time.perf_counter() - began
    first = max(largest, key=positions)
    return Preflight(
        pairs=len(first),
        src_tokens=first.src.shape[1],
        trg_tokens=first.trg_in.shape[1],
        memory=memory,
        trg_tokens_per_second=tokens / seconds,
        seconds_left=_seconds_left(trainer, seconds / len(typical)),
        threads=torch.get_num_threads() if trainer.device.type == "cpu" else None,
    )


def _seconds_left(trainer: Trainer[nn.Module], seconds_per_update: float) -> float:
    """Return the seconds until the first budget is used up at this speed."""
    pace, at, left = trainer.pace, trainer.at, []
    if pace.max_updates is not None:
        left.append((pace.max_updates - at.update) * seconds_per_update)
    if pace.max_epochs is not None:
        epochs = pace.max_epochs - trainer.epochs()
        left.append(epochs * trainer.batches.per_epoch * seconds_per_update)
    if pace.max_minutes is not None:
        left.append(pace.max_minutes * 60 - at.seconds)
    return max(0.0, min(left))


def parameter_table(model: nn.Module) -> list[str]:
    """Return one line per parameter (name, shape, count) and the total; a tied one counts once."""
    first: dict[nn.Parameter, str] = {}
    rows = []
    for name, parameter in model.named_parameters(remove_duplicate=False):
        tied = first.setdefault(parameter, name)
        count = f"{parameter.numel():,}" if tied == name else f"= {tied}"
        rows.append((name, " × ".join(map(str, parameter.shape)), count))
    rows.append(("total", "", f"{sum(parameter.numel() for parameter in first):,}"))
    names, shapes, counts = (max(map(len, column)) for column in zip(*rows, strict=True))
    return [f"{name:<{names}}  {shape:>{shapes}}  {count:>{counts}}" for name, shape, count in rows]


def weight_memory(trainer: Trainer[nn.Module]) -> str:
    """Return one line with the memory of weights, gradients, optimiser and averaged weights."""
    weights = sum(p.nbytes for p in trainer.parameters.values())
    parts = {"weights": weights, "gradients": weights, "optimiser": 2 * weights}
    if trainer.averaging.state()[0]:
        parts["averaged weights (EMA)"] = weights
    listed = ", ".join(f"{name} {size / 1e6:,.1f} MB" for name, size in parts.items())
    return f"{listed}; together {sum(parts.values()) / 1e6:,.1f} MB"


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
