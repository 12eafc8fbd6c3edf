"""Who is told about a run: metrics.jsonl always, Weights & Biases where asked for."""

import json
import math
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from nmt.config.experiment import Experiment
from nmt.config.tracking import TrackingConfig
from nmt.errors import UserError
from nmt.evaluation.alignment import Attended, paint
from nmt.files import MB, open_append, open_regular, read_regular, replace_text, replacing
from nmt.results import Figure, read_metrics

if TYPE_CHECKING:
    import wandb

Better = Callable[[Mapping[str, float], Mapping[str, float]], bool]

START_SECONDS = 20.0
FINISH_SECONDS = 60.0


class Tracker:
    """Writes every figure of a run to metrics.jsonl and, where asked for, to wandb.

    wandb never stops a run: whatever it raises becomes one warning line on stderr, and the run goes on
    offline or with metrics.jsonl alone.
    """

    def __init__(self, folder: Path, experiment: Experiment) -> None:
        """Open the figures of the run in `folder`, which exists; a half-written last line is cut off."""
        self.path = folder / "metrics.jsonl"
        _mend(self.path)
        self._experiment = experiment
        mode, settings = experiment.tracking.wandb, experiment.model_dump(mode="json")
        self._wandb = (
            None
            if mode == "off"
            else _start(folder, experiment.name, experiment.tracking, settings, mode, "metrics.jsonl")
        )

    @property
    def shows_pictures(self) -> bool:
        """Say whether there is anybody to show a picture to: metrics.jsonl holds none."""
        return self._wandb is not None

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
        finite = {key: _finite(value) for key, value in figures.items()}
        line = json.dumps({"step": step, **finite}, ensure_ascii=False, allow_nan=False)
        rest = f"{line}\n".encode()
        try:
            with open_append(self.path) as file:
                while rest:
                    rest = rest[file.write(rest) :]
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot write: {error.strerror}; the last checkpoint is whole, resume from it"
            ) from None
        self._tell(lambda run: run.log({"update": step, **finite}))

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
                _log_model(run, name, folder, parts, figures, better)
            except Exception as error:  # the figures may still arrive
                _warn(f"model not handed over: {_reason(error)}; the same command tries again")

        if self._experiment.tracking.artifact:
            self._tell(hand_over)

    def finish(self, result: Mapping[str, object] | None = None) -> None:
        """Close the run, with its result where it has one; waits for an upload a minute at most."""

        def close(run: "wandb.Run") -> None:
            run.summary.update({"result": result} if result is not None else {})
            place = Path(run.dir).parent
            try:
                run.finish()
            except TimeoutError:
                _warn(f"not all uploaded in {FINISH_SECONDS:.0f} s; for the rest: wandb sync {place}")

        self._tell(close)
        self._wandb = None

    def _tell(self, message: Callable[["wandb.Run"], None]) -> None:
        if self._wandb is None:
            return
        try:
            message(self._wandb)
        except Exception as error:
            self._wandb = None
            _warn(f"stopped: {_reason(error)}; figures go to metrics.jsonl alone")


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
    settings: Mapping[str, Any],
    pictures: Mapping[str, Path],
    table: Table,
) -> None:
    """Show pictures and a table in wandb, as a run by themselves that is kept in the folder.

    What wandb raises becomes one warning line on stderr: the folder has them anyway.
    """
    run = _start(folder, name, tracking, settings, tracking.wandb, str(folder))
    if run is None:
        return
    try:
        import wandb

        shown = {key: wandb.Image(str(path)) for key, path in pictures.items()}
        rows = [list(row) for row in table.rows]
        run.log({"update": 0, **shown, "table": wandb.Table(list(table.columns), rows)})
        run.finish()
    except Exception as error:
        _warn(f"stopped: {_reason(error)}; pictures and table are in {folder}")


def _mend(path: Path) -> None:
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


def _finite(value: Figure) -> Figure:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _log_model(
    run: "wandb.Run",
    name: str,
    folder: Path,
    parts: Sequence[Path],
    figures: Mapping[str, float],
    better: Better,
) -> None:
    import wandb

    name = re.sub(r"[^A-Za-z0-9_.-]", "-", name)[:128]  # all that wandb's server takes
    finite = {key: _finite(value) for key, value in figures.items()}
    artifact = wandb.Artifact(name, type="model", metadata={"validation": finite})
    # Beside wandb's own files, for an upload that comes later, when the run may have gone on.
    kept = Path(run.dir).resolve().parent / "model"
    for part in parts:
        for file in sorted(part.rglob("*")) if part.is_dir() else [part]:
            if file.is_file() and not file.is_symlink():
                inside = file.relative_to(folder)
                _keep(file, kept / inside)
                artifact.add_file(
                    str(kept / inside), name=inside.as_posix(), policy="immutable", skip_cache=True
                )
    best = _is_best(run, f"{run.entity}/{run.project}/{name}:best", figures, better)
    run.log_artifact(artifact, aliases=["latest", "best"] if best else ["latest"])


def _keep(file: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Free of cost, and safe: a file of a run is replaced, never written into.
        os.link(file, place)
    except OSError:
        shutil.copyfile(file, place)


def _is_best(run: "wandb.Run", path: str, figures: Mapping[str, float], better: Better) -> bool:
    """Say whether the version of the artifact at this path, where there is one, is not better.

    Offline there is nobody to ask, and it is best; False where an answer should have come and did not.
    """
    if run.offline:
        return True
    try:
        import wandb

        known = wandb.Api(timeout=round(START_SECONDS)).artifact(path).metadata["validation"]
        return not better({key: math.nan if v is None else v for key, v in known.items()}, figures)
    except Exception as error:
        # So wandb says that there is none; its own artifact_exists takes a failing server for that too.
        if type(getattr(error, "exc", None)) is ValueError:
            return True
        _warn(f"best so far unknown: {_reason(error)}; this model is `latest` alone")
        return False


def _start(
    folder: Path, name: str, tracking: TrackingConfig, settings: Mapping[str, Any], mode: str, otherwise: str
) -> "wandb.Run | None":
    """Return the running wandb run; offline where online fails; None where offline fails too.

    otherwise: where the figures go without it.
    """
    try:
        import wandb

        wandb.setup(wandb.Settings(silent=True))
        # Without an account wandb would ask for one, without a network it would try on; a run waits for none.
        if mode == "online" and not wandb.login(prompt=False, verify=True):
            raise RuntimeError("no account on this machine (see `wandb login`)")
        run = wandb.init(
            dir=folder,
            id=_run_id(folder),
            resume="allow",
            mode="online" if mode == "online" else "offline",
            name=name,
            project=tracking.project,
            group=tracking.group,
            tags=tracking.tags,
            notes=tracking.notes,
            config=dict(settings),
            settings=wandb.Settings(
                console="off",
                init_timeout=START_SECONDS,
                x_service_wait=START_SECONDS,
                finish_timeout=FINISH_SECONDS,
                finish_timeout_raises=True,
                silent=True,
            ),
        )
        run.define_metric("update", hidden=True)
        run.define_metric("*", step_metric="update")
    except Exception as error:
        if mode != "online":
            _warn(f"not recording: {_reason(error)}; figures go to {otherwise} alone")
            return None
        _warn(f"not online: {_reason(error)}; recording offline")
        _let_go()
        return _start(folder, name, tracking, settings, "offline", otherwise)
    print(
        f"wandb: {run.url or f'to upload the run: wandb sync {folder}/wandb/offline-run-*'}", file=sys.stderr
    )
    return run


def _let_go() -> None:
    """Stop wandb's service, which otherwise goes on holding the id of the run that failed to start.

    It may never answer, so that it is not waited for any longer than a start; it ends with this process.
    """

    def stop() -> None:
        try:
            import wandb

            wandb.teardown()
        except Exception as error:
            _warn(f"its service did not stop: {_reason(error)}")

    stopping = Thread(target=stop, name="wandb teardown", daemon=True)
    stopping.start()
    stopping.join(START_SECONDS)


def _run_id(folder: Path) -> str:
    """Return the id under which wandb knows the run; a resumed run is the same run."""
    path = folder / "wandb_id"
    # The agent of a sweep looks for the run under the id that it gave.
    given = os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None
    if given or not path.exists():
        replace_text(path, (given or secrets.token_hex(4)) + "\n")
    return read_regular(path, 1000, within=folder).decode("ascii").strip()


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _warn(line: str) -> None:
    print(f"warning: wandb: {line}", file=sys.stderr)
