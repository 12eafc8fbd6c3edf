"""nmt translate: lines in, lines out; from standard input or a file, to standard output or a file."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from nmt.cli.arguments import Beam, Device, Model, Precision, Threads, use_threads
from nmt.errors import UserError

if TYPE_CHECKING:
    from nmt.data.windows import Shard


class Errors(StrEnum):
    """What to do with bytes that are not UTF-8."""

    STRICT = "strict"
    REPLACE = "replace"


def translate(
    model: Model,
    source: Annotated[
        Path | None, typer.Option("--input", metavar="FILE", help="lines to translate, .gz too")
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="a new file for what comes out")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on where --output was interrupted")] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="i/n", help="part i of n of --input; the outputs in order are that of the whole"
        ),
    ] = None,
    beam: Beam = None,
    n_best: Annotated[int, typer.Option(min=1, help="translations a line, as NUMBER ||| TEXT ||| SCORE")] = 1,
    alignments: Annotated[
        bool, typer.Option("--alignments", help="add ||| and word links source-target, counted from 0")
    ] = False,
    errors: Annotated[
        Errors, typer.Option(help="bytes that are not UTF-8: refuse or replace by U+FFFD")
    ] = Errors.STRICT,
    device: Device = "auto",
    precision: Annotated[
        Precision, typer.Option(help="of the products; auto: int8 on a CPU with units for it, else float32")
    ] = Precision.AUTO,
    threads: Threads = None,
) -> None:
    """Translate standard input or a file, line by line.

    One line out for each line in, in order, as soon as it is ready.
    """
    from nmt.data.output import open_output
    from nmt.data.windows import Shard

    _refuse(source, output, resume=resume, shard=shard)
    part = Shard.parse(shard or "1/1")
    use_threads(threads)
    from nmt.build.translator import load_translator
    from nmt.decoding.translator import Translation
    from nmt.evaluation.alignment import pharaoh

    translator = load_translator(model, beam=beam, n_best=n_best, device=device, precision=precision.value)

    def lines(number: int, translation: Translation) -> Iterator[str]:
        links = f" ||| {pharaoh(translation.links())}" if alignments else ""
        if n_best == 1:
            yield translation.text + links
            return
        for rank, (text, score) in enumerate(translation.ranked):
            yield f"{number} ||| {text} ||| {score:.6f}{links if rank == 0 else ''}"

    begin, end = _extent(source, part)
    numbered_from = None if n_best == 1 else begin
    opened = open_output(output, resume=resume, numbered_from=numbered_from) if output else nullcontext()
    with opened as out:
        write, done = (out.write, begin + out.done) if out else (_print, begin)
        for window, problem in _windows(source, errors, done, end):
            found = enumerate(translator.translations(window, attention=alignments), done)
            write("".join(f"{line}\n" for number, each in found for line in lines(number, each)))
            done += len(window)
            if problem is not None:
                raise problem


def _refuse(source: Path | None, output: Path | None, *, resume: bool, shard: str | None) -> None:
    """Raise UserError for what cannot go well, before anything is loaded or written."""
    from nmt.data.output import already_there

    if source is None and (resume or shard):
        raise UserError(f"{'--resume' if resume else '--shard'} needs the lines as --input FILE")
    if source is None and sys.stdin is None:
        raise UserError("standard input is closed; give it the lines to translate, or --input FILE")
    if source is not None and (source.is_dir() or not os.access(source, os.R_OK)):
        raise UserError(f"--input {source}: expected a file of text, found {_found(source)}")
    if resume and output is None:
        raise UserError("--resume needs the file to go on with as --output FILE")
    if output is not None and output.exists():
        if source is not None and output.samefile(source):
            raise UserError(f"--input and --output are one file, {output}; give another --output")
        if not resume:
            raise already_there(output)


def _found(path: Path) -> str:
    if path.is_dir():
        return "a folder"
    return "one that may not be read" if path.exists() else "no such file"


def _extent(source: Path | None, shard: "Shard") -> tuple[int, int | None]:
    """Return the first line to translate, from 0, and the one behind the last; None is the end."""
    from nmt.data.lines import read_lines

    if source is None or shard.parts == 1:
        return 0, None
    lines = shard.lines(sum(1 for _ in read_lines(source, "replace")))
    return lines.start, lines.stop


def _windows(
    source: Path | None, errors: Errors, begin: int, end: int | None
) -> Iterator[tuple[list[str], UserError | None]]:
    """Yield the lines from begin to end; those of a terminal or a pipe as soon as they are there."""
    from nmt.data.lines import read_lines
    from nmt.data.windows import ready_windows, windows

    if source is not None:
        return windows(islice(read_lines(source, errors.value), begin, end))
    # A file of its own: at the end Python would wait for sys.stdin, which the reading thread may hold.
    stream = open(sys.stdin.fileno(), "rb", closefd=False)  # noqa: SIM115
    whole = stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    return (windows if whole else ready_windows)(_standard_input(stream, errors))


def _standard_input(stream: BinaryIO, errors: Errors) -> Iterator[str]:
    from nmt.data.lines import decode_lines

    name = "standard input"
    try:
        yield from decode_lines(stream, name, errors.value)
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror}); give it lines of text") from error


def _print(text: str) -> None:
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()
