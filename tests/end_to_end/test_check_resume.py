"""nmt check-resume, as a person types it; and that it would see what it is there to see."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nmt.config import load_experiment
from nmt.errors import UserError
from nmt.run import Run
from nmt.training.checkpoint import Checkpoints, read_tensors, write_tensors
from nmt.workflows.check_resume import check_resume, compare_runs

NMT = Path(sys.executable).with_name("nmt")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, tiny_config: Callable[..., Path]) -> Path:
    return tiny_config(
        tmp_path_factory.mktemp("config"),
        "model.tie_embeddings=three_way",
        "model.decoder.style=layer_parallel",
        "training.averaging={kind: ema, decay: 0.9}",
    )


def test_a_killed_run_is_proved_to_go_on_bit_for_bit(config: Path) -> None:
    command = [str(NMT), "check-resume", str(config), "--updates", "8"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "training 16 updates without a stop" in lines
    assert any("killed after update" in line and "continuing from update 8 to 16" in line for line in lines)
    compared = [line for line in lines if line.endswith("identical")]
    parts = (
        "weights",
        "optimiser",
        "averaged weights (EMA)",
        "random state",
        "best weights",
        "place in the data",
        "progress, schedule, best scores",
        "metrics.jsonl",
    )
    assert len(compared) == len(parts)
    for part in parts:
        assert any(line.split("  ")[0] == part for line in compared), part
    assert "bit for bit" in lines[-1]


def test_a_mistake_in_the_configuration_is_one_line(config: Path) -> None:
    command = [str(NMT), "check-resume", str(config), "--set", "training.sead=1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "training.sead: unknown key" in line


def test_a_run_that_fails_is_told_in_its_own_words(config: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        check_resume(load_experiment(config, ["training.device=gpu"]), 5, tmp_path, lambda line: None)
    (line,) = str(caught.value).splitlines()
    assert line.startswith("device 'gpu' is unknown")


Change = Callable[[Run], None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """What a run leaves, as small as it can be."""
    run = Run(tmp_path / "one")
    tensors = {
        "model": {"w": torch.tensor([0.0, 1.0, torch.nan]), "none": torch.zeros(0)},
        "optimizer": {"w/step": torch.tensor(3.0, dtype=torch.bfloat16)},
        "rng": {"cpu": torch.arange(5, dtype=torch.uint8)},
    }
    at = {"update": 3, "seconds": 1.5, "cpu_seconds": 2.5, "best": {"bleu": 0.1}}
    state = {"at": at, "batches": {"epoch": 0, "position": 3}, "schedule": {"waited": 0}}
    Checkpoints(run.checkpoints, keep=1, every=1).save(3, tensors, state)
    write_tensors(run.model, {"w": torch.ones(2)})
    lines = [{"step": 2, "train/loss": 0.1, "train/minutes": 0.5}, {"step": 3, "validation/bleu": None}]
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run


def another(run: Run, change: Change) -> Run:
    other = Run(run.folder.with_name("other"))
    shutil.copytree(run.folder, other.folder)
    change(other)
    return other


def differences(run: Run, change: Change) -> list[str]:
    return [line for part in compare_runs(run, another(run, change)) for line in part.differences]


def saved(group: str, name: str, tensor: torch.Tensor) -> Change:
    def change(run: Run) -> None:
        checkpoints = Checkpoints(run.checkpoints, keep=1, every=1)
        groups, state = checkpoints.load(3)
        groups = {key: {**tensors} for key, tensors in groups.items()}
        groups.setdefault(group, {})[name] = tensor
        checkpoints.save(3, groups, state)

    return change


def stated(key: str, value: object) -> Change:
    def change(run: Run) -> None:
        checkpoints = Checkpoints(run.checkpoints, keep=1, every=1)
        groups, state = checkpoints.load(3)
        section, name = key.split(".")
        state[section][name] = value
        checkpoints.save(3, groups, state)

    return change


def written(text: str, instead: str) -> Change:
    def change(run: Run) -> None:
        run.metrics.write_text(run.metrics.read_text().replace(text, instead))

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            saved("model", "w", torch.tensor([-0.0, 2.0, torch.nan])),
            "weights: w: 2 of 3 numbers, the first 0.0 and -0.0",
        ),
        (saved("model", "w", torch.ones(2)), "weights: w: float32 (3,) and float32 (2,)"),
        (saved("model", "v", torch.ones(2)), "weights: v: nothing and float32 (2,)"),
        (
            saved("optimizer", "w/step", torch.tensor(4.0, dtype=torch.bfloat16)),
            "optimiser: w/step: 1 of 1 numbers, the first 3.0 and 4.0",
        ),
        (saved("ema", "w", torch.ones(1)), "averaged weights (EMA): w: nothing and float32 (1,)"),
        (
            saved("rng", "cpu", torch.arange(1, 6, dtype=torch.uint8)),
            "random state: cpu: 5 of 5 numbers, the first 0 and 1",
        ),
        (
            lambda run: write_tensors(run.model, {"w": torch.zeros(2)}),
            "best weights: w: 2 of 2 numbers, the first 1.0 and 0.0",
        ),
        (stated("batches.position", 4), "place in the data: position: 3 and 4"),
        (
            stated("at.best", {"bleu": 0.1 + 2e-17}),
            "progress, schedule, best scores: at.best.bleu: 0.1 and 0.10000000000000002",
        ),
        (written("0.1", "0.2"), "metrics.jsonl: line 1, train/loss: 0.1 and 0.2"),
        (written("null", "0.0"), "metrics.jsonl: line 2, validation/bleu: null and 0.0"),
    ],
)
def test_the_least_difference_is_seen_and_named(run: Run, change: Change, named: str) -> None:
    assert differences(run, change) == [named]


def test_a_line_of_figures_too_many_is_seen(run: Run) -> None:
    last = '{"step": 3, "validation/bleu": null}\n'
    found = differences(run, written(last, last + last))
    assert found[0] == "metrics.jsonl: line 3, step: nothing and 3"


@pytest.mark.parametrize("change", [stated("at.seconds", 9.0), written("0.5", "0.7"), lambda run: None])
def test_times_are_no_difference_and_a_nan_is_itself(run: Run, change: Change) -> None:
    assert differences(run, change) == []
    assert read_tensors(run.model)["w"].numel() == 2
