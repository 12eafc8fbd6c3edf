"""nmt check-resume: prove that a killed run resumes bit for bit."""

from typing import Annotated

import typer

from nmt.cli.arguments import MOST, Config, Overrides


def check_resume(
    config: Config,
    overrides: Overrides = None,
    updates: Annotated[
        int,
        typer.Option("--updates", metavar="N", min=5, max=MOST, help="updates before the kill, and after it"),
    ] = 20,
) -> None:
    """Prove that a killed run resumes bit for bit.

    Trains 2N updates without a stop, and again with a SIGKILL in between, in temporary folders. Compares
    weights, optimiser, random state, position in the data and metrics. Exit code 1 if anything differs.
    """
    import tempfile
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    from nmt.config import load_experiment
    from nmt.workflows.check_resume import check_resume
    from nmt.workflows.prepare import prepare_data

    experiment = load_experiment(config, overrides or ())
    print(prepare_data(experiment, print).summary())
    with tempfile.TemporaryDirectory() as folder:
        parts = check_resume(experiment, updates, Path(folder), lambda line: print(line, flush=True))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for place in ("left", "right", "left", "left"):
        table.add_column(justify=place)
    for part in parts:
        verdict = f"{len(part.differences)} differ" if part.differences else "identical"
        table.add_row(part.name, f"{part.count:,}", part.kind, verdict)
    Console(highlight=False).print(table)
    differences = [line for part in parts for line in part.differences]
    if differences:
        print(f"the runs differ; first difference: {differences[0]}")
        raise typer.Exit(1)
    print(f"the killed run equals the uninterrupted run, bit for bit, after {2 * updates} updates")
