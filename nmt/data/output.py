"""A file that a long job writes window by window, and that the same job can go on with."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from nmt.data.windows import WINDOW
from nmt.errors import UserError


class _Reached(NamedTuple):
    """The window of input that a file ends in, and where in the file its whole lines begin and end."""

    window: int
    start: int
    end: int


class Output:
    """Takes the text of one window after the other; the input's first `done` lines need none any more.

    The last window that the file holds, in part or as a whole, is asked for again. The whole lines that are
    there must come out the same, which tells when a job goes on with another model, input or option; a
    half-written line behind them is cut.
    """

    def __init__(self, file: FileIO, path: Path, reached: _Reached) -> None:
        self.done = reached.window * WINDOW
        self._file, self._path, self._end = file, path, reached.end
        with path.open("rb") as old:
            old.seek(reached.start)
            self._held = old.read(reached.end - reached.start)

    def write(self, text: str) -> None:
        """Write the next window; UserError where the file holds other lines, or cannot be written."""
        data = text.encode()
        if not data.startswith(self._held):
            raise UserError(
                f"{self._path}: its last lines are not what this command writes there; resume with the "
                "model, input and options that it was begun with, or give another --output"
            )
        rest, self._held = data[len(self._held) :], b""
        try:
            self._file.truncate(self._end)
            self._end += len(rest)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise UserError(
                f"{self._path}: cannot be written ({error.strerror}); make room, then go on with --resume"
            ) from None

    def finish(self) -> None:
        """Say that no window is left; UserError where the file holds lines of more windows."""
        if self._held:
            raise UserError(f"{self._path}: holds more lines than the input asks for; give another --output")


def already_there(path: Path) -> UserError:
    """Return what is wrong with an output file that exists, where a new one is wanted."""
    return UserError(f"{path} exists; go on with it by --resume, or give another --output")


@contextmanager
def open_output(path: Path, *, resume: bool, numbered_from: int | None = None) -> Iterator[Output]:
    """Give a new file, or with `resume` one that may be there; until the end no other process can have it.

    numbered_from: lines have the form `NUMBER ||| …`, and this is the number of the first line of input.
    Raises UserError for a file that is there without `resume`, is in use, or has other numbers.
    """
    try:
        file = FileIO(path, "a" if resume else "x")
    except FileExistsError:
        raise already_there(path) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); give another --output") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{path} is in use by another process; wait for it") from None
        output = Output(file, path, _reached(path, numbered_from))
        yield output
        output.finish()


def _reached(path: Path, numbered_from: int | None) -> _Reached:
    reached = _Reached(0, 0, 0)
    with path.open("rb") as file:
        for place, line in enumerate(file):
            if not line.endswith(b"\n"):
                break
            number = place if numbered_from is None else _number(line, path, place, numbered_from)
            window, start, end = reached
            if number // WINDOW != window:
                window, start = number // WINDOW, end
            reached = _Reached(window, start, end + len(line))
    return reached


def _number(line: bytes, path: Path, place: int, first: int) -> int:
    number, bars, _ = line.partition(b" ||| ")
    if not (bars and number.isdigit() and len(number) < 19 and int(number) >= first):
        raise UserError(
            f"{path}: line {place + 1}: expected 'NUMBER ||| TEXT ||| SCORE' with a number from {first}, as "
            "--n-best writes it, found another form; give another --output"
        )
    return int(number) - first
