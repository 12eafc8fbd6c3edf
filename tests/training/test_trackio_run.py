"""nmt.training.trackio_run: a local database, as trackio itself reads it back."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmt.config import Experiment
from nmt.evaluation.alignment import Detail
from nmt.training.tracking import Tracker

# trackio reads the variable once, when it is imported.
place = tempfile.TemporaryDirectory()
os.environ["TRACKIO_DIR"] = place.name
pytest.importorskip("trackio", reason="the package trackio is not installed")

from trackio.sqlite_storage import SQLiteStorage  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def removed() -> Iterator[None]:
    with place:
        yield


def experiment(project: str, name: str = "demo", **section: object) -> Experiment:
    return Experiment.model_validate(
        {
            "name": name,
            "data": {"builtin": {}, "src": "de", "trg": "en"},
            "tracking": {"trackio": True, "project": project, **section},
        }
    )


def run_id(folder: Path) -> str:
    return (folder / "trackio_id").read_text().strip()


def logged(project: str, folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = SQLiteStorage.get_logs(project, run_id=run_id(folder))
    return found


def test_a_run_is_read_back_as_it_was_logged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tracker = Tracker(tmp_path, experiment("whole", group="seeds"))
    assert tracker.shows_pictures
    tracker.log(10, {"train/loss": 2.5, "bad": float("nan"), "note": "x", "tokens": 7})
    looked = Detail(["ein", "Hund"], ["a", "dog"], np.eye(2), True, True, [], [], [])
    tracker.samples(10, [("ein Hund", "the dog", "a dog")], [looked])
    tracker.log(20, {"train/loss": 1.5})
    tracker.model([tmp_path], {"bleu": 1.0}, lambda a, b: True)
    tracker.finish({"bleu": 30.5})
    first, shown, second, last = logged("whole", tmp_path)
    assert {key: first[key] for key in first.keys() - {"timestamp"}} == {
        "step": 10,
        "train/loss": 2.5,
        "tokens": 7,
    }
    assert shown["step"] == 10
    assert shown["samples"]["_value"] == [
        {"source": "ein Hund", "reference": "the dog", "translation": "a dog"}
    ]
    picture = Path(place.name) / "media" / shown["attention/1"]["file_path"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert (second["step"], second["train/loss"]) == (20, 1.5)
    assert json.loads(last["result"]["_value"].strip("`json\n")) == {"bleu": 30.5}
    (record,) = SQLiteStorage.get_run_records("whole")
    assert (record["name"], record["id"]) == ("demo", run_id(tmp_path))
    config = SQLiteStorage.get_run_config("whole", run_id=run_id(tmp_path))
    assert config is not None
    assert config["training"]["clip_norm"] == 1.0
    assert config["_Group"] == "seeds"
    assert "trackio show --project whole" in capsys.readouterr().err


def test_a_resumed_run_is_continued_and_a_namesake_in_another_folder_is_another(tmp_path: Path) -> None:
    for folder, steps in (("one", (1, 2)), ("other", (1,)), ("one", (3,))):
        (tmp_path / folder).mkdir(exist_ok=True)
        tracker = Tracker(tmp_path / folder, experiment("again"))
        for step in steps:
            tracker.log(step, {"loss": float(step)})
        tracker.finish()
    assert [(each["step"], each["loss"]) for each in logged("again", tmp_path / "one")] == [
        (1, 1.0),
        (2, 2.0),
        (3, 3.0),
    ]
    assert [each["step"] for each in logged("again", tmp_path / "other")] == [1]
    assert SQLiteStorage.get_runs("again") == ["demo", "demo"]


def test_variables_of_servers_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_SPACE_ID", "someone/space")
    monkeypatch.setenv("TRACKIO_SERVER_URL", "http://127.0.0.1:1/")
    tracker = Tracker(tmp_path, experiment("here"))
    tracker.log(1, {"loss": 1.0})
    tracker.finish()
    assert [each["loss"] for each in logged("here", tmp_path)] == [1.0]


def test_a_project_that_trackio_refuses_leaves_the_metrics(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tracker = Tracker(tmp_path, experiment("registry-mine"))
    tracker.log(1, {"loss": 1.0})
    tracker.finish()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: trackio: not recording: Project name 'registry-mine' is not allowed")
    assert line.endswith("; metrics go to metrics.jsonl only")
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1


def test_a_database_that_cannot_be_written_leaves_the_metrics(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (Path(place.name) / "taken.db").write_text("no database")
    tracker = Tracker(tmp_path, experiment("taken"))
    tracker.log(1, {"loss": 1.0})
    tracker.log(2, {"loss": 0.5})
    tracker.finish({})
    assert "failed to flush metric logs" in capsys.readouterr().out
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2


def test_without_the_package_a_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "trackio.run", None)
    tracker = Tracker(tmp_path, experiment("none"))
    tracker.log(1, {"loss": 1.0})
    tracker.finish()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: trackio: not recording: the package trackio is not installed")
