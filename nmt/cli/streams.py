"""Standard streams that can be relied on, and one line for what a person's machine refuses."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import Any

import typer

from nmt.errors import UserError

UsageError: Any = typer.BadParameter.__mro__[1]  # typer gives it no name of its own


class _Standard(FileIO):
    """A standard stream whose first error bears its name; what comes later, as at the end, is dropped.

    Standard error has none: what nobody can be told is no reason to fail.
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
    """Start the command again in Python's UTF-8 mode where names of files are not UTF-8."""
    if sys.getfilesystemencoding() != "utf-8" and sys.orig_argv[1:]:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def open_streams() -> None:
    """Make standard output and error write UTF-8; a closed one is there and refuses what is written.

    A file opened later would otherwise get the number of the closed one, and its text.
    """
    while (handle := os.open(os.devnull, os.O_RDONLY)) <= 2:
        pass
    os.close(handle)
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is not None and stream is not getattr(sys, f"__{name}__"):
            continue  # a program that calls this one has put its own there
        raw = _Standard(number, {1: "standard output", 2: "standard error"}[number])
        at_once = number == 2 or raw.isatty() or (stream is not None and stream.write_through)
        text = TextIOWrapper(BufferedWriter(raw), "utf-8", "backslashreplace", line_buffering=at_once)
        setattr(sys, name, text)


@contextmanager
def one_way_out() -> Iterator[None]:
    """Turn a UserError, and what the system refuses, into one line on standard error and exit code 2.

    A reader of standard output that has gone, as `head` does, is no error: exit code 1 without a word. What
    is wrong in the program keeps its traceback.
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
        _end(
            "the memory that this process may use is too small for this; take a larger machine, a smaller "
            "model or batch, or raise the limit (ulimit -v)"
        )


def _lacks_memory(error: Exception) -> bool:
    """Say whether Python, torch (of a tensor or a thread) or the system's loader found no memory."""
    signs = ("can't allocate memory", "start new thread", "failed to map segment", "Cannot allocate memory")
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in signs)


# What ends a line for some reader, steers a terminal or turns the direction of what follows.
_STEERING = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def _escaped(text: str) -> str:
    """Return a text, parts of which a stranger may have written, as one line for a terminal."""
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _end(*lines: str) -> None:
    with suppress(OSError):
        for line in lines:
            print(f"nmt: {_escaped(str(line))}", file=sys.stderr, flush=True)
    sys.exit(2)
