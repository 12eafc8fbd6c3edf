"""nmt export: a run becomes a graph that needs no torch, or a page that needs no server."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Runs = Annotated[
    list[Path],
    typer.Argument(
        metavar="RUN...",
        help="run folder; for the web also an exported model or one that ships, such as de-en, and one for "
        "each pair of languages",
        show_default=False,
    ),
]
To = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="new folder for what is exported; default: the run's own"),
]
Precision = Annotated[
    Literal["int8", "float32"] | None,
    typer.Option(
        help="number format of matrix products; int8, the default: a quarter of the size, and faster",
    ),
]
Format = Annotated[
    Literal["onnx", "web"],
    typer.Option(help="onnx: a graph for ONNX Runtime; web: a page that translates in the browser"),
]
Runtime = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="package onnxruntime-web for the page, where there is no network; default: npm's registry",
    ),
]


def export(
    run: Runs,
    to: To = None,
    format: Format = "onnx",
    precision: Precision = None,
    runtime: Runtime = None,
) -> None:
    """Export a run for ONNX Runtime, on which `nmt translate`, `nmt predict` and `nmt.runtime` need no torch.

    Translates, labels or scores the run's validation text with torch and with the graph, and writes nothing
    unless they agree. With --format web: a folder with a page, for any web server, that translates in the
    browser.
    """
    from nmt.errors import UserError
    from nmt.files import check_new

    if to is not None:
        check_new(to, "--to")
    if format == "web":
        from nmt.workflows.export_web import export_web

        if to is None:
            raise UserError("--format web: expected --to FOLDER, a new folder for the page, found none")
        size = export_web(run, to, precision, runtime, print)
        print(f"{to}: {size / 1e6:.1f} MB; to look at it: python -m http.server --directory {to}")
        return
    from nmt.runtime.manifest import GRAPH
    from nmt.workflows.export import export_run

    if len(run) > 1:
        raise UserError(f"expected one RUN, found {len(run)}; several are for --format web")
    if runtime is not None:
        raise UserError(f"--runtime {runtime}: no effect without --format web; leave it out")
    folder = export_run(run[0], to, precision or "int8", print)
    size = (folder / GRAPH).stat().st_size
    print(f"{folder / GRAPH}: {size / 1e6:.1f} MB in {precision or 'int8'}")
