"""nmt plot: the curves of runs."""

from pathlib import Path
from typing import Annotated

import typer

PICTURES = (".png", ".svg", ".pdf")


def plot(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="run folders", show_default=False)],
    output: Annotated[Path, typer.Option(help="new file: .png, .svg or .pdf")] = Path("curves.png"),
) -> None:
    """Draw loss, BLEU, gradient norm and learning rate of runs, from their metrics.jsonl."""
    from nmt.errors import UserError
    from nmt.evaluation.curves import plot_runs
    from nmt.files import check_new

    check_new(output, "--output")
    if output.suffix.lower() not in PICTURES:
        raise UserError(f"--output {output}: expected a name that ends in {', '.join(PICTURES)}")
    plot_runs(runs, output)
    print(output)
