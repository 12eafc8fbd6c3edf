r"""Lines of UTF-8 text, plain or .gz, split at "\n" alone."""

import gzip
import sys
import zlib
from collections.abc import Iterable, Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import Literal, TypeVar

from nmt.errors import UserError
from nmt.files import MB

Errors = Literal["strict", "replace"]
STANDARD_INPUT = "standard input"
LONGEST = 10 * MB  # bytes of a line
MOST_TEXT = 2000 * MB  # bytes of all lines of a file that must be in memory
Text = TypeVar("Text", bound=str | tuple[str, ...])


def read_lines(path: Path, errors: Errors = "strict") -> Iterator[str]:
    r"""Yield the lines of a text file without their ends; a file named .gz is decompressed.

    A byte order mark at the start and one "\r" before "\n" (Windows) are removed. Every other character is
    text, also U+0085, U+2028, form feed and "\r" inside a line.
    Raises UserError if the file cannot be read, is truncated, has a line of more than LONGEST bytes, or is
    not UTF-8 (unless errors is "replace").
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            yield from decode_lines(file, str(path), errors)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: not a whole gzip file ({error}); fetch or compress it again") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give the path of a text file") from error


def standard_input() -> int:
    """Return the handle of standard input; raises UserError if it is closed."""
    if sys.stdin is None:
        raise UserError(f"{STANDARD_INPUT} is closed; give it lines of text, or the path of a file")
    return sys.stdin.fileno()


def read_standard_input(errors: Errors = "strict") -> Iterator[str]:
    """Return the lines of standard input, as `read_lines` does; raises UserError at once if it is closed."""
    handle = standard_input()

    def lines() -> Iterator[str]:
        try:
            # A separate file object, because exit would wait for sys.stdin while a thread is reading it.
            with open(handle, "rb", closefd=False) as stream:
                yield from decode_lines(stream, STANDARD_INPUT, errors)
        except OSError as error:
            raise UserError(
                f"{STANDARD_INPUT}: cannot be read ({error.strerror or error}); give it lines of text"
            ) from error

    return lines()


def decode_lines(file: BufferedIOBase, name: str, errors: Errors = "strict") -> Iterator[str]:
    """Yield the decoded lines of a binary file; name: its name in a UserError."""
    # Limited, so that a file without line ends does not fill the memory.
    for number, line in enumerate(iter(lambda: file.readline(LONGEST + 2), b""), 1):
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        if len(line) > LONGEST:
            raise UserError(
                f"{name}: line {number}: expected lines of at most {LONGEST:,} bytes, found a longer one; "
                "give a text file with one sentence per line"
            )
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        try:
            yield line.decode("utf-8", errors)
        except UnicodeDecodeError as error:
            raise UserError(
                f"{name}: line {number}, byte {error.start + 1} of the line: expected UTF-8, "
                f"found 0x{line[error.start]:02x}; convert the file to UTF-8"
            ) from None


def one_line(text: str) -> str:
    """Return a text as one line: each line end becomes a space."""
    return text.replace("\r\n", " ").replace("\n", " ")


def in_memory(lines: Iterable[Text], name: str) -> list[Text]:
    """Return all lines or pairs of a source; raises UserError if they take more than MOST_TEXT bytes."""
    kept, size = list[Text](), 0
    for line in lines:
        size += 64 + (len(line) if isinstance(line, str) else sum(len(text) for text in line))
        if size > MOST_TEXT:
            raise UserError(
                f"{name}: more than is kept in memory ({MOST_TEXT:,} bytes, {len(kept):,} lines so far); "
                "give it in several files"
            )
        kept.append(line)
    return kept
