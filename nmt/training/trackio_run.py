"""A run in trackio: a database on this machine, one for each project."""

import json
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.config.tracking import TrackingConfig
from nmt.evaluation.alignment import Detail
from nmt.files import read_regular, replace_text
from nmt.results import Figure
from nmt.training.sessions import Better, Sample, pictures

if TYPE_CHECKING:
    import trackio.run


class TrackioRun:
    """A run in trackio's local database, whatever its variables say of servers. It keeps no models."""

    name = "trackio"

    def __init__(
        self, folder: Path, name: str, tracking: TrackingConfig, settings: Mapping[str, object]
    ) -> None:
        """name: that of the run. settings: the configuration."""
        self._folder, self._called, self._tracking, self._settings = folder, name, tracking, settings
        self._started: trackio.run.Run | None = None
        self._step = 0

    def start(self) -> None:
        """Open the run, or continue that of the same folder."""
        try:
            from trackio.run import Run
            from trackio.sqlite_storage import SQLiteStorage
        except ImportError:
            raise ImportError("the package trackio is not installed (extra: trackio)") from None

        project = self._tracking.project
        SQLiteStorage.validate_project_name(project)
        # Not trackio.init: it finds a run by its name alone, so two folders of one name would be one run.
        self._started = Run(
            url=None,
            project=project,
            client=None,
            name=self._called,
            run_id=_run_id(self._folder),
            group=self._tracking.group,
            config=dict(self._settings),
        )
        print(f"trackio: to look at the run: trackio show --project {project}", file=sys.stderr)

    def figures(self, step: int, figures: Mapping[str, Figure]) -> None:
        """Log the figures of an update; text and null are left out."""
        self._step = max(step, self._step)
        self._run.log({key: value for key, value in figures.items() if isinstance(value, int | float)}, step)

    def samples(self, step: int, rows: Sequence[Sample], details: Sequence[Detail]) -> None:
        """Log sample translations as a table, and a picture of the attention of each."""
        from trackio import Image, Table

        shown: dict[str, object] = {}
        if rows:
            shown["samples"] = Table(["source", "reference", "translation"], [list(row) for row in rows])
        for number, caption, pixels in pictures(details):
            shown[f"attention/{number}"] = Image(pixels, caption)
        self._run.log(shown, step)

    def model(self, parts: Sequence[Path], figures: Mapping[str, float], better: Better) -> None:
        """Do nothing."""

    def finish(self, result: Mapping[str, object] | None) -> None:
        """Log the result as text, write what is left and close the run."""
        from trackio import Markdown

        if result is not None:
            text = json.dumps(result, indent=2, ensure_ascii=False)
            self._run.log({"result": Markdown(f"```json\n{text}\n```")}, self._step)
        self._run.finish()

    @property
    def _run(self) -> "trackio.run.Run":
        assert self._started is not None, "start comes first"
        return self._started


def _run_id(folder: Path) -> str:
    """Return the id of the run in trackio; a resumed run keeps it."""
    path = folder / "trackio_id"
    if not path.exists():
        replace_text(path, secrets.token_hex(16) + "\n")
    return read_regular(path, 1000, within=folder).decode("ascii").strip()
