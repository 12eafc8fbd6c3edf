"""Folders of results, without a model that translates → what a page says of them."""

from collections.abc import Sequence
from pathlib import Path

from nmt.config.loading import dump_experiment, dump_tree
from nmt.config.model import ModelConfig
from nmt.errors import UserError
from nmt.evaluation.curves import read_curves
from nmt.files import MB, read_regular
from nmt.report.content import RecordedRuns, RunPart
from nmt.results import Result, read_result
from nmt.run import Run
from nmt.workflows.report import check_given_once, distinct_names, now, report_facts


def is_record(folder: Path) -> bool:
    """Say whether a folder has a result but no model that translates."""
    run = Run(folder)
    if not run.result.is_file():
        return False
    return not run.model.exists() or not isinstance(run.experiment().model, ModelConfig)


def recorded_runs(folders: Sequence[Path], *, command: str) -> RecordedRuns:
    """Return what the folders hold: results, curves and configuration; no model is run.

    command: what gives this page again. Raises UserError where a folder is given twice, holds a model that
    translates, or a file in it cannot be read.
    """
    check_given_once(folders)
    for folder in folders:
        if not is_record(folder):
            raise UserError(
                f"{folder}: a page on what {folders[0]} records has no model to translate with; "
                "report on runs that translate apart"
            )
    names = distinct_names([folder.resolve().name for folder in folders], folders)
    return RecordedRuns(
        runs=[_part(folder, name) for folder, name in zip(folders, names, strict=True)],
        command=command,
        here=report_facts("cpu"),
        date=now(),
    )


def _part(folder: Path, name: str) -> RunPart:
    run = Run(folder)
    recorded = {path.name: read_result(path) for path in sorted(folder.glob("result*.json"))}
    result = recorded[run.result.name]
    return RunPart(
        folder=str(folder),
        name=name,
        seed=result.seed,
        config=_configuration(run, result),
        curves=read_curves(run.metrics) if run.metrics.is_file() else {},
        scores=(),
        recorded=recorded,
    )


def _configuration(run: Run, result: Result) -> str:
    """Return the configuration as YAML: as it stands beside the result, else as the result has it, or ""."""
    if run.model.exists():
        return dump_experiment(run.experiment())
    if run.config.is_file():
        return read_regular(run.config, MB, within=run.folder).decode("utf-8", "replace")
    return "" if result.configuration is None else dump_tree(result.configuration)
