"""nmt predict: label lines with a classifier or tagger."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from nmt.cli.arguments import Device, File, Model, Threads, one_input, say_empty, use_threads
from nmt.errors import UserError


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
    depend on the others; a folder of nmt export computes as it was exported, without torch.
    """
    from nmt.data.lines import read_lines, read_standard_input
    from nmt.jobs.blocks import ready_blocks

    source = one_input(file, source)
    label = _label_by(model, device, threads)
    lines = read_standard_input() if source is None else read_lines(source)
    read = 0
    for block, problem in ready_blocks(lines):
        sys.stdout.buffer.write("".join(f"{labels}\n" for labels in label(block)).encode())
        sys.stdout.buffer.flush()
        read += len(block)
        if problem is not None:
            raise problem
    if not read:
        say_empty(source)


def _label_by(model: Path, device: str, threads: int | None) -> Callable[[Sequence[str]], list[str]]:
    """Return what labels lines: the graph of an exported model, or a run in torch."""
    if (model / "manifest.json").exists() and not (model / "config.yaml").exists():
        from nmt import runtime

        if device not in ("auto", "cpu"):
            raise UserError(f"--device {device}: {model} was exported for a CPU; leave the option out")
        return runtime.load_labeller(model, threads=threads or 1).label
    from nmt.builders.labeller import load_labeller

    use_threads(threads)
    return load_labeller(model, device=device).label
