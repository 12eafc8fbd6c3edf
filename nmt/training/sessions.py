"""The five calls of a tracker, and the thread that makes them while the training continues."""

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nmt.evaluation.alignment import Detail, paint
from nmt.results import Figure

Better: TypeAlias = Callable[[Mapping[str, float], Mapping[str, float]], bool]
Sample: TypeAlias = tuple[str, str, str]  # source, reference, translation


class TrackedRun(Protocol):
    """A run in a tracker; any exception of any call becomes one warning line, and the run is left."""

    name: str  # of the tracker

    def start(self) -> None:
        """Open the run, or continue that of the same folder."""

    def figures(self, step: int, figures: Mapping[str, Figure]) -> None:
        """Log the figures of an update; none is NaN or infinite."""

    def samples(self, step: int, rows: Sequence[Sample], details: Sequence[Detail]) -> None:
        """Log sample translations, with the attention of each if there are details."""

    def model(self, parts: Sequence[Path], figures: Mapping[str, float], better: Better) -> None:
        """Keep a trained model: files and folders of the run folder, and its validation scores.

        better: whether the first of two validations is better.
        """

    def finish(self, result: Mapping[str, object] | None) -> None:
        """Write what is left, with the result of the run if it has one, and close it."""


Message: TypeAlias = Callable[[TrackedRun], None]


class Session:
    """Passes messages to a run in a tracker, in order, while the training continues.

    After the first exception, which becomes a warning, later messages are dropped.
    """

    def __init__(self, run: TrackedRun, otherwise: str) -> None:
        """Start the run in a thread; otherwise: where the metrics go without the tracker."""
        self.alive = True
        self._run, self._otherwise = run, otherwise
        self._messages: SimpleQueue[Message | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name=run.name, daemon=True)
        self._thread.start()

    def tell(self, message: Message) -> None:
        """Queue a message for the run."""
        if self.alive:
            self._messages.put(message)

    def _work(self) -> None:
        step = "not recording"
        try:
            self._run.start()
            step = "stopped"
            while (message := self._messages.get()) is not None:
                message(self._run)
        except Exception as error:
            warn(self._run.name, f"{step}: {reason(error)}; metrics go to {self._otherwise} only")
        self.alive = False

    def end(self) -> None:
        """Let the thread end after the messages before this one."""
        self._messages.put(None)

    def wait(self, seconds: float) -> None:
        """Wait for the end of the thread, at most `seconds`."""
        self._thread.join(max(0.0, seconds))
        if self._thread.is_alive():
            self.alive = False
            line = f"not finished in time, not waiting longer; {self._otherwise} has all metrics"
            warn(self._run.name, line)


def close(sessions: Sequence[Session], seconds: float) -> None:
    """Process the remaining messages of all sessions, and wait at most `seconds` for all together."""
    for session in sessions:
        session.end()
    until = time.monotonic() + seconds
    for session in sessions:
        session.wait(until - time.monotonic())


class Picture(NamedTuple):
    """The attention of a sample: number of the sample from 1, its translation, grey (height, width)."""

    number: int
    caption: str
    pixels: NDArray[np.uint8]


def pictures(details: Sequence[Detail]) -> Iterator[Picture]:
    """Yield the attention of each sample that has words on both sides."""
    for number, part in enumerate(details, start=1):
        if part.src_words and part.trg_words:
            pixels = paint(part.weights, part.src_words, part.trg_words)
            yield Picture(number, " ".join(part.trg_words), pixels)


def finite(value: Figure) -> Figure:
    """Return the value, None for NaN and infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def reason(error: Exception) -> str:
    """Return the first line of an exception's message, or its name."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def warn(tracker: str, line: str) -> None:
    """Print a warning line on stderr."""
    print(f"warning: {tracker}: {line}", file=sys.stderr)
