"""nmt.training.wandb_run: what wandb is told, and that nothing of it stops a run."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import wandb
from wandb.errors import CommError

from nmt.config import Experiment
from nmt.evaluation.alignment import Detail
from nmt.training import wandb_run
from nmt.training.tracking import Tracker
from tests.support.online_wandb import Online, answer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def experiment(mode: str = "off", name: str = "demo", **tracking: Any) -> Experiment:
    section = {"wandb": mode, "tags": ("a", "b"), **tracking}
    return Experiment.model_validate(
        {"name": name, "data": {"builtin": {}, "src": "de", "trg": "en"}, "tracking": section}
    )


@pytest.fixture
def clean_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """wandb as on a machine that has never seen it."""
    for variable in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(variable)
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


@pytest.mark.usefixtures("clean_wandb")
def test_a_service_that_never_stops_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stuck, teardown = Event(), wandb.teardown
    monkeypatch.setattr(wandb_run, "START_SECONDS", 0.2)
    monkeypatch.setattr(wandb, "teardown", stuck.wait)
    monkeypatch.setattr(wandb, "init", refuse)
    monkeypatch.setattr(wandb, "login", lambda **_: True)
    began = time.monotonic()
    record(tmp_path, "online")
    assert time.monotonic() - began < 30
    assert "not online: no room; recording offline" in capsys.readouterr().err
    assert metrics(tmp_path) == [{"step": 10, "loss": 2.5, "lr": 1e-3}]
    stuck.set()
    monkeypatch.setattr(wandb, "teardown", teardown)


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
    assert last == "warning: wandb: not recording: no room; metrics go to metrics.jsonl only"
    assert metrics(tmp_path) == [{"step": 10, "loss": 2.5, "lr": 1e-3}]


@pytest.mark.usefixtures("clean_wandb")
def test_a_wandb_that_fails_midway_is_left_with_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tracker = Tracker(tmp_path, experiment("offline"))
    monkeypatch.setattr(wandb.Run, "log", refuse)
    for step in (1, 2):
        tracker.log(step, {"loss": 1.0})
    tracker.samples(2, [("a", "b", "c")])
    tracker.finish({})
    line = "warning: wandb: stopped: no room; metrics go to metrics.jsonl only"
    assert capsys.readouterr().err.splitlines()[1:] == [line]
    assert [line["step"] for line in metrics(tmp_path)] == [1, 2]


@pytest.mark.usefixtures("clean_wandb")
def test_an_upload_that_takes_too_long_is_left_to_wandb_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tracker = Tracker(tmp_path, experiment("offline"))
    finish = wandb.Run.finish

    def late(run: wandb.Run) -> None:
        finish(run)
        raise TimeoutError("Timed out finishing run.")

    monkeypatch.setattr(wandb.Run, "finish", late)
    tracker.finish({})
    (place,) = tmp_path.glob("wandb/offline-run-*")
    line = f"warning: wandb: not all uploaded in 60 s; for the rest: wandb sync {place}"
    assert capsys.readouterr().err.splitlines()[1:] == [line]


@pytest.mark.usefixtures("clean_wandb")
def test_where_the_model_looked_is_a_picture_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not Tracker(tmp_path, experiment()).shows_pictures
    tracker = Tracker(tmp_path, experiment("offline"))
    assert tracker.shows_pictures
    looked = [
        Detail(src, trg, weights, True, True, [], [], [])
        for src, trg, weights in (
            (["ein", "Hund"], ["a", "dog"], np.eye(2)),
            (["nein"], [], np.ones((0, 1))),
            (["ja"], ["oh", "yes"], np.ones((2, 1))),
        )
    ]
    for step in (10, 20):
        rows = [("ein Hund", "a dog", "a dog"), ("nein", "no", ""), ("ja", "yes", "oh yes")]
        tracker.samples(step, rows, looked)
    tracker.samples(30, [("ein Hund", "a dog", "")])
    tracker.finish()
    (records,) = recorded(tmp_path)
    history = [record["history"]["item"] for record in records if record["type"] == "history"]
    (place,) = tmp_path.glob("wandb/offline-run-*/files")
    for number, caption in ((1, "a dog"), (3, "oh yes")):
        key = f"attention/{number}"
        shown = [item for item in history if item.get(f"{key}._type") == "image-file"]
        assert [(item["update"], item[f"{key}.caption"]) for item in shown] == [(10, caption), (20, caption)]
        assert all((place / i[f"{key}.path"]).read_bytes().startswith(b"\x89PNG") for i in shown)
    assert not any(key.startswith("attention/2") for item in history for key in item)

    tracker = Tracker(tmp_path, experiment("offline"))
    monkeypatch.setattr(wandb.Run, "log", refuse)
    tracker.log(40, {"loss": 1.0})
    tracker.finish()
    assert not tracker.shows_pictures


def higher(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    return a["bleu"] > b["bleu"]


def hand_over(folder: Path, config: Experiment, bleu: float = 30.0) -> None:
    """Record a run whose model folder holds three files, one of which is another afterwards."""
    (folder / "tokenizer").mkdir()
    for name, text in MODEL.items():
        (folder / name).write_text(text)
    tracker = Tracker(folder, config)
    paths = [folder / "config.yaml", folder / "tokenizer", folder / "model.safetensors"]
    tracker.model(paths, {"bleu": bleu, "ppl": float("inf")}, higher)
    tracker.finish({"bleu": bleu})
    (folder / "new").write_text("other")
    (folder / "new").replace(folder / "model.safetensors")


MODEL = {"config.yaml": "a", "model.safetensors": "weights", "tokenizer/shared.json": "c"}


@pytest.mark.usefixtures("clean_wandb")
def test_the_model_folder_is_an_artifact_that_can_be_synced_later(tmp_path: Path) -> None:
    hand_over(tmp_path, experiment("offline", name="größe-1.2_x"))
    (records,) = recorded(tmp_path)
    (artifact,) = [record["artifact"] for record in records if record["type"] == "artifact"]
    assert (artifact["name"], artifact["type"]) == ("gr--e-1.2_x", "model")
    assert sorted(artifact["aliases"]) == ["best", "latest"]
    assert json.loads(artifact["metadata"]) == {"validation": {"bleu": 30.0, "ppl": None}}
    held = {entry["path"]: Path(entry["local_path"]) for entry in artifact["manifest"]["contents"]}
    assert {name: path.read_text() for name, path in held.items()} == MODEL
    (place,) = tmp_path.glob("wandb/offline-run-*")
    assert all(path.is_relative_to(place) for path in held.values())


@pytest.fixture
def online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_wandb: None) -> Online:
    run = Online(tmp_path)
    monkeypatch.setattr(wandb, "login", lambda **_: True)
    monkeypatch.setattr(wandb, "init", lambda **_: run)
    answer(monkeypatch, run, None)
    return run


def test_nobody_waits_for_a_start_and_what_was_told_before_comes_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, online: Online
) -> None:
    ready = Event()
    monkeypatch.setattr(wandb, "init", lambda **_: ready.wait() and online)
    tracker = Tracker(tmp_path, experiment("online"))
    for step in (1, 2, 3):
        tracker.log(step, {"loss": 1.0 / step})
    assert [line["step"] for line in metrics(tmp_path)] == [1, 2, 3]
    assert online.figures == []
    ready.set()
    tracker.finish({"bleu": 30.0})
    assert [figures["update"] for figures in online.figures] == [1, 2, 3]
    assert online.summary == {"result": {"bleu": 30.0}}


def test_a_start_that_never_ends_is_given_up_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], online: Online
) -> None:
    ready = Event()
    monkeypatch.setattr(wandb, "init", lambda **_: ready.wait() and online)
    tracker = Tracker(tmp_path, experiment("online"))
    tracker.log(1, {"loss": 1.0})
    tracker.finish(seconds=0.1)
    line = "warning: wandb: not finished in time, not waiting longer; metrics.jsonl has all metrics"
    assert capsys.readouterr().err.splitlines() == [line]
    assert metrics(tmp_path) == [{"step": 1, "loss": 1.0}]
    ready.set()


@pytest.mark.parametrize(
    ("before", "expected", "reason"),
    [
        (None, ["best", "latest"], None),
        ({"bleu": 29.0}, ["best", "latest"], None),
        ({"bleu": 30.0}, ["best", "latest"], None),
        ({"bleu": 31.0}, ["latest"], None),
        ({"bleu": None}, ["best", "latest"], None),
        ({}, ["latest"], "'bleu'"),
        (CommError("HTTP 500", RuntimeError("HTTP 500")), ["latest"], "HTTP 500"),
    ],
)
def test_online_only_a_model_that_is_not_worse_becomes_the_best(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    online: Online,
    before: object,
    expected: list[str],
    reason: str | None,
) -> None:
    answer(monkeypatch, online, before)
    hand_over(tmp_path, experiment("online"))
    assert online.asked == ["me/p/demo:best"]
    assert online.models == [(expected, MODEL)]
    warned = [f"warning: wandb: best so far unknown: {reason}; this model is `latest` only"]
    # The thread of a test before may say its address late.
    assert set(capsys.readouterr().err.splitlines()) == {"wandb: address", *(warned if reason else [])}


def test_no_artifact_is_made_where_none_is_wanted(tmp_path: Path, online: Online) -> None:
    hand_over(tmp_path, experiment("online", artifact=False))
    assert (online.asked, online.models) == ([], [])


def test_a_model_that_cannot_be_handed_over_leaves_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], online: Online
) -> None:
    monkeypatch.setattr(online, "log_artifact", refuse)
    hand_over(tmp_path, experiment("online"))
    line = "warning: wandb: model not uploaded: no room; the same command tries again"
    assert capsys.readouterr().err.splitlines() == ["wandb: address", line]
    assert online.summary == {"result": {"bleu": 30.0}}


def test_files_are_copied_where_they_cannot_be_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, online: Online
) -> None:
    monkeypatch.setattr(os, "link", refuse)
    hand_over(tmp_path, experiment("online"))
    assert online.models == [(["best", "latest"], MODEL)]
    assert (tmp_path / "wandb" / "model" / "model.safetensors").read_text() == "weights"


@pytest.mark.usefixtures("clean_wandb")
def test_in_a_sweep_the_agent_gives_the_id_and_the_folder_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wandb_id").write_text("0123abcd\n")
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep1")
    monkeypatch.setenv("WANDB_RUN_ID", "fromagent")
    record(tmp_path, "offline")
    (records,) = recorded(tmp_path)
    (run,) = [record["run"] for record in records if record["type"] == "run"]
    assert (run["run_id"], run["sweep_id"]) == ("fromagent", "sweep1")
    assert (tmp_path / "wandb_id").read_text() == "fromagent\n"


@pytest.mark.usefixtures("clean_wandb")
def test_outside_a_sweep_an_id_left_in_the_environment_is_no_other_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, online: Online
) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "leftover")
    (tmp_path / "wandb_id").write_text("0123abcd\n")
    given: dict[str, object] = {}
    monkeypatch.setattr(wandb, "init", lambda **settings: given.update(settings) or online)
    Tracker(tmp_path, experiment("online")).finish()
    assert (given["id"], given["resume"]) == ("0123abcd", "allow")
