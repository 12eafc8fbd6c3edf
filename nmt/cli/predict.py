"""nmt predict: lines in, the labels of a classifier or tagger out."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from nmt.cli.arguments import Device, Model, Threads, use_threads


def predict(
    model: Model,
    source: Annotated[
        Path | None, typer.Option("--input", metavar="FILE", help="lines to label, .gz too")
    ] = None,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Label standard input or a file, line by line.

    One line out for each line in, in order, as soon as it is ready: a classifier's label, or a tagger's
    labels of the words between spaces, one for one; blank for blank. Computed in float64, so that neighbours
    change nothing.
    """
    from nmt.build.labeller import load_labeller
    from nmt.data.lines import decode_lines, read_lines
    from nmt.data.windows import ready_windows
    from nmt.errors import UserError

    if source is None and sys.stdin is None:
        raise UserError("standard input is closed; give it the lines to label, or --input FILE")
    use_threads(threads)
    labeller = load_labeller(model, device=device)
    # A file of its own: at the end Python would wait for sys.stdin, which the reading thread may hold.
    if source is None:
        lines = decode_lines(open(sys.stdin.fileno(), "rb", closefd=False), "standard input")  # noqa: SIM115
    else:
        lines = read_lines(source)
    for window, problem in ready_windows(lines):
        sys.stdout.buffer.write("".join(f"{labels}\n" for labels in labeller.label(window)).encode())
        sys.stdout.buffer.flush()
        if problem is not None:
            raise problem
