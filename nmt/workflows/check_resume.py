"""Check that a killed and resumed run equals, bit for bit, a run that never stopped."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from nmt.config.experiment import Experiment
from nmt.config.loading import dump_experiment, flat
from nmt.config.tracking import TrackingConfig
from nmt.errors import UserError
from nmt.files import replace_text
from nmt.results import read_metrics
from nmt.run import Run
from nmt.training.checkpoint import Checkpoints, read_tensors
from nmt.training.trainer import CLOCKS, TIMES

Contents: TypeAlias = dict[str, dict[str, Tensor] | dict[str, str]]  # part → name → tensor, or figure as JSON

NAMES = {
    "model": "weights",
    "optimizer": "optimiser",
    "ema": "averaged weights (EMA)",
    "rng": "random state",
    "batches": "place in the data",
    "carried": "recurrent states",
    "state": "progress, schedule, best scores",
}


@dataclass(frozen=True)
class Part:
    """One part of two runs: how many values were compared, and one line per difference."""

    name: str
    kind: str  # tensors or figures
    count: int
    differences: list[str]


def check_resume(
    experiment: Experiment, updates: int, folder: Path, log: Callable[[str], None]
) -> list[Part]:
    """Train 2 × `updates` in one go, and again with a SIGKILL in the second half; return the comparison.

    Every run is `nmt train` in its own process, in a folder below `folder`. The second is killed as soon
    as it has logged a figure after its checkpoint at `updates`, so that work is lost.
    Raises UserError if a run fails, or ends before it could be killed.
    """
    config = folder / "config.yaml"
    replace_text(config, dump_experiment(_shortened(experiment, updates)))
    whole, parts = Run(folder / "whole"), Run(folder / "parts")
    log(f"training {2 * updates} updates without a stop")
    _train(config, whole)
    log(f"training again, with a SIGKILL after update {updates}")
    _train(config, parts, kill_after=updates)
    log(f"killed after update {_logged(parts)}; continuing from update {_newest(parts)} to {2 * updates}")
    _train(config, parts)
    return compare_runs(whole, parts)


def compare_runs(one: Run, other: Run) -> list[Part]:
    """Compare the newest checkpoint, the best weights and the figures of two runs.

    Tensors are compared as bytes, figures as full decimal text; times are left out.
    """
    ours, theirs = _contents(one), _contents(other)
    return [_compare(name, ours.get(name, {}), theirs.get(name, {})) for name in ours | theirs]


def _shortened(experiment: Experiment, updates: int) -> Experiment:
    """The experiment over 2 × `updates`, validated and saved in the middle, with no other stopping rule.

    The logging interval does not divide the middle: the sums since the last line must survive too.
    """
    every = next(n for n in range(2, updates + 2) if updates % n)
    section = experiment.training.model_copy(
        update={
            "max_updates": 2 * updates,
            "max_epochs": None,
            "max_minutes": None,
            "patience": None,
            "validate_every": updates,
            "save_every": updates,
            "log_every": every,
        }
    )
    return experiment.model_copy(update={"training": section, "tracking": TrackingConfig()})


def _train(config: Path, run: Run, *, kill_after: int | None = None) -> None:
    command = [sys.executable, "-P", "-m", "nmt", "train", str(config), "--run", str(run.folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            while kill_after is not None and process.poll() is None and _logged(run) <= kill_after:
                time.sleep(0.001)
            if kill_after is not None:
                process.kill()
            errors = process.communicate()[1]
        finally:
            process.kill()
    if process.returncode == 0 and kill_after is not None:
        raise UserError("the run ended before it could be killed; give more --updates")
    if process.returncode != (0 if kill_after is None else -signal.SIGKILL):
        lines = [line.removeprefix("nmt: ") for line in errors.splitlines()]
        raise UserError(*lines or [f"the run ended with exit code {process.returncode}"])


def _logged(run: Run) -> int:
    """The last update with a figure in metrics.jsonl, 0 for none; the file may be growing."""
    if not run.metrics.exists():
        return 0
    return max((step for _, step, _ in read_metrics(run.metrics)), default=0)


def _newest(run: Run) -> int:
    return Checkpoints(run.checkpoints, keep=1, every=1).steps()[-1]


def _contents(run: Run) -> Contents:
    found = Checkpoints(run.checkpoints, keep=1, every=1).newest()
    if found is None:
        raise UserError(f"{run.folder} has no checkpoint to compare")
    _, groups, state, _ = found
    contents: Contents = {NAMES.get(group, group): tensors for group, tensors in groups.items()}
    contents["best weights"] = read_tensors(run.model)
    state["at"] = {name: value for name, value in state["at"].items() if name not in CLOCKS}
    for name, part in (("batches", state.pop("batches")), ("state", state)):
        contents[NAMES[name]] = {key: json.dumps(value) for key, value in flat(part).items()}
    contents[run.metrics.name] = {
        f"line {number}, {key}": json.dumps(value)
        for number, (_, step, figures) in enumerate(read_metrics(run.metrics), start=1)
        for key, value in {"step": step, **figures}.items()
        if key not in TIMES
    }
    return contents


def _compare(name: str, one: Mapping[str, Tensor | str], other: Mapping[str, Tensor | str]) -> Part:
    kind = "tensors" if any(isinstance(item, Tensor) for item in {**one, **other}.values()) else "figures"
    pairs = [(key, one.get(key), other.get(key)) for key in {**one, **other}]
    differences = [f"{name}: {key}: {found}" for key, a, b in pairs if (found := _difference(a, b))]
    return Part(name, kind, len(pairs), differences)


def _difference(one: Tensor | str | None, other: Tensor | str | None) -> str | None:
    """How two values differ, None if all bits are equal: −0 differs from 0, equal NaNs do not differ."""
    if not isinstance(one, Tensor) or not isinstance(other, Tensor):
        return None if one is other or one == other else f"{_show(one)} and {_show(other)}"
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return f"{_show(one)} and {_show(other)}"
    different = (_bytes(one) != _bytes(other)).any(dim=1).nonzero().flatten().tolist()
    if not different:
        return None
    first = different[0]
    a, b = one.flatten()[first].item(), other.flatten()[first].item()
    return f"{len(different):,} of {one.numel():,} numbers, the first {a!r} and {b!r}"


def _bytes(tensor: Tensor) -> Tensor:
    """The bytes of each number, shape (numbers, bytes per number)."""
    return tensor.contiguous().view(-1, 1).view(torch.uint8)


def _show(item: Tensor | str | None) -> str:
    if isinstance(item, Tensor):
        return f"{str(item.dtype).removeprefix('torch.')} {tuple(item.shape)}"
    return "nothing" if item is None else item
