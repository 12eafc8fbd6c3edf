"""nmt predict: label lines with a classifier or tagger."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from nmt.cli.arguments import Device, File, Model, Threads, one_input, say_empty, use_threads


def predict(
    model: Model,
    file: File = None,
    source: Annotated[
        Path | None, typer.Option("--input", metavar="FILE", help="text file to label, plain or .gz")
    ] = None,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Label standard input or a file, line by line.

    Writes one line for each line read, in order, as soon as it is ready: a classifier's label, or a tagger's
    label of each word between spaces. A blank line stays blank. Computed in float64, so that a line does not
    depend on the others.
    """
    from nmt.builders.labeller import load_labeller
    from nmt.data.lines import read_lines, read_standard_input
    from nmt.jobs.blocks import ready_blocks

    source = one_input(file, source)
    use_threads(threads)
    labeller = load_labeller(model, device=device)
    lines = read_standard_input() if source is None else read_lines(source)
    read = 0
    for block, problem in ready_blocks(lines):
        sys.stdout.buffer.write("".join(f"{labels}\n" for labels in labeller.label(block)).encode())
        sys.stdout.buffer.flush()
        read += len(block)
        if problem is not None:
            raise problem
    if not read:
        say_empty(source)
