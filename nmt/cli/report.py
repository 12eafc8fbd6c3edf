"""nmt report: the table of results in the Markdown files."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def report(
    files: Annotated[list[Path] | None, typer.Argument(help="Markdown files with both markers")] = None,
    results: Annotated[Path, typer.Option(help="folder of the experiments")] = Path("experiments"),
    check: Annotated[
        bool, typer.Option("--check", help="write nothing; exit with code 1 if a table differs")
    ] = False,
) -> None:
    """Write the table of results into Markdown files, between their markers.

    By default from experiments/*/result.json into README.md and experiments/README.md.
    """
    from nmt.evaluation.report import load_results, table_is_current, update_tables

    found = load_results(results)
    paths = files or [Path("README.md"), Path("experiments/README.md")]
    if check:
        stale = [path for path in paths if not table_is_current(path, found)]
        for path in stale:
            print(f"{path}: differs from the results; run nmt report")
        raise typer.Exit(1 if stale else 0)
    for path, updated in zip(paths, update_tables(paths, found), strict=True):
        print(f"{path}: {'updated' if updated else 'already current'}")
    if not found:
        print(f"nmt: {results} holds no result.json: the table is empty", file=sys.stderr)
