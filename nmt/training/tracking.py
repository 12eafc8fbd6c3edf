"""Who is told about a run: metrics.jsonl always, Weights & Biases where asked for."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nmt.config.experiment import Experiment
from nmt.config.tracking import TrackingConfig
from nmt.errors import UserError
from nmt.evaluation.alignment import Attended, paint
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
    """Writes every figure of a run to metrics.jsonl and, where asked for, to wandb.

    wandb never stops a run, nor does a run wait for it before its end: it starts and is told in a thread of
    its own. Whatever it raises becomes one warning line on stderr, and the run goes on offline or with
    metrics.jsonl alone.
    """

    def __init__(self, folder: Path, experiment: Experiment) -> None:
        """Open the figures of the run in `folder`, which exists; a half-written last line is cut off."""
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
        """Say whether there is anybody to show a picture to: metrics.jsonl holds none."""
        return self._wandb is not None and self._wandb.alive

    def truncate_after(self, step: int) -> None:
        """Cut off the lines past `step`: a resumed run writes them anew.

        wandb's history cannot be cut; there the newer figures stand beside the older ones of that update.
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
        """Append the figures of one update; they outlive this process. NaN and inf become null."""
        told = {key: finite(value) for key, value in figures.items()}
        line = json.dumps({"step": step, **told}, ensure_ascii=False, allow_nan=False)
        rest = f"{line}\n".encode()
        try:
            with open_append(self.path) as file:
                while rest:
                    rest = rest[file.write(rest) :]
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot write: {error.strerror}; the last checkpoint is whole, resume from it"
            ) from None
        self._tell(lambda run: run.log({"update": step, **told}))

    def samples(
        self, step: int, rows: Sequence[tuple[str, str, str]], attended: Sequence[Attended] = ()
    ) -> None:
        """Show (source, reference, translation) of samples in wandb, and where the model looked in each."""

        def table(run: "wandb.Run") -> None:
            import wandb

            shown = wandb.Table(["source", "reference", "translation"], [list(row) for row in rows])
            run.log({"update": step, "samples": shown})

        def maps(run: "wandb.Run") -> None:
            import wandb

            # A key each: wandb takes the pictures of one key for equally large.
            pictures = {
                f"attention/{number}": wandb.Image(
                    paint(part.weights, part.src_words, part.trg_words), caption=" ".join(part.trg_words)
                )
                for number, part in enumerate(attended, start=1)
                if part.src_words and part.trg_words
            }
            run.log({"update": step, **pictures})

        if rows:
            self._tell(table)
        if attended:
            self._tell(maps)

    def model(self, parts: Sequence[Path], figures: Mapping[str, float], better: Better) -> None:
        """Hand the model over to wandb: files and folders of the run folder, and its validation figures.

        It becomes a version of the artifact of the run's name: its `latest`, and its `best` unless the
        version that is so by now is better.
        """
        name, folder = self._experiment.name, self.path.parent

        def hand_over(run: "wandb.Run") -> None:
            try:
                log_model(run, name, folder, parts, figures, better)
            except Exception as error:  # the figures may still arrive
                warn(f"model not handed over: {reason(error)}; the same command tries again")

        if self._experiment.tracking.artifact:
            self._tell(hand_over)

    def finish(self, result: Mapping[str, object] | None = None, *, seconds: float = CLOSE_SECONDS) -> None:
        """Close the run, with its result where it has one; waits so long for it at most."""

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
    """Tells nobody: for the processes of a run that compute and do not write."""

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
    """Show pictures and a table in wandb, as a run by themselves that is kept in the folder.

    What wandb raises becomes one warning line on stderr: the folder has them anyway.
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
    """Cut off a last line that a killed run left half-written."""
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
        raise UserError(f"{path}: cannot read or mend: {error.strerror}") from None
