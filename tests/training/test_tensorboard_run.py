"""nmt.training.tensorboard_run: event files, as TensorBoard's own reader reads them back."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nmt.config import Experiment
from nmt.evaluation.alignment import Detail
from nmt.training.tracking import Tracker

pytestmark = pytest.mark.slow

EXPERIMENT = Experiment.model_validate(
    {
        "name": "demo",
        "data": {"builtin": {}, "src": "de", "trg": "en"},
        "tracking": {"tensorboard": True},
    }
)


def logged(folder: Path) -> EventAccumulator:
    read = EventAccumulator(str(folder / "tensorboard"))
    read.Reload()
    return read


def text(read: EventAccumulator, key: str) -> str:
    (event,) = read.Tensors(f"{key}/text_summary")
    value: bytes = event.tensor_proto.string_val[0]
    return value.decode()


def test_a_run_is_read_back_as_it_was_logged(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path, EXPERIMENT)
    assert tracker.shows_pictures
    tracker.log(10, {"train/loss": 2.5, "bad": float("nan"), "note": "x", "tokens": 7})
    looked = Detail(["ein", "Hund"], ["a", "dog"], np.eye(2), True, True, [], [], [])
    tracker.samples(10, [("ein | Hund", "a dog", "a dog")], [looked])
    tracker.log(20, {"train/loss": 1.5})
    tracker.model([tmp_path], {"bleu": 1.0}, lambda a, b: True)
    tracker.finish({"bleu": 30.5})
    read = logged(tmp_path)
    assert read.Tags()["scalars"] == ["train/loss", "tokens"]
    assert [(event.step, event.value) for event in read.Scalars("train/loss")] == [(10, 2.5), (20, 1.5)]
    (picture,) = read.Images("attention/1")
    assert picture.step == 10
    assert picture.encoded_image_string.startswith(b"\x89PNG")
    assert "| ein \\| Hund | a dog | a dog |" in text(read, "samples")
    assert json.loads(text(read, "configuration"))["training"]["clip_norm"] == 1.0
    assert json.loads(text(read, "result")) == {"bleu": 30.5}


def test_a_resumed_run_continues_the_same_log_without_what_was_lost(tmp_path: Path) -> None:
    first = Tracker(tmp_path, EXPERIMENT)
    for step in (1, 2, 3, 4):
        first.log(step, {"loss": float(step)})
    first.finish()
    again = Tracker(tmp_path, EXPERIMENT)
    again.truncate_after(2)
    for step in (3, 4, 5):
        again.log(step, {"loss": 10.0 * step})
    again.finish()
    found = [(event.step, event.value) for event in logged(tmp_path).Scalars("loss")]
    assert found == [(1, 1.0), (2, 2.0), (3, 30.0), (4, 40.0), (5, 50.0)]


def test_a_folder_that_cannot_be_written_leaves_the_metrics(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tensorboard").write_text("taken")
    tracker = Tracker(tmp_path, EXPERIMENT)
    tracker.log(1, {"loss": 1.0})
    tracker.log(2, {"loss": 0.5})
    tracker.finish({})
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: tensorboard: stopped: ")
    assert line.endswith("; metrics go to metrics.jsonl only")
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2


def test_without_the_package_a_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    tracker = Tracker(tmp_path, EXPERIMENT)
    tracker.log(1, {"loss": 1.0})
    tracker.finish()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: tensorboard: not recording: the package tensorboard is not installed")
