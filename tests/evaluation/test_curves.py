"""Curves of runs."""

import json
import os
from pathlib import Path

import pytest

from nmt.errors import UserError
from nmt.evaluation.curves import plot_runs, read_curves

pytestmark = pytest.mark.slow


def write(folder: Path, lines: list[dict[str, object]]) -> Path:
    folder.mkdir()
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_each_figure_has_its_updates_and_what_is_not_finite_is_left_out(tmp_path: Path) -> None:
    run = write(
        tmp_path / "a",
        [
            {"step": 2, "train/loss": 3.5, "train/lr": 0.1},
            {"step": 4, "train/loss": None, "train/lr": 0.2},
            {"step": 4, "validation/bleu": 12.0},
        ],
    )
    assert read_curves(run / "metrics.jsonl") == {
        "train/loss": ([2], [3.5]),
        "train/lr": ([2, 4], [0.1, 0.2]),
        "validation/bleu": ([4], [12.0]),
    }


def test_several_runs_become_one_picture(tmp_path: Path) -> None:
    runs = [
        write(tmp_path / name, [{"step": 1, "train/loss": 3.0}, {"step": 2, "validation/loss": 2.0}])
        for name in "ab"
    ]
    plot_runs(runs, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    plot_runs(runs[:1], tmp_path / "curves.svg")
    assert "<svg" in (tmp_path / "curves.svg").read_text()


def test_what_is_no_run_or_no_picture_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing/metrics.jsonl: cannot be read"):
        plot_runs([tmp_path / "nothing"], tmp_path / "a.png")
    broken = write(tmp_path / "broken", [{"step": 1}, {"loss": 2}])
    with pytest.raises(UserError, match="line 2: expected a JSON object with a step"):
        plot_runs([broken], tmp_path / "a.png")
    whole = write(tmp_path / "whole", [{"step": 1, "train/loss": 1.0}])
    for output in ("no/such/folder.png", "a.wrong"):
        with pytest.raises(UserError, match="cannot be written"):
            plot_runs([whole], tmp_path / output)


def test_metrics_that_are_no_file_or_too_large_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write(tmp_path / "run", [{"step": 1, "train/loss": 1.0}])
    monkeypatch.setattr("nmt.evaluation.curves._LARGEST", 10)
    with pytest.raises(UserError, match=r"metrics\.jsonl: cannot be read \(larger than 10 bytes"):
        plot_runs([run], tmp_path / "a.png")
    (run / "metrics.jsonl").unlink()
    os.mkfifo(run / "metrics.jsonl")
    with pytest.raises(UserError, match=r"metrics\.jsonl: cannot be read \(not a regular file"):
        plot_runs([run], tmp_path / "a.png")


def test_a_figure_beyond_all_numbers_is_drawn_or_left_out(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.jsonl").write_text(
        '{"step": 1, "train/loss": 1e400}\n{"step": 9223372036854775807, "train/loss": NaN}\n'
        f'{{"step": 2, "train/loss": {"9" * 400}}}\n{{"step": -5, "train/lr": 0}}\n'
    )
    plot_runs([tmp_path / "run"], tmp_path / "a.png")
