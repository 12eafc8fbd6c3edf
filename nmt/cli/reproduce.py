"""nmt reproduce: run a result again and compare."""

from pathlib import Path
from typing import Annotated

import typer

from nmt.cli.arguments import Overrides

STOPPED = 75  # as of nmt train


def reproduce(
    result: Annotated[
        Path,
        typer.Argument(
            metavar="RESULT",
            help="a result.json, a run folder, or a name in experiments/",
            show_default=False,
        ),
    ],
    overrides: Overrides = None,
    here: Annotated[
        bool, typer.Option("--here", help="run the present source, not that of the recorded commit")
    ] = False,
    run: Annotated[
        Path | None,
        typer.Option(help="keep the new run here; the same command continues a stopped one"),
    ] = None,
) -> None:
    """Train and score again what a result.json records, and compare.

    Runs the source of the recorded commit from a git worktree in a temporary folder, with the recorded
    configuration, seed, precision and threads. The last line is the verdict: identical, within the seeds'
    spread, or different, with the first difference and its probable cause. Exit code 1 if different. --set
    says where data has moved to, such as data.dataset=FOLDER.
    """
    from nmt.workflows.reproduce import read_recorded
    from nmt.workflows.reproduce import reproduce as repeat

    recorded = read_recorded(result)
    done = repeat(recorded, overrides or (), here=here, run=run, log=lambda line: print(line, flush=True))
    if done is None:
        print("stopped; the same command " + ("continues" if run else "begins again"))
        raise typer.Exit(STOPPED)
    again, verdict = done
    for score in recorded.result.scores if again else ():
        found = again and again.score(score.metric, score.form)
        print(f"{score.label:<26} {score.score!r:>20} {found.score if found else None!r:>20}")
    print(verdict.line)
    if not verdict.same:
        raise typer.Exit(1)
