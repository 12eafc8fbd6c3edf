"""nmt plot: the curves of runs."""

from pathlib import Path
from typing import Annotated

import typer


def plot(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="run folders", show_default=False)],
    output: Annotated[Path, typer.Option(help="the picture: .png, .svg or .pdf")] = Path("curves.png"),
) -> None:
    """Draw the curves of runs into one picture.

    Loss, BLEU, gradient norm and learning rate from metrics.jsonl, without any account.
    """
    from nmt.evaluation.curves import plot_runs

    plot_runs(runs, output)
    print(output)
