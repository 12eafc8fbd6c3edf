"""A run in Weights & Biases: started, fed and closed by a thread of its own."""

import math
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, TypeAlias

from nmt.config.tracking import TrackingConfig
from nmt.files import read_regular, replace_text
from nmt.results import Figure

if TYPE_CHECKING:
    import wandb

Better: TypeAlias = Callable[[Mapping[str, float], Mapping[str, float]], bool]
Message: TypeAlias = Callable[["wandb.Run"], None]

START_SECONDS = 20.0
FINISH_SECONDS = 60.0
# Start online, stop the service if that failed, start offline, upload.
CLOSE_SECONDS = 3 * START_SECONDS + FINISH_SECONDS


class Session:
    """Passes messages to a wandb run in order, while the training continues.

    Any exception of wandb becomes one warning line on stderr, and later messages are dropped.
    """

    def __init__(self, start: Callable[[], "wandb.Run | None"], otherwise: str) -> None:
        """Start the run in a thread; otherwise: where the metrics go without wandb."""
        self.alive = True
        self._start, self._otherwise = start, otherwise
        self._messages: SimpleQueue[Message | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="wandb", daemon=True)
        self._thread.start()

    def tell(self, message: Message) -> None:
        """Queue a message for the run."""
        if self.alive:
            self._messages.put(message)

    def close(self, seconds: float) -> None:
        """Process the remaining messages, and wait at most `seconds`."""
        self._messages.put(None)
        self._thread.join(seconds)
        if self._thread.is_alive():
            self.alive = False
            warn(f"not finished after {seconds:.0f} s, not waiting longer; {self._otherwise} has all metrics")

    def _work(self) -> None:
        run = self._start()
        try:
            while run is not None and (message := self._messages.get()) is not None:
                message(run)
        except Exception as error:
            warn(f"stopped: {reason(error)}; metrics go to {self._otherwise} only")
        self.alive = False


def finite(value: Figure) -> Figure:
    """Return the value, None for NaN and infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


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
        warn(f"best so far unknown: {reason(error)}; this model is `latest` only")
        return False


def start_run(
    folder: Path,
    name: str,
    tracking: TrackingConfig,
    settings: Mapping[str, object],
    mode: str,
    otherwise: str,
) -> "wandb.Run | None":
    """Start a wandb run and return it; offline if online fails, None if offline fails too.

    otherwise: where the metrics go without wandb.
    """
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
            warn(f"not recording: {reason(error)}; metrics go to {otherwise} only")
            return None
        warn(f"not online: {reason(error)}; recording offline")
        _let_go()
        return start_run(folder, name, tracking, settings, "offline", otherwise)
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
            warn(f"its service did not stop: {reason(error)}")

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


def reason(error: Exception) -> str:
    """Return the first line of an exception's message, or its name."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def warn(line: str) -> None:
    """Print a warning line on stderr."""
    print(f"warning: wandb: {line}", file=sys.stderr)
