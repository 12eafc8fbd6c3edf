import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb

from nmt.config import Experiment
from nmt.errors import UserError
from nmt.training.tracking import Tracker


def experiment(mode: str = "off") -> Experiment:
    return Experiment.model_validate(
        {"name": "demo", "data": {"builtin": {}}, "tracking": {"wandb": mode, "tags": ("a", "b")}}
    )


@pytest.fixture
def clean_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """wandb as on a machine that has never seen it."""
    for variable in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "WANDB_DIR"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "NETRC"):
        monkeypatch.setenv(variable, str(tmp_path / "home" / variable))
    wandb.teardown()
    yield
    wandb.teardown()


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def record(folder: Path, mode: str) -> None:
    tracker = Tracker(folder, experiment(mode))
    tracker.log(10, {"loss": 2.5, "lr": 1e-3})
    tracker.samples(10, [("ein Hund", "a dog", "a dog")])
    tracker.finish({"bleu": {"score": 30.5}})


def recorded(folder: Path) -> list[list[dict[str, Any]]]:
    """What each of wandb's own files in the run folder holds, as wandb reads it back."""
    runs = []
    for file in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        runs.append([json.loads(line) for line in output.splitlines()])
    return runs


def test_every_figure_is_a_line(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path, experiment())
    tracker.log(1, {"loss": 2.5, "tokens": 7, "text": "ä", "nothing": None})
    assert metrics(tmp_path) == [{"step": 1, "loss": 2.5, "tokens": 7, "text": "ä", "nothing": None}]
    tracker.log(2, {"loss": float("nan"), "norm": float("inf")})
    tracker.samples(2, [("a", "b", "c")])
    tracker.finish()
    assert metrics(tmp_path)[1] == {"step": 2, "loss": None, "norm": None}
    assert "wandb" not in {path.name for path in tmp_path.iterdir()}


def test_a_figure_survives_exactly(tmp_path: Path) -> None:
    Tracker(tmp_path, experiment()).log(1, {"loss": 0.1 + 0.2})
    assert metrics(tmp_path)[0]["loss"] == 0.1 + 0.2


def test_a_half_written_line_is_cut_off(tmp_path: Path) -> None:
    Tracker(tmp_path, experiment()).log(1, {"loss": 1.0})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "lo')
    Tracker(tmp_path, experiment()).log(3, {"loss": 0.5})
    assert [line["step"] for line in metrics(tmp_path)] == [1, 3]


def test_lines_past_the_checkpoint_are_cut_off(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path, experiment())
    tracker.truncate_after(0)
    for step in (1, 2, 2, 3, 4):
        tracker.log(step, {"loss": 1.0 / step})
    tracker.truncate_after(2)
    tracker.log(3, {"loss": 9.0})
    assert [line["step"] for line in metrics(tmp_path)] == [1, 2, 2, 3]
    assert metrics(tmp_path)[-1]["loss"] == 9.0


def test_a_line_that_is_no_figure_is_refused_by_number(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\nhello\n')
    with pytest.raises(UserError, match=r"metrics\.jsonl, line 2: expected a JSON object with a step"):
        Tracker(tmp_path, experiment()).truncate_after(1)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path, experiment())
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(UserError, match=r"metrics\.jsonl: cannot write: Is a directory"):
        tracker.log(1, {"loss": 1.0})


@pytest.mark.usefixtures("clean_wandb")
def test_offline_is_recorded_in_the_run_folder_and_resumed_as_the_same_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, "offline")
    (first,) = recorded(tmp_path)
    history = [record["history"]["item"] for record in first if record["type"] == "history"]
    assert history[0]["loss"] == 2.5
    assert history[0]["update"] == 10
    assert history[1]["samples.nrows"] == 1
    summary = [record["summary"]["update"] for record in first if record["type"] == "summary"]
    assert {"score": 30.5} in [part["result"]["bleu"] for part in summary if "result" in part]
    (run,) = [record["run"] for record in first if record["type"] == "run"]
    assert run["config"]["update"]["training"]["clip_norm"] == 1.0
    assert "wandb sync" in capsys.readouterr().err

    time.sleep(1.0)  # wandb names its folder by the second
    record(tmp_path, "offline")
    ids = {file.stem for file in tmp_path.glob("wandb/offline-run-*/*.wandb")}
    assert ids == {"run-" + (tmp_path / "wandb_id").read_text().strip()}
    assert len(recorded(tmp_path)) == 2


@pytest.mark.usefixtures("clean_wandb")
def test_online_without_an_account_goes_on_offline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, "online")
    assert "not online: no account on this machine" in capsys.readouterr().err
    assert len(recorded(tmp_path)) == 1


@pytest.mark.usefixtures("clean_wandb")
def test_online_without_a_network_goes_on_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_HTTP_TIMEOUT", "1")
    record(tmp_path, "online")
    error = capsys.readouterr().err
    assert [line for line in error.splitlines() if line.startswith("warning")] == [
        line for line in error.splitlines() if "recording offline" in line
    ]
    assert len(recorded(tmp_path)) == 1
    assert metrics(tmp_path) == [{"step": 10, "loss": 2.5, "lr": 1e-3}]


def refuse(*_args: object, **_settings: object) -> None:
    raise OSError("no room\nand a second line")


@pytest.mark.usefixtures("clean_wandb")
@pytest.mark.parametrize("mode", ["online", "offline"])
def test_a_wandb_that_cannot_start_leaves_the_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    monkeypatch.setattr(wandb, "init", refuse)
    monkeypatch.setattr(wandb, "login", lambda **_: True)
    record(tmp_path, mode)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "warning: wandb: not recording: no room; figures go to metrics.jsonl alone"
    assert metrics(tmp_path) == [{"step": 10, "loss": 2.5, "lr": 1e-3}]


@pytest.mark.usefixtures("clean_wandb")
def test_a_wandb_that_fails_midway_is_left_with_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tracker = Tracker(tmp_path, experiment("offline"))
    capsys.readouterr()
    monkeypatch.setattr(wandb.Run, "log", refuse)
    for step in (1, 2):
        tracker.log(step, {"loss": 1.0})
    tracker.samples(2, [("a", "b", "c")])
    tracker.finish({})
    assert capsys.readouterr().err == "warning: wandb: stopped: no room; figures go to metrics.jsonl alone\n"
    assert [line["step"] for line in metrics(tmp_path)] == [1, 2]
