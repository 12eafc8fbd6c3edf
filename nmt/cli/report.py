"""nmt report: the table of results in the Markdown files."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    files: Annotated[list[Path] | None, typer.Argument(help="Markdown files with the two markers")] = None,
    results: Annotated[Path, typer.Option(help="the folder of the experiments")] = Path("experiments"),
) -> None:
    """Write the table of results into Markdown.

    From experiments/*/result.json into README.md and experiments/README.md, between their markers.
    """
    from nmt.evaluation.report import load_results, update_table

    found = load_results(results)
    for path in files or [Path("README.md"), Path("experiments/README.md")]:
        print(f"{path}: {'updated' if update_table(path, found) else 'as it should be'}")
