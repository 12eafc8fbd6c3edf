"""A run in Weights & Biases."""

import math
import os
import re
import secrets
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Final

from nmt.config.tracking import TrackingConfig
from nmt.evaluation.alignment import Detail
from nmt.files import read_regular, replace_text
from nmt.results import Figure
from nmt.training.sessions import Better, Sample, finite, pictures, reason, warn

if TYPE_CHECKING:
    import wandb

NAME: Final = "wandb"

START_SECONDS = 20.0
FINISH_SECONDS = 60.0
# Start online, stop the service if that failed, start offline, upload.
CLOSE_SECONDS = 3 * START_SECONDS + FINISH_SECONDS


class WandbRun:
    """A wandb run in the run folder, online or, where that fails, offline."""

    name = NAME

    def __init__(
        self, folder: Path, name: str, tracking: TrackingConfig, settings: Mapping[str, object]
    ) -> None:
        """name: that of the run. settings: the configuration."""
        self._folder, self._called, self._tracking, self._settings = folder, name, tracking, settings
        self._started: wandb.Run | None = None

    def start(self) -> None:
        """Start the run, or continue that of the same folder."""
        self._started = start_run(self._folder, self._called, self._tracking, self._settings)

    def figures(self, step: int, figures: Mapping[str, Figure]) -> None:
        """Log the figures of an update."""
        self._run.log({"update": step, **figures})

    def samples(self, step: int, rows: Sequence[Sample], details: Sequence[Detail]) -> None:
        """Log sample translations as a table, and the attention of each as a picture."""
        import wandb

        if rows:
            shown = wandb.Table(["source", "reference", "translation"], [list(row) for row in rows])
            self._run.log({"update": step, "samples": shown})
        if details:
            # One key per picture: wandb expects pictures of one key to have one size.
            painted = {
                f"attention/{number}": wandb.Image(pixels, caption=caption)
                for number, caption, pixels in pictures(details)
            }
            self._run.log({"update": step, **painted})

    def model(self, parts: Sequence[Path], figures: Mapping[str, float], better: Better) -> None:
        """Upload the model as a version of the artifact with the run's name, unless none is wanted.

        The version gets the alias `latest`, and `best` if no earlier version is better.
        """
        if not self._tracking.artifact:
            return
        try:
            log_model(self._run, self._called, self._folder, parts, figures, better)
        except Exception as error:  # the metrics may still arrive
            warn(NAME, f"model not uploaded: {reason(error)}; the same command tries again")

    def finish(self, result: Mapping[str, object] | None) -> None:
        """Upload what is left, with the result in the summary, and close the run."""
        self._run.summary.update({"result": result} if result is not None else {})
        place = Path(self._run.dir).parent
        try:
            self._run.finish()
        except TimeoutError:
            warn(NAME, f"not all uploaded in {FINISH_SECONDS:.0f} s; for the rest: wandb sync {place}")

    @property
    def _run(self) -> "wandb.Run":
        assert self._started is not None, "start comes first"
        return self._started


def log_model(
    run: "wandb.Run",
    name: str,
    folder: Path,
    parts: Sequence[Path],
    figures: Mapping[str, float],
    better: Better,
) -> None:
    """Upload files and folders of the run folder as a version of the artifact with this name."""
    import wandb

    name = re.sub(r"[^A-Za-z0-9_.-]", "-", name)[:128]  # the characters that wandb's server accepts
    validation = {key: finite(value) for key, value in figures.items()}
    artifact = wandb.Artifact(name, type="model", metadata={"validation": validation})
    # Copied beside wandb's own files, because the upload may come later than the next change of the run.
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
        # A hard link is free and safe: files of a run are replaced, never modified.
        os.link(file, place)
    except OSError:
        shutil.copyfile(file, place)


def _is_best(run: "wandb.Run", path: str, figures: Mapping[str, float], better: Better) -> bool:
    """Return whether no better version of the artifact exists at this path.

    Offline, earlier versions cannot be queried, so it is True; False if a query fails.
    """
    if run.offline:
        return True
    try:
        import wandb

        known = wandb.Api(timeout=round(START_SECONDS)).artifact(path).metadata["validation"]
        return not better({key: math.nan if v is None else v for key, v in known.items()}, figures)
    except Exception as error:
        # wandb reports a missing artifact so; its artifact_exists also returns False if the server fails.
        if type(getattr(error, "exc", None)) is ValueError:
            return True
        warn(NAME, f"best so far unknown: {reason(error)}; this model is `latest` only")
        return False


def start_run(
    folder: Path, name: str, tracking: TrackingConfig, settings: Mapping[str, object]
) -> "wandb.Run":
    """Start a wandb run and return it; offline if online fails."""
    mode = tracking.wandb
    try:
        import wandb

        wandb.setup(wandb.Settings(silent=True))
        # Without an account wandb would ask for one, and without a network it would keep trying.
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
            raise
        warn(NAME, f"not online: {reason(error)}; recording offline")
        _let_go()
        return start_run(folder, name, tracking.model_copy(update={"wandb": "offline"}), settings)
    print(
        f"wandb: {run.url or f'to upload the run: wandb sync {folder}/wandb/offline-run-*'}", file=sys.stderr
    )
    return run


def _let_go() -> None:
    """Stop wandb's service, which would keep holding the id of the run that failed to start.

    It may never answer, so waiting is limited; it ends with this process.
    """

    def stop() -> None:
        try:
            import wandb

            wandb.teardown()
        except Exception as error:
            warn(NAME, f"its service did not stop: {reason(error)}")

    stopping = Thread(target=stop, name="wandb teardown", daemon=True)
    stopping.start()
    stopping.join(START_SECONDS)


def _run_id(folder: Path) -> str:
    """Return the wandb id of the run; a resumed run keeps it."""
    path = folder / "wandb_id"
    # A sweep's agent expects the id that it chose.
    given = os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None
    if given or not path.exists():
        replace_text(path, (given or secrets.token_hex(4)) + "\n")
    return read_regular(path, 1000, within=folder).decode("ascii").strip()
