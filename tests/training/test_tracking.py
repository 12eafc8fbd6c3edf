"""nmt.training.tracking: every figure is a line of metrics.jsonl."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from nmt.config import Experiment
from nmt.errors import UserError
from nmt.training.tracking import Tracker


def experiment(mode: str = "off", name: str = "demo", **tracking: Any) -> Experiment:
    section = {"wandb": mode, "tags": ("a", "b"), **tracking}
    return Experiment.model_validate(
        {"name": name, "data": {"builtin": {}, "src": "de", "trg": "en"}, "tracking": section}
    )


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


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


def test_figures_are_not_written_through_a_link_or_into_a_fifo(tmp_path: Path) -> None:
    letter, folder = tmp_path / "letter.txt", tmp_path / "run"
    letter.write_text("Dear friend")
    folder.mkdir()
    path = folder / "metrics.jsonl"
    path.symlink_to(letter)
    with pytest.raises(UserError, match="a link out of its folder"):
        Tracker(folder, experiment())
    path.unlink()
    tracker = Tracker(folder, experiment())
    path.symlink_to(letter)
    with pytest.raises(UserError, match="a link, which is not written through"):
        tracker.log(1, {"loss": 1.0})
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match="not a regular file"):
        tracker.log(1, {"loss": 1.0})
    with pytest.raises(UserError, match="not a regular file"):
        Tracker(folder, experiment())
    assert letter.read_text() == "Dear friend"
