"""nmt seeds: train one configuration with several seeds."""

from pathlib import Path
from typing import Annotated

import typer

from nmt.cli.arguments import Config, Overrides
from nmt.errors import UserError

Seeds = Annotated[str, typer.Option(metavar="N,…", help="the seeds")]
Runs = Annotated[Path, typer.Option(metavar="FOLDER", help="folder of the runs NAME-seed-N")]
Jobs = Annotated[int, typer.Option(min=1, max=1024, help="trainings at a time; the cores are divided")]


def seeds(
    config: Config,
    overrides: Overrides = None,
    seeds: Seeds = "1,2,3",
    runs: Runs = Path("runs"),
    jobs: Jobs = 1,
) -> None:
    """Train a configuration with several seeds, and print mean and standard deviation of the scores.

    The same command continues after a stop, and trains only what is missing. In wandb the runs of a folder
    are one group.
    """
    from nmt.workflows.seeds import summary, train_seeds

    chosen = _seeds(seeds)
    code, folders = train_seeds(config, overrides or (), chosen, runs=runs, jobs=jobs)
    if code:
        raise typer.Exit(code)
    for line in summary(folders):
        print(line)
    print(f"next: nmt compare {' '.join(map(str, folders))} --with RUN")


def _seeds(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in parts):
        raise UserError(f"--seeds {text}: expected whole numbers, such as 1,2,3")
    found = [int(part) for part in parts]
    if len(set(found)) < len(found):
        raise UserError(f"--seeds {text}: expected each seed once")
    return found
