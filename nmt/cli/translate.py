"""nmt translate: lines in on standard input, lines out on standard output."""

import queue
import sys
import threading
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, BinaryIO

import typer

from nmt.cli.arguments import Beam, Device, Model, Threads, use_threads

WINDOW = 500


class Errors(StrEnum):
    """What to do with bytes that are not UTF-8."""

    STRICT = "strict"
    REPLACE = "replace"


def translate(
    model: Model,
    beam: Beam = None,
    n_best: Annotated[int, typer.Option(min=1, help="translations a line, as NUMBER ||| TEXT ||| SCORE")] = 1,
    alignments: Annotated[
        bool, typer.Option("--alignments", help="add ||| and word links source-target, counted from 0")
    ] = False,
    errors: Annotated[
        Errors, typer.Option(help="bytes that are not UTF-8: refuse or replace by U+FFFD")
    ] = Errors.STRICT,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Translate standard input, line by line.

    One line out for each line in, in order, as soon as it is ready.
    """
    from nmt.errors import UserError

    if sys.stdin is None:
        raise UserError("standard input is closed; give it the lines to translate")
    use_threads(threads)
    from nmt.build.translator import load_translator
    from nmt.decoding.translator import Translation
    from nmt.evaluation.alignment import pharaoh

    translator = load_translator(model, beam=beam, n_best=n_best, device=device)
    out = sys.stdout
    out.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]

    def lines(number: int, translation: Translation) -> Iterator[str]:
        links = f" ||| {pharaoh(translation.links())}" if alignments else ""
        if n_best == 1:
            yield translation.text + links
            return
        for rank, (text, score) in enumerate(translation.ranked):
            yield f"{number} ||| {text} ||| {score:.6f}{links if rank == 0 else ''}"

    done = 0
    # A file of its own: at the end Python would wait for sys.stdin, which the reading thread may hold.
    stream = open(sys.stdin.fileno(), "rb", closefd=False)  # noqa: SIM115
    for window, problem in _windows(stream, errors):
        for number, translation in enumerate(translator.translations(window, attention=alignments), done):
            for line in lines(number, translation):
                out.write(line + "\n")
        out.flush()
        done += len(window)
        if problem is not None:
            raise problem


def _windows(stream: BinaryIO, errors: Errors) -> Iterator[tuple[list[str], Exception | None]]:
    """Yield the lines that are there, at most WINDOW at once, and at last what went wrong after them.

    A thread reads ahead, so that a slow writer's lines are answered one by one and a fast one's together.
    """
    from nmt.data.lines import decode_lines
    from nmt.errors import UserError

    name = "standard input"
    ready: queue.Queue[str | UserError | None] = queue.Queue(maxsize=WINDOW)

    def read() -> None:
        try:
            for line in decode_lines(stream, name, errors.value):
                ready.put(line)
            ready.put(None)
        except UserError as problem:
            ready.put(problem)
        except OSError as error:
            ready.put(UserError(f"{name}: cannot be read ({error.strerror}); give it lines of text"))

    threading.Thread(target=read, daemon=True).start()
    while True:
        window: list[str] = []
        while len(window) < WINDOW:
            try:
                line = ready.get(block=not window)
            except queue.Empty:
                break
            if not isinstance(line, str):
                yield window, line
                return
            window.append(line)
        yield window, None
