"""Where a run is logged: always metrics.jsonl, and Weights & Biases if configured."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nmt.config.experiment import Experiment
from nmt.config.tracking import TrackingConfig
from nmt.errors import UserError
from nmt.evaluation.alignment import Detail, paint
from nmt.files import MB, open_append, open_regular, replacing
from nmt.results import Figure, read_metrics
from nmt.training.wandb_session import (
    CLOSE_SECONDS,
    FINISH_SECONDS,
    Better,
    Message,
    Session,
    finite,
    log_model,
    reason,
    start_run,
    warn,
)

if TYPE_CHECKING:
    import wandb


class Tracker:
    """Logs every metric of a run to metrics.jsonl and, if configured, to wandb.

    wandb runs in a thread of its own. It never stops a run, and a run waits for it only at its end. Any
    exception of wandb becomes one warning line on stderr, and the run continues offline or with metrics.jsonl
    only.
    """

    def __init__(self, folder: Path, experiment: Experiment) -> None:
        """Open the metrics of the run in an existing folder; a half-written last line is removed."""
        self.path = folder / "metrics.jsonl"
        _repair(self.path)
        self._experiment = experiment
        mode, settings = experiment.tracking.wandb, experiment.model_dump(mode="json")
        self._wandb = (
            None
            if mode == "off"
            else Session(
                lambda: start_run(
                    folder, experiment.name, experiment.tracking, settings, mode, "metrics.jsonl"
                ),
                "metrics.jsonl",
            )
        )

    @property
    def shows_pictures(self) -> bool:
        """Return whether pictures are shown; metrics.jsonl holds none."""
        return self._wandb is not None and self._wandb.alive

    def truncate_after(self, step: int) -> None:
        """Remove the lines after `step`, which a resumed run writes again.

        wandb's history cannot be cut: it keeps both the old and the new metrics of an update.
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
        self._tell(lambda run: run.log({"update": step, **told}))

    def samples(
        self, step: int, rows: Sequence[tuple[str, str, str]], details: Sequence[Detail] = ()
    ) -> None:
        """Log (source, reference, translation) of samples to wandb, with the attention of each."""

        def table(run: "wandb.Run") -> None:
            import wandb

            shown = wandb.Table(["source", "reference", "translation"], [list(row) for row in rows])
            run.log({"update": step, "samples": shown})

        def maps(run: "wandb.Run") -> None:
            import wandb

            # One key per picture: wandb expects pictures of one key to have one size.
            pictures = {
                f"attention/{number}": wandb.Image(
                    paint(part.weights, part.src_words, part.trg_words), caption=" ".join(part.trg_words)
                )
                for number, part in enumerate(details, start=1)
                if part.src_words and part.trg_words
            }
            run.log({"update": step, **pictures})

        if rows:
            self._tell(table)
        if details:
            self._tell(maps)

    def model(self, parts: Sequence[Path], figures: Mapping[str, float], better: Better) -> None:
        """Upload the model to wandb: files and folders of the run folder, and its validation scores.

        It becomes a version of the artifact with the run's name. The version gets the alias `latest`, and
        `best` if no earlier version is better.
        """
        name, folder = self._experiment.name, self.path.parent

        def hand_over(run: "wandb.Run") -> None:
            try:
                log_model(run, name, folder, parts, figures, better)
            except Exception as error:  # the metrics may still arrive
                warn(f"model not uploaded: {reason(error)}; the same command tries again")

        if self._experiment.tracking.artifact:
            self._tell(hand_over)

    def finish(self, result: Mapping[str, object] | None = None, *, seconds: float = CLOSE_SECONDS) -> None:
        """Close the run, with its result if it has one; wait at most `seconds`."""

        def close(run: "wandb.Run") -> None:
            run.summary.update({"result": result} if result is not None else {})
            place = Path(run.dir).parent
            try:
                run.finish()
            except TimeoutError:
                warn(f"not all uploaded in {FINISH_SECONDS:.0f} s; for the rest: wandb sync {place}")

        if self._wandb is not None:
            self._wandb.tell(close)
            self._wandb.close(seconds)
            self._wandb = None

    def _tell(self, message: Message) -> None:
        if self._wandb is not None:
            self._wandb.tell(message)


class NoTracker(Tracker):
    """Logs nothing: for processes other than the main one."""

    def __init__(self) -> None:
        self._wandb = None

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
) -> None:
    """Log pictures and a table to wandb as a run of their own in the folder.

    Any exception of wandb becomes one warning line on stderr; the folder has the files anyway.
    """
    run = start_run(folder, name, tracking, settings, tracking.wandb, str(folder))
    if run is None:
        return
    try:
        import wandb

        shown = {key: wandb.Image(str(path)) for key, path in pictures.items()}
        rows = [list(row) for row in table.rows]
        run.log({"update": 0, **shown, "table": wandb.Table(list(table.columns), rows)})
        run.finish()
    except Exception as error:
        warn(f"stopped: {reason(error)}; pictures and table are in {folder}")


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
