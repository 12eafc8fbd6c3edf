"""A wandb server that is there, in place of its public API."""

from pathlib import Path

import pytest
import wandb
from wandb.errors import CommError


class Online:
    """A run of a wandb that is there; keeps what it is given."""

    entity, project, offline, url = "me", "p", False, "address"

    def __init__(self, folder: Path) -> None:
        self.dir, self.summary = str(folder / "wandb" / "files"), dict[str, object]()
        self.models: list[tuple[list[str], dict[str, str]]] = []
        self.asked: list[str] = []
        self.figures: list[dict[str, object]] = []

    def define_metric(self, *_: object, **__: object) -> None: ...

    def log(self, figures: dict[str, object]) -> None:
        self.figures.append(figures)

    def log_artifact(self, artifact: wandb.Artifact, aliases: list[str]) -> None:
        held = {name: Path(entry.local_path).read_text() for name, entry in artifact.manifest.entries.items()}
        self.models.append((sorted(aliases), held))

    def finish(self) -> None: ...


def answer(monkeypatch: pytest.MonkeyPatch, run: Online, best: object) -> None:
    """Let wandb tell of a best version with this metadata, or raise this error, or know of none."""

    class Server:
        def __init__(self, timeout: int) -> None:
            assert timeout > 0

        def artifact(self, path: str) -> wandb.Artifact:
            run.asked.append(path)
            if best is None:
                raise CommError("not found", ValueError("not found"))
            if isinstance(best, Exception):
                raise best
            return wandb.Artifact("demo", type="model", metadata={"validation": best})

    monkeypatch.setattr(wandb, "Api", Server)
