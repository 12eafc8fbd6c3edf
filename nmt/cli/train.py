"""nmt train: train a model, or continue training."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmt.cli.arguments import Config, Overrides

if TYPE_CHECKING:
    from rich.console import Console

    from nmt.config import Experiment
    from nmt.run import Run
    from nmt.training.distributed import Processes

LAST_WORDS = 10.0  # seconds to wait for wandb after a signal
SAVED = 75  # exit code after a signal, once the run is saved: EX_TEMPFAIL, to be started again


def train(
    config: Config,
    overrides: Overrides = None,
    run: Annotated[Path | None, typer.Option(help="run folder; default: runs/NAME")] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="print parameters, memory and time without training")
    ] = False,
    processes: Annotated[
        int,
        typer.Option(
            min=1, max=1024, help="number of processes on this machine that train the model together"
        ),
    ] = 1,
) -> None:
    """Train a model, or continue training.

    The same command continues a stopped run. After SIGINT, SIGTERM, SIGHUP, SIGUSR1 or SIGUSR2 the run
    finishes the update, saves and exits with code 75.
    """
    from contextlib import ExitStack

    from rich.console import Console

    from nmt.config import load_experiment
    from nmt.errors import UserError
    from nmt.training.distributed import joined
    from nmt.training.launch import launch
    from nmt.workflows.train import dry_run as print_dry_run
    from nmt.workflows.train import run_folder

    if processes > 1:
        sets = [part for each in overrides or () for part in ("--set", each)]
        rest = [*sets, *(["--run", str(run)] if run else []), *(["--dry-run"] if dry_run else [])]
        raise typer.Exit(
            launch(processes, [sys.executable, "-P", "-m", "nmt", "train", *rest, "--", str(config)])
        )
    if dry_run and run is not None:
        raise UserError(f"--run {run}: has no effect with --dry-run; give only one of them")
    with joined() as group, ExitStack() as held:
        experiment = group.on_main(lambda: load_experiment(config, overrides or ()))
        console = Console(highlight=False, quiet=not group.is_main)
        if dry_run:
            group.on_main(lambda: print_dry_run(experiment, console))
            return
        place = run_folder(experiment, run)
        group.on_main(lambda: held.enter_context(place.locked()))
        _train(experiment, place, console, group)


def _train(experiment: "Experiment", place: "Run", console: "Console", group: "Processes") -> None:
    """Train in the run's folder to the end, or until a signal asks to stop."""
    from datetime import datetime

    from torch import nn

    from nmt.builders.kinds import kind_of
    from nmt.data.prepared import Prepared
    from nmt.results import write_result
    from nmt.training.preflight import preflight
    from nmt.training.progress import readable
    from nmt.training.signals import Signals
    from nmt.training.tracking import Tracker
    from nmt.training.trainer import Interrupted, Trainer
    from nmt.workflows.result import training_result
    from nmt.workflows.train import build_trainer

    def ready() -> tuple[Trainer[nn.Module], Prepared, Tracker]:
        trainer, prepared, tracker = build_trainer(experiment, place, console, group)
        if (expected := preflight(trainer)) is not None:
            trainer.progress.log(expected.line(datetime.now()))
        return trainer, prepared, tracker

    with Signals() as signals:
        built = signals.unless_stopped(ready)
    if built is None or signals.asked:
        console.print("stopped before the first update; the same command continues from there")
        raise typer.Exit(SAVED)
    trainer, prepared, tracker = built
    before = trainer.at.update
    try:
        reached = trainer.train()
    except Interrupted:
        # All processes wait here: torchrun ends the others when one has ended.
        group.on_main(lambda: tracker.finish(seconds=LAST_WORDS))
        trainer.progress.log(f"stopped at update {trainer.at.update}; the same command continues from there")
        raise typer.Exit(SAVED) from None

    def conclude() -> None:
        result = training_result(experiment, prepared, trainer)
        # A run that was already finished may have the scores of its test split there.
        if reached.update > before or not place.result.is_file():
            write_result(place.result, result)
        parts = [place.config, place.tokenizer, place.model, place.result]
        tracker.model(parts, reached.best, trainer.task.better)
        tracker.finish(result.model_dump(mode="json"))

    group.on_main(conclude)
    best = readable(reached.best)
    trainer.progress.log(
        f"done: {reached.update} updates in {reached.seconds / 60:.1f} min; "
        f"best at update {reached.best_update}: {best}"
    )
    trainer.progress.log(f"next: {kind_of(experiment).next(place.folder)}")
