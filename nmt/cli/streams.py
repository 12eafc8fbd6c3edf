"""Reliable standard streams, and one line on stderr for every error of a person or the system."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import Any

import typer

from nmt.errors import UserError

UsageError: Any = typer.BadParameter.__mro__[1]  # typer does not export it


class _Standard(FileIO):
    """A standard stream whose first error carries its name; later output is dropped.

    Errors of standard error are ignored.
    """

    def __init__(self, number: int, called: str) -> None:
        super().__init__(number, "w", closefd=False)
        self._called, self._failed = called, False

    def write(self, data: Any, /) -> int:
        if self._failed:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except OSError as error:
            self._failed, error.filename = True, self._called
            if self.fileno() == 2:
                return memoryview(data).nbytes
            raise


def use_utf8() -> None:
    """Restart the command in Python's UTF-8 mode if file names are not UTF-8."""
    if sys.getfilesystemencoding() != "utf-8" and sys.orig_argv[1:]:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def open_streams() -> None:
    """Make standard output and error write UTF-8; writing to a closed one is an error.

    Without this, a file opened later would get the closed stream's descriptor, and its text.
    """
    while (handle := os.open(os.devnull, os.O_RDONLY)) <= 2:
        pass
    os.close(handle)
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is not None and stream is not getattr(sys, f"__{name}__"):
            continue  # replaced by a calling program
        raw = _Standard(number, {1: "standard output", 2: "standard error"}[number])
        at_once = number == 2 or raw.isatty() or (stream is not None and stream.write_through)
        text = TextIOWrapper(BufferedWriter(raw), "utf-8", "backslashreplace", line_buffering=at_once)
        setattr(sys, name, text)


@contextmanager
def one_way_out() -> Iterator[None]:
    """Turn a UserError or an error of the system into one line on standard error and exit code 2.

    If the reader of standard output has gone, as with `head`, exit silently with code 1. Bugs keep their
    traceback.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except UserError as error:
        _end(*error.args)
    except UsageError as error:
        message = error.format_message()
        if message.startswith("Usage:"):  # the help that stands for a command without arguments
            print(message, file=sys.stderr)
            sys.exit(2)
        command = error.ctx.command_path if error.ctx else "nmt"
        message = message.replace("Value error, ", "")
        _end(f"{' '.join(message.split()).rstrip('.')}; see {command} --help")
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
        _end(reason if error.filename is None else f"{os.fsdecode(error.filename)}: {reason}")
    except UnicodeError as error:
        _end(f"text that is not UTF-8: {error}")
    except (MemoryError, RuntimeError, ImportError) as error:
        if not _lacks_memory(error):
            raise
        _end("out of memory; use a larger machine, a smaller model or batch, or raise the limit (ulimit -v)")


def _lacks_memory(error: Exception) -> bool:
    """Return whether Python, torch (a tensor or thread) or the system's loader ran out of memory."""
    signs = ("can't allocate memory", "start new thread", "failed to map segment", "Cannot allocate memory")
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in signs)


# Characters that end a line, control a terminal or change the writing direction.
_STEERING = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def _escaped(text: str) -> str:
    """Return a text, which may come from a stranger, as one safe line for a terminal."""
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _end(*lines: str) -> None:
    with suppress(OSError):
        for line in lines:
            print(f"nmt: {_escaped(str(line))}", file=sys.stderr, flush=True)
    sys.exit(2)
