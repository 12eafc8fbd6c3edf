r"""Lines of UTF-8 text, plain or .gz, split at "\n" alone."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from nmt.errors import UserError

Errors = Literal["strict", "replace"]


def read_lines(path: Path, errors: Errors = "strict") -> Iterator[str]:
    r"""The lines of a text file without their ends; a name that ends in .gz is decompressed.

    A byte order mark at the start and one "\r" before "\n" (Windows) are no text; every other character is,
    U+0085, U+2028, form feed and "\r" inside a line among them.
    Raises UserError when the file cannot be read, is cut short, or is not UTF-8 (unless errors is "replace").
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            yield from decode_lines(file, str(path), errors)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: not a whole gzip file ({error}); fetch or compress it again") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give the path of a text file") from error


def decode_lines(lines: Iterable[bytes], name: str, errors: Errors = "strict") -> Iterator[str]:
    """The text of byte lines, as of a file opened in binary; name is what a UserError calls their source."""
    for number, line in enumerate(lines, 1):
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        try:
            yield line.decode("utf-8", errors)
        except UnicodeDecodeError as error:
            raise UserError(
                f"{name}: line {number}, byte {error.start + 1} of the line: expected UTF-8, "
                f"found 0x{line[error.start]:02x}; convert the file to UTF-8"
            ) from None
