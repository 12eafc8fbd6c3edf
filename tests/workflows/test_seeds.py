"""nmt seeds: a run for each seed, which goes on after a stop."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev

import pytest

from nmt.results import read_result

pytestmark = pytest.mark.slow
Command = Callable[..., tuple[object, str, str]]


@pytest.fixture
def config(tmp_path: Path, tiny_config: Callable[..., Path]) -> Path:
    return tiny_config(tmp_path, "training.max_updates=4", "training.validate_every=4")


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_seed_is_a_run_and_the_scores_are_summed_up(
    config: Path, tmp_path: Path, command: Command, jobs: int
) -> None:
    arguments = ("seeds", config, "--seeds", "1,2", "--runs", tmp_path / "runs", "--jobs", jobs)
    code, out, err = command(*arguments)
    assert (code, err) == (0, "")
    folders = sorted((tmp_path / "runs").iterdir())
    assert [folder.name.rpartition("-seed-")[2] for folder in folders] == ["1", "2"]
    results = [read_result(folder / "result.json") for folder in folders]
    assert [result.seed for result in results] == [1, 2]
    scores = [result.scores[0].score for result in results]
    *_, line, last = out.splitlines()
    assert line.startswith("validation BLEU")
    assert f"{mean(scores):.2f} ± {stdev(scores):.2f}" in line
    assert last == f"next: nmt compare {folders[0]} {folders[1]} --with RUN"
    written = [(folder / "metrics.jsonl").read_text() for folder in folders]
    assert command(*arguments)[0] == 0  # all are finished
    assert [(folder / "metrics.jsonl").read_text() for folder in folders] == written


def test_the_runs_of_a_folder_are_one_group_in_wandb(config: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "nmt", "seeds", config, "--seeds", "1,2", "--runs", tmp_path / "small"]
    home = {
        name: str(tmp_path / "home") for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR")
    }
    subprocess.run([*map(str, words), "--set", "tracking.wandb=offline"], env=os.environ | home, check=True)
    files = sorted((tmp_path / "small").glob("*/wandb/offline-run-*/*.wandb"))
    assert len(files) == 2
    for file in files:
        inspect = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
        lines = subprocess.run(inspect, capture_output=True, text=True, check=True).stdout.splitlines()
        (run,) = [each["run"] for each in map(json.loads, lines) if each["type"] == "run"]
        assert run["run_group"] == "tiny-small"


def test_a_signal_stops_the_run_and_no_other_begins(config: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    endless = ("--set", "training.max_updates=100000", "--set", "training.log_every=1")
    words = [sys.executable, "-m", "nmt", "seeds", config, "--seeds", "1,2", "--runs", runs, *endless]
    with subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True) as process:
        while not list(runs.glob("*/metrics.jsonl")):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=300)
    assert process.returncode == 75
    assert "the same command continues" in out
    assert len(list(runs.iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--seeds", "1,x"), "expected whole numbers"),
        (("--seeds", "1,1"), "expected each seed once"),
        (("--set", "seed=3"), "gives each run its own"),
    ],
)
def test_mistakes_are_one_line(
    config: Path, command: Command, arguments: tuple[str, ...], message: str
) -> None:
    code, _, err = command("seeds", config, *arguments)
    assert code == 2
    (line,) = err.splitlines()
    assert message in line
