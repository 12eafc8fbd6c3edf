"""The runs that faults.py disturbs: a tiny configuration, `nmt train` in forked processes, comparisons."""

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

# One thread, set before torch is loaded: a process with threads could not be forked safely.
os.environ["OMP_NUM_THREADS"] = "1"


import nmt.workflows.result
import nmt.workflows.train  # noqa: F401
from nmt.cli import main as command
from nmt.run import Run
from nmt.training.checkpoint import Checkpoints
from nmt.workflows.check_resume import compare_runs

SAVE_EVERY = 10  # updates
CONFIG = """
name: faults
data:
  builtin: {train: 400, validation: 10, test: 10}
  src: de
  trg: en
  tokenizer: {kind: bpe, vocab_size: 450}
  prepared: PREPARED
model:
  embedding: 16
  tie_embeddings: three_way
  dropout: 0.2
  encoder: {hidden: 16}
  decoder: {hidden: 16, style: layer_parallel}
training:
  tokens_per_batch: 400
  max_updates: UPDATES
  validate_every: 100
  save_every: EVERY
  precision: float32
  device: cpu
  threads: 1
  schedule: {kind: linear, warmup: 10}
  averaging: {kind: ema, decay: 0.9}
decoding: {max_ratio: 1.0, max_extra: 2}
"""


class Score:
    """Counts what passed and what failed, and says each."""

    def __init__(self) -> None:
        self.passed = self.failed = 0

    def check(self, said: str, *, holds: bool, why: str = "") -> None:
        """Count one expectation; `why` is told where it does not hold."""
        self.passed, self.failed = self.passed + holds, self.failed + (not holds)
        print(f"  {'pass' if holds else 'FAIL'}  {said}{f': {why}' if why and not holds else ''}", flush=True)


class Place:
    """A temporary folder with a configuration, and the undisturbed run of every length asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._whole: dict[int, Run] = {}

    def config(self, updates: int) -> Path:
        """Return the configuration of a run of so many updates."""
        path = self.folder / f"{updates}.yaml"
        text = CONFIG.replace("PREPARED", str(self.folder / "prepared")).replace("UPDATES", str(updates))
        path.write_text(text.replace("EVERY", str(SAVE_EVERY)), encoding="utf-8")
        return path

    def whole(self, updates: int) -> Run:
        """Return the run that nothing disturbed."""
        if updates not in self._whole:
            run = Run(self.folder / f"whole-{updates}")
            child = Child(self.config(updates), run)
            if child.wait():
                raise SystemExit(f"the undisturbed run failed: {child.text()}")
            self._whole[updates] = run
        return self._whole[updates]


class Child:
    """`nmt train` in a forked process; what it prints goes to a file."""

    def __init__(
        self, config: Path, run: Run, *overrides: str, before: Callable[[], None] = lambda: None
    ) -> None:
        self.output = config.with_name(f"{run.folder.name}.log")
        arguments = ["nmt", "train", str(config), "--run", str(run.folder)]
        self.arguments = arguments + [part for o in overrides for part in ("--set", o)]
        self.process = multiprocessing.get_context("fork").Process(target=self._run, args=(before,))
        self.process.start()

    def _run(self, before: Callable[[], None]) -> None:
        file = os.open(self.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.argv = self.arguments
        before()
        command()

    def wait(self) -> int | None:
        """Return the exit code; minus the signal that ended it."""
        self.process.join()
        return self.process.exitcode

    def kill(self) -> bool:
        """Kill it; return whether it was still alive."""
        self.process.kill()
        return self.wait() == -signal.SIGKILL

    def text(self) -> str:
        """Return what it printed."""
        return self.output.read_text(encoding="utf-8")

    def error(self) -> str | None:
        """Return the one line of a clear end with exit code 2, None for any other end."""
        lines = [line for line in self.text().splitlines() if line.startswith("nmt: ")]
        clear = self.process.exitcode == 2 and len(lines) == 1 and "Traceback" not in self.text()
        return lines[0] if clear else None


def checkpoints(run: Run) -> Checkpoints:
    return Checkpoints(run.checkpoints, keep=1, every=1)


def newest(run: Run) -> int:
    """The update of the newest checkpoint, 0 for none."""
    return max(checkpoints(run).steps(), default=0)


def unfinished(run: Run, since: int) -> bool:
    """Say whether a checkpoint begun after that moment (ns) is not done; one that a kill left is older."""
    with contextlib.suppress(FileNotFoundError):  # done while we look
        return any(path.stat().st_mtime_ns > since for path in run.checkpoints.glob(".step-*.tmp"))
    return False


def seconds(run: Run) -> float:
    """How long the loop of a run took, by its own clock."""
    state = checkpoints(run).load(newest(run))[1]
    return float(state["at"]["seconds"])


def differences(place: Place, run: Run, updates: int) -> list[str]:
    return [line for part in compare_runs(place.whole(updates), run) for line in part.differences]
