"""One configuration with several seeds: a run for each, one after another or some at a time."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from subprocess import Popen

from nmt.config.loading import load_experiment
from nmt.errors import UserError
from nmt.machine import cores
from nmt.results import read_result
from nmt.run import Run
from nmt.training.launch import forwarding, start

RUNS = Path("runs")  # the folder of the runs unless told otherwise
PAUSE = 0.1  # seconds between two looks at the processes


def train_seeds(
    config: Path, overrides: Sequence[str], seeds: Sequence[int], *, runs: Path, jobs: int
) -> tuple[int, list[Path]]:
    """Train a run for each seed, `jobs` at a time, and return the exit code and the run folders.

    A run that is finished or was stopped goes on as with nmt train. After a run that fails or is stopped no
    other begins; its exit code is returned. Raises UserError for an override of the seed.
    """
    experiment = load_experiment(config, overrides)
    if any(each.startswith("seed=") for each in overrides):
        raise UserError("--set seed: nmt seeds gives each run its own; leave it out")
    folders = [runs / f"{experiment.name}-seed-{seed}" for seed in seeds]
    commands = []
    for seed, folder in zip(seeds, folders, strict=True):
        sets = [*overrides, f"seed={seed}"]
        if experiment.tracking.group is None:
            # Several configurations may have one name; each has a folder of runs.
            group = "-".join([experiment.name, *([] if runs == RUNS else [runs.name])])
            sets.append(f"tracking.group={group}")
        if jobs > 1 and experiment.training.threads is None:
            sets.append(f"training.threads={max(1, cores() // jobs)}")
        options = [part for each in sets for part in ("--set", each)]
        command = [sys.executable, "-P", "-m", "nmt", "train", *options, "--run", str(folder), "--"]
        commands.append([*command, str(config)])
    return _run(commands, jobs), folders


def _run(commands: Sequence[Sequence[str]], jobs: int) -> int:
    """Run commands, `jobs` at a time, until one fails; return its exit code, or 0."""
    waiting, started = list(commands), list[Popen[bytes]]()
    with forwarding(started):
        while True:
            codes = [process.poll() for process in started]
            failed = next((code for code in codes if code), 0)
            live = codes.count(None)
            if not live and (failed or not waiting):
                return failed if failed >= 0 else 128 - failed
            if waiting and live < jobs and not failed:
                started.append(start(waiting.pop(0), os.environ))
            else:
                time.sleep(PAUSE)


def summary(folders: Sequence[Path]) -> list[str]:
    """Return a line for each score of the runs: its mean, standard deviation, and each run's own."""
    scores: dict[str, list[float]] = {}
    for folder in folders:
        result = read_result(Run(folder).result)
        for each in result.scores:  # of the test split once nmt score has written them
            scores.setdefault(f"{result.split} {each.label}", []).append(each.score)
    lines = []
    for label, found in scores.items():
        spread = f" ± {stdev(found):.2f}" if len(found) > 1 else ""
        lines.append(f"{label:<37} {mean(found):.2f}{spread}   {' '.join(f'{each:.2f}' for each in found)}")
    return lines
