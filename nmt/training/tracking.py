"""Where a run is logged: always metrics.jsonl, and the trackers of the configuration."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from nmt.config.experiment import Experiment
from nmt.config.tracking import TrackingConfig
from nmt.errors import UserError
from nmt.evaluation.alignment import Detail
from nmt.files import MB, open_append, open_regular, replacing
from nmt.results import Figure, read_metrics
from nmt.training.sessions import Better, Message, Sample, Session, TrackedRun, close, finite, reason, warn
from nmt.training.tensorboard_run import TensorBoardRun
from nmt.training.trackio_run import TrackioRun
from nmt.training.wandb_run import CLOSE_SECONDS, NAME, WandbRun, start_run


def tracked_runs(folder: Path, experiment: Experiment) -> list[TrackedRun]:
    """Return a run, not yet started, in each tracker that the configuration asks for."""
    tracking, settings = experiment.tracking, experiment.model_dump(mode="json")
    found: list[TrackedRun] = []
    if tracking.wandb != "off":
        found.append(WandbRun(folder, experiment.name, tracking, settings))
    if tracking.tensorboard:
        found.append(TensorBoardRun(folder / "tensorboard", settings))
    if tracking.trackio:
        found.append(TrackioRun(folder, experiment.name, tracking, settings))
    return found


class Tracker:
    """Logs every metric of a run to metrics.jsonl and to the trackers of the configuration.

    Each tracker has a thread of its own. It never stops a run, and a run waits for it only at its end. Any
    exception of a tracker becomes one warning line on stderr, and the run continues without it.
    """

    def __init__(self, folder: Path, experiment: Experiment) -> None:
        """Open the metrics of the run in an existing folder; a half-written last line is removed."""
        self.path = folder / "metrics.jsonl"
        _repair(self.path)
        self._sessions = [Session(run, self.path.name) for run in tracked_runs(folder, experiment)]

    @property
    def shows_pictures(self) -> bool:
        """Return whether pictures are shown; metrics.jsonl holds none."""
        return any(session.alive for session in self._sessions)

    def truncate_after(self, step: int) -> None:
        """Remove the lines after `step`, which a resumed run writes again.

        The histories of wandb and trackio cannot be cut: they keep both the old and the new metrics of an
        update. TensorBoard's is struck out at the first update that is logged again.
        """
        try:
            if all(at <= step for _, at, _ in read_metrics(self.path)):
                return
            with replacing(self.path) as temporary, temporary.open("wb") as file:
                file.writelines(line for line, at, _ in read_metrics(self.path) if at <= step)
        except FileNotFoundError:
            return
        except OSError as error:
            raise UserError(f"{self.path}: cannot read: {error.strerror}") from None

    def log(self, step: int, figures: Mapping[str, Figure]) -> None:
        """Append the metrics of one update; NaN and infinity become null."""
        told = {key: finite(value) for key, value in figures.items()}
        line = json.dumps({"step": step, **told}, ensure_ascii=False, allow_nan=False)
        rest = f"{line}\n".encode()
        try:
            with open_append(self.path) as file:
                while rest:
                    rest = rest[file.write(rest) :]
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot write: {error.strerror}; the same command continues from the last "
                "checkpoint"
            ) from None
        self._tell(lambda run: run.figures(step, told))

    def samples(self, step: int, rows: Sequence[Sample], details: Sequence[Detail] = ()) -> None:
        """Log (source, reference, translation) of samples to the trackers, with the attention of each."""
        if rows or details:
            self._tell(lambda run: run.samples(step, rows, details))

    def model(self, parts: Sequence[Path], figures: Mapping[str, float], better: Better) -> None:
        """Hand the trackers a trained model: files and folders of the run folder, its validation scores."""
        self._tell(lambda run: run.model(parts, figures, better))

    def finish(self, result: Mapping[str, object] | None = None, *, seconds: float = CLOSE_SECONDS) -> None:
        """Close the run, with its result if it has one; wait at most `seconds`."""
        self._tell(lambda run: run.finish(result))
        close(self._sessions, seconds)
        self._sessions = []

    def _tell(self, message: Message) -> None:
        for session in self._sessions:
            session.tell(message)


class NoTracker(Tracker):
    """Logs nothing: for processes other than the main one."""

    def __init__(self) -> None:
        self._sessions = []

    def truncate_after(self, step: int) -> None:
        pass

    def log(self, step: int, figures: Mapping[str, Figure]) -> None:
        pass

    def model(self, parts: Sequence[Path], figures: Mapping[str, float], better: Better) -> None:
        pass


class Table(NamedTuple):
    """Rows under named columns."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


def show(
    folder: Path,
    tracking: TrackingConfig,
    *,
    name: str,
    settings: Mapping[str, object],
    pictures: Mapping[str, Path],
    table: Table,
    kept: Path,
) -> None:
    """Log pictures and a table to wandb as a run of their own in the folder.

    kept: where all of it is anyway. Any exception of wandb becomes one warning line on stderr.
    """
    try:
        run = start_run(folder, name, tracking, settings)
    except Exception as error:
        warn(NAME, f"not recording: {reason(error)}; metrics go to {kept} only")
        return
    try:
        import wandb

        shown = {key: wandb.Image(str(path)) for key, path in pictures.items()}
        rows = [list(row) for row in table.rows]
        run.log({"update": 0, **shown, "table": wandb.Table(list(table.columns), rows)})
        run.finish()
    except Exception as error:
        warn(NAME, f"stopped: {reason(error)}; pictures and table are in {kept}")


def _repair(path: Path) -> None:
    """Remove a half-written last line of a killed run."""
    size = end = 0
    try:
        with open_regular(path, within=path.parent) as file:
            while block := file.read(MB):
                size, end = size + len(block), size + block.rfind(b"\n") + 1 if b"\n" in block else end
        if end < size:
            with open_append(path) as file:
                file.truncate(end)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{path}: cannot be read or repaired: {error.strerror}") from None
