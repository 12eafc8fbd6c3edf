"""Counters that all workers share, in Prometheus' text form (version 0.0.4).

Each worker adds to a row of its own in one memory-mapped file, so that any of them can report the sums, and a
worker that takes the place of another goes on with its row.
"""

import fcntl
import mmap
import tempfile
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

PATHS = ("/translate", "/detect", "/languages", "/frontend/settings", "/health", "/metrics", "other")
STATUSES = (200, 304, 400, 404, 405, 408, 413, 415, 429, 499, 500, 503)
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LINES = (1, 2, 4, 8, 16, 32, 64)

_REQUESTS = 0
_LATENCY = _REQUESTS + len(PATHS) * (len(STATUSES) + 1)
_BATCHES = _LATENCY + len(SECONDS) + 2
_CHARACTERS = _BATCHES + len(LINES) + 2
_WAITING = _CHARACTERS + 1
_WIDTH = _WAITING + 1


@contextmanager
def metrics_file(workers: int) -> Iterator[Path]:
    """Give a temporary file with a row for each worker."""
    with tempfile.NamedTemporaryFile(prefix="nmt-metrics-") as file:
        file.truncate(workers * _WIDTH * 8)
        yield Path(file.name)


class Metrics:
    """The row of this worker, and the sums of all."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("r+b")
        found = np.frombuffer(mmap.mmap(self._file.fileno(), 0), np.float64)
        self._rows = found.reshape(-1, _WIDTH)
        self._row = self._rows[self._claim()]

    def _claim(self) -> int:
        """Return the number of a row that no living process has."""
        for row in range(len(self._rows)):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, row)
            except OSError:
                continue
            return row
        raise RuntimeError("more workers than rows of metrics")

    def close(self) -> None:
        """Give the row back."""
        self._file.close()

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count a request and the time that it took."""
        at = PATHS.index(path) if path in PATHS else len(PATHS) - 1
        code = STATUSES.index(status) if status in STATUSES else len(STATUSES)
        self._row[_REQUESTS + at * (len(STATUSES) + 1) + code] += 1
        if path == "/translate" and status == 200:
            self._observe(_LATENCY, SECONDS, seconds)

    def batch(self, lines: int) -> None:
        """Count a batch of so many lines."""
        self._observe(_BATCHES, LINES, lines)

    def characters(self, count: int) -> None:
        """Count characters that are to be translated."""
        self._row[_CHARACTERS] += count

    def waiting(self, lines: int) -> None:
        """Note how many lines wait in this worker."""
        self._row[_WAITING] = lines

    def _observe(self, first: int, bounds: tuple[float, ...], value: float) -> None:
        self._row[first + bisect_left(bounds, value)] += 1
        self._row[first + len(bounds) + 1] += value

    def text(self) -> str:
        """Return the sums over all workers."""
        return "".join(f"{line}\n" for line in self._lines(self._rows.sum(axis=0)))

    def _lines(self, row: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Iterator[str]:
        yield from _head("nmt_requests_total", "counter", "Requests by path and status.")
        codes = [*map(str, STATUSES), "other"]
        for i, path in enumerate(PATHS):
            for j, code in enumerate(codes):
                if count := row[_REQUESTS + i * len(codes) + j]:
                    yield f'nmt_requests_total{{path="{path}",status="{code}"}} {count:.0f}'
        what = "Seconds from a translation's request to its answer, of those that were answered with 200."
        yield from _histogram("nmt_translate_seconds", what, SECONDS, row[_LATENCY:_BATCHES].tolist())
        what = "Lines that went through a model together; the sum is the number of lines translated."
        yield from _histogram("nmt_batch_lines", what, LINES, row[_BATCHES:_CHARACTERS].tolist())
        yield from _head("nmt_characters_total", "counter", "Characters of the texts to translate.")
        yield f"nmt_characters_total {row[_CHARACTERS]:.0f}"
        yield from _head("nmt_waiting_lines", "gauge", "Lines that wait to be translated.")
        yield f"nmt_waiting_lines {row[_WAITING]:.0f}"


def _head(name: str, kind: str, what: str) -> Iterator[str]:
    yield f"# HELP {name} {what}"
    yield f"# TYPE {name} {kind}"


def _histogram(name: str, what: str, bounds: tuple[float, ...], found: list[float]) -> Iterator[str]:
    yield from _head(name, "histogram", what)
    count = 0.0
    for bound, more in zip([*map(str, bounds), "+Inf"], found, strict=False):
        count += more
        yield f'{name}_bucket{{le="{bound}"}} {count:.0f}'
    yield f"{name}_sum {found[-1]:.6f}"
    yield f"{name}_count {count:.0f}"
