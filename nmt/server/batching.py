"""One thread that translates: requests that come within milliseconds, or wait, go through a model together.

ONNX Runtime releases the interpreter's lock, so that the server answers meanwhile.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from nmt.decoding.translation import Ranked, Translation
from nmt.server.models import Model

PAUSE = 0.003  # seconds that an idle thread waits for more behind the first
MOST, TURN = 64, 16  # lines of a batch, and of one request in it while others wait


class QueueFull(Exception):
    """More lines would wait than may."""


class Work(NamedTuple):
    """What is asked for; lines of one kind of work can share a batch."""

    model: Model
    ranked: bool
    details: bool


@dataclass(eq=False)
class Job:
    """The lines of one request, and the future that gets their translations."""

    work: Work
    lines: list[str]
    future: "asyncio.Future[list[Translation]]"
    found: list[Translation] = field(default_factory=list)
    error: Exception | None = None

    @property
    def left(self) -> list[str]:
        """The lines that are not translated."""
        return self.lines[len(self.found) :]

    def translate(self, lines: list[str]) -> list[Translation]:
        """Return the translations of lines."""
        return self.work.model.translations(lines, ranked=self.work.ranked, details=self.work.details)

    def deliver(self) -> None:
        """Give the future its result; called in its event loop."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.found)
        else:
            self.future.set_exception(self.error)


class Batcher:
    """Translates on a thread of its own, a batch at a time; requests take turns, so that none waits for long.

    Must be made in the event loop that it serves. limit: the most lines that may wait. observe: told the
    number of lines of each batch.
    """

    def __init__(self, limit: int, observe: Callable[[int], None]) -> None:
        self._limit, self._observe = limit, observe
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="translation", daemon=True)
        self._thread.start()

    def waiting(self) -> int:
        """Return how many lines wait."""
        with self._changed:
            return self._waiting()

    def _waiting(self) -> int:
        return sum(len(job.lines) - len(job.found) for job in self._jobs)

    async def translate(self, work: Work, lines: list[str]) -> list[Translation]:
        """Return the translation of each line; if it is cancelled, lines that still wait are dropped.

        A request finds place in an empty queue, however many lines it has. Raises QueueFull.
        """
        filled = [line for line in lines if line.strip()]
        if not filled:
            return [_BLANK] * len(lines)
        job = Job(work, filled, self._loop.create_future())
        with self._changed:
            if self._jobs and self._waiting() + len(filled) > self._limit:
                raise QueueFull
            self._jobs.append(job)
            self._changed.notify()
        try:
            found = iter(await job.future)
        finally:
            with self._changed:
                if job in self._jobs:
                    self._jobs.remove(job)
        return [next(found) if line.strip() else _BLANK for line in lines]

    def stop(self) -> None:
        """Translate what waits, then end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._take():
            _translate(batch)
            self._observe(sum(len(lines) for _, lines in batch))
            done = [job for job, _ in batch if job.error or not job.left or job.future.done()]
            with self._changed:
                self._jobs += [job for job, _ in batch if job not in done]
            self._loop.call_soon_threadsafe(_deliver, done)

    def _take(self) -> list[tuple[Job, list[str]]]:
        """Wait for jobs; return lines of all that can share a batch with the first. At the end, none."""
        with self._changed:
            while not self._jobs:
                if self._stopping:
                    return []
                self._changed.wait()
                self._changed.wait_for(lambda: self._stopping or self._waiting() >= MOST, PAUSE)
            turn = MOST if len(self._jobs) == 1 else TURN
            batch, room = [], MOST
            for job in [job for job in self._jobs if job.work == self._jobs[0].work]:
                batch.append((job, job.left[: min(turn, room)]))
                self._jobs.remove(job)
                room -= len(batch[-1][1])
                if not room:
                    break
            return batch


_BLANK = Translation([Ranked("", 0.0)])


def _deliver(jobs: list[Job]) -> None:
    for job in jobs:
        job.deliver()


def _translate(batch: list[tuple[Job, list[str]]]) -> None:
    """Translate lines of several jobs together, or where that fails each by itself."""
    first, _ = batch[0]
    try:
        found = iter(first.translate([line for _, lines in batch for line in lines]))
        for job, lines in batch:
            job.found += [next(found) for _ in lines]
    except Exception as error:
        if len(batch) == 1:
            first.error = error
        else:
            for each in batch:
                _translate([each])
