"""A file that a long job writes block by block, and that the same job can go on with."""

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
    """Takes the text of one block after the other; the input's first `done` lines need none any more.

    The last blocks that the file holds are asked for again, at least one of them whole. What is there of
    them, a half-written line among it, must be what is written: that tells another file, or a job that goes
    on with another model, input or option. Nothing that the file holds is ever cut or changed.
    """

    def __init__(self, file: FileIO, path: Path, block: int, start: int) -> None:
        self.done = block * BLOCK
        self._file, self._path, self._at = file, path, start
        self._end = os.fstat(file.fileno()).st_size

    def write(self, text: str) -> None:
        """Write the next block; UserError where the file holds other lines, or cannot be written."""
        data = text.encode()
        held = os.pread(self._file.fileno(), min(len(data), self._end - self._at), self._at)
        if not data.startswith(held):
            raise UserError(
                f"{self._path}: what it ends in is not what this command writes there; resume with the "
                "model, input and options that it was begun with, or give another --output"
            )
        self._at += len(held)
        rest = data[len(held) :]
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise UserError(
                f"{self._path}: cannot be written ({error.strerror}); make room, then go on with --resume"
            ) from None

    def finish(self) -> None:
        """Say that no block is left; UserError where the file holds more than those of the input."""
        if self._at < self._end:
            raise UserError(f"{self._path}: holds more lines than the input asks for; give another --output")


def already_there(path: Path) -> UserError:
    """Return what is wrong with an output file that exists, where a new one is wanted."""
    if path.exists() and not path.is_file():
        return UserError(
            f"{path} is no regular file; redirect standard output to it, or give another --output"
        )
    return UserError(f"{path} exists; go on with it by --resume, or give another --output")


@contextmanager
def open_output(path: Path, *, resume: bool, numbered_from: int | None = None) -> Iterator[Output]:
    """Give a new file, or with `resume` one that may be there; until the end no other process can have it.

    numbered_from: lines have the form `NUMBER ||| …`, and this is the number of the first line of input.
    Raises UserError for a file that is there without `resume`, is in use, or has other numbers; and for a
    link, a FIFO or a device, which are not written through.
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
    """Return the block before the one that the last whole line is of, and where in the file it begins."""
    begun = [(0, 0)]  # the last two blocks that have a line: number, place of the first byte
    for place, start in enumerate(_whole_lines(file)):
        number = place
        if numbered_from is not None:
            number = _number(os.pread(file.fileno(), 40, start), path, place, numbered_from)
        if number // BLOCK != begun[-1][0]:
            begun = [*begun[-1:], (number // BLOCK, start)]
    return begun[0]


def _whole_lines(file: FileIO) -> Iterator[int]:
    """Yield where each line begins that ends in a newline."""
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
