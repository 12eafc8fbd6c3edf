"""nmt export: a run becomes a graph that needs no torch."""

from pathlib import Path
from typing import Annotated, Literal

import typer

To = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="new folder for the exported model; default: the run's own"),
]
Precision = Annotated[
    Literal["int8", "float32"],
    typer.Option(help="number format of matrix products; int8: a quarter of the size, and faster"),
]


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="run folder", show_default=False)],
    to: To = None,
    precision: Precision = "int8",
) -> None:
    """Export a run for ONNX Runtime, on which `nmt translate`, `nmt predict` and `nmt.runtime` need no torch.

    Translates, labels or scores the run's validation text with torch and with the graph, and writes nothing
    unless they agree.
    """
    from nmt.files import check_new
    from nmt.runtime.manifest import GRAPH
    from nmt.workflows.export import export_run

    if to is not None:
        check_new(to, "--to")
    folder = export_run(run, to, precision, print)
    size = (folder / GRAPH).stat().st_size / 1e6
    print(f"{folder / GRAPH}: {size:.1f} MB in {precision}")
