"""A file that a long job writes block by block and that the same job can continue."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from nmt.errors import UserError
from nmt.files import open_append
from nmt.jobs.blocks import BLOCK

_CHUNK = 1 << 20  # bytes of a file that are read at a time


class Output:
    """Writes the text of blocks in order; the first `done` lines of the input are already finished.

    The last blocks in the file, at least one complete, are computed again. The text in the file, including a
    half-written line, must equal what is written: this detects another file, or another model, input or
    option. Existing text is never cut or changed.
    """

    def __init__(self, file: FileIO, path: Path, block: int, start: int) -> None:
        self.done = block * BLOCK
        self._file, self._path, self._at = file, path, start
        self._end = os.fstat(file.fileno()).st_size

    def write(self, text: str) -> None:
        """Write the next block; raises UserError if the file holds other text or cannot be written."""
        data = text.encode()
        held = os.pread(self._file.fileno(), min(len(data), self._end - self._at), self._at)
        if not data.startswith(held):
            raise UserError(
                f"{self._path}: its end is not what this command writes there; resume with the same "
                "model, input and options, or give another --output"
            )
        self._at += len(held)
        rest = data[len(held) :]
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise UserError(
                f"{self._path}: cannot be written ({error.strerror}); free space, then use --resume"
            ) from None

    def finish(self) -> None:
        """Finish the file; raises UserError if it holds more lines than the input."""
        if self._at < self._end:
            raise UserError(f"{self._path}: holds more lines than the input; give another --output")


def already_there(path: Path) -> UserError:
    """Return the error for an output file that already exists."""
    if path.exists() and not path.is_file():
        return UserError(
            f"{path} is not a regular file; redirect standard output to it, or give another --output"
        )
    return UserError(f"{path} exists; continue it with --resume, or give another --output")


@contextmanager
def open_output(path: Path, *, resume: bool, numbered_from: int | None = None) -> Iterator[Output]:
    """Open and lock a new file, or with `resume` one that may exist.

    numbered_from: number of the first input line, if lines have the form `NUMBER ||| …`. Raises UserError if
    the file exists without `resume`, is in use or has other numbers, and for a link, FIFO or device.
    """
    try:
        file = open_append(path) if resume else FileIO(path, "x+")
    except FileExistsError:
        raise already_there(path) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", error)
        raise UserError(f"{path}: cannot be written ({reason}); give another --output") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{path} is in use by another process; wait for it") from None
        output = Output(file, path, *_reached(file, path, numbered_from))
        yield output
        output.finish()


def _reached(file: FileIO, path: Path, numbered_from: int | None) -> tuple[int, int]:
    """Return the block before that of the last complete line, and where in the file it begins."""
    begun = [(0, 0)]  # the last two blocks with a line: number and first byte
    for place, start in enumerate(_whole_lines(file)):
        number = place
        if numbered_from is not None:
            number = _number(os.pread(file.fileno(), 40, start), path, place, numbered_from)
        if number // BLOCK != begun[-1][0]:
            begun = [*begun[-1:], (number // BLOCK, start)]
    return begun[0]


def _whole_lines(file: FileIO) -> Iterator[int]:
    """Yield the start of each line that ends in a newline."""
    start = at = 0
    while chunk := os.pread(file.fileno(), _CHUNK, at):
        end = -1
        while (end := chunk.find(b"\n", end + 1)) >= 0:
            yield start
            start = at + end + 1
        at += len(chunk)


def _number(line: bytes, path: Path, place: int, first: int) -> int:
    number, bars, _ = line.partition(b" ||| ")
    if not (bars and number.isdigit() and len(number) < 19 and int(number) >= first):
        raise UserError(
            f"{path}: line {place + 1}: expected 'NUMBER ||| TEXT ||| SCORE' with a number from {first}, as "
            "--n-best writes it, found another form; give another --output"
        )
    return int(number) - first
