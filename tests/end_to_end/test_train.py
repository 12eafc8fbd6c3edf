"""prepare, train, stop, go on, score and translate, as a person types it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from nmt.results import read_result
from nmt.training.checkpoint import Checkpoints

# Loaded before the commands, so that one of this process is not seconds behind a process that trains.

Everything: TypeAlias = Callable[[Path], dict[str, Any]]
Command: TypeAlias = Callable[..., tuple[object, str, str]]

NMT = Path(sys.executable).with_name("nmt")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, tiny_config: Callable[..., Path]) -> Path:
    return tiny_config(
        tmp_path_factory.mktemp("config"),
        "model.tie_embeddings=three_way",
        "training.max_updates=100",
        "training.validate_every=40",
        "training.save_every=7",
        "training.log_every=10",
        "training.optimizer.lr=1.0e-2",
        "training.schedule={kind: linear, warmup: 10}",
        "training.averaging={kind: ema, decay: 0.9}",
    )


def started(*arguments: str | Path) -> subprocess.Popen[str]:
    command = [str(NMT), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_checkpoint(run: Path, process: subprocess.Popen[str], after: int) -> None:
    for _ in range(3000):
        if max(Checkpoints(run / "checkpoints", keep=1, every=1).steps(), default=0) > after:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError("no checkpoint")


@pytest.fixture
def process() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that a test starts, none of which outlives it."""
    running: list[subprocess.Popen[str]] = []
    yield running
    for each in running:
        each.kill()
        each.communicate()


def test_a_signal_before_the_first_update_is_no_failure_either(
    config: Path, tmp_path: Path, process: list[subprocess.Popen[str]]
) -> None:
    run = tmp_path / "run"
    process.append(started("train", config, "--run", run))
    while not (run / "tokenizer").exists():
        assert process[0].poll() is None, process[0].communicate()
        time.sleep(0.001)
    process[0].send_signal(signal.SIGUSR1)
    out, err = process[0].communicate()
    assert (process[0].returncode, err) == (75, "")
    assert "; the same command " in out  # once more, or from where it was


def test_from_text_to_a_score_with_every_kind_of_stop_on_the_way(
    everything: Everything,
    config: Path,
    tmp_path: Path,
    command: Command,
    process: list[subprocess.Popen[str]],
) -> None:
    code, out, _ = command("prepare", config)
    assert code == 0
    assert "150 pairs read" in out

    parts, whole = tmp_path / "parts", tmp_path / "whole"
    process.append(started("train", config, "--run", parts))
    wait_for_checkpoint(parts, process[0], 0)
    code, _, err = command("train", config, "--run", parts)
    assert code == 2
    assert err.splitlines() == [
        f"nmt: {parts} is in use by process {process[0].pid}; wait for it or give another --run"
    ]
    process[0].send_signal(signal.SIGTERM)
    out, err = process[0].communicate()
    assert (process[0].returncode, err) == (75, "")
    stopped = max(Checkpoints(parts / "checkpoints", keep=1, every=1).steps())
    assert f"stopped at update {stopped}; the same command continues from there" in out

    process.append(started("train", config, "--run", parts))
    wait_for_checkpoint(parts, process[1], stopped)
    os.kill(process[1].pid, signal.SIGKILL)
    process[1].communicate()
    assert process[1].returncode == -signal.SIGKILL

    code, out, _ = command("train", config, "--run", parts)
    assert code == 0
    assert "continuing from update" in out
    assert "done: 100 updates" in out
    assert command("train", config, "--run", whole)[0] == 0
    assert everything(parts) == everything(whole)

    code, out, _ = command("score", "--model", parts, "--beam", "2")
    assert code == 0
    assert "BLEU (cased, detokenised)" in out
    scored = read_result(parts / "result.json")
    assert (scored.split, scored.sentences) == ("test", 10)
    assert scored.training is not None
    assert scored.training.updates == 100

    # What is done stays done, and keeps its scores.
    code, out, _ = command("train", config, "--run", parts)
    assert code == 0
    assert read_result(parts / "result.json") == scored
    assert everything(parts) == everything(whole)

    code, out, err = command(
        "translate", "--model", parts, "--beam", "1", stdin="Der Hund schläft.\n\nEin Haus.\n"
    )
    assert (code, "Traceback" in err) == (0, False)  # of so small a model it may warn
    assert len(out.split("\n")) == 4
    assert out.split("\n")[1] == ""

    code, out, _ = command("train", config, "--run", parts, "--set", "training.max_updates=103")
    assert code == 0
    assert "continuing from update 100" in out
    assert "done: 103 updates" in out

    code, _, err = command("train", config, "--run", parts, "--set", "training.clip_norm=2")
    assert code == 2
    assert err.splitlines() == [
        f"nmt: {parts} was begun with another configuration: training.clip_norm (was 1.0, now 2.0); "
        "give another --run, or restore the values to continue"
    ]


def test_a_dry_run_tells_what_a_run_would_take_and_makes_none(
    config: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "tiny"
    code, out, err = command("train", config, "--dry-run")
    assert (code, err) == (0, "")
    assert "src_embedding.weight" in out
    estimate = out.splitlines()[-1]
    assert not run.exists()

    code, out, _ = command("train", config, "--set", "training.max_updates=3")
    assert code == 0
    assert "target tokens/s" in out
    assert estimate.split(", memory")[0] in out


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("training.max_update=5", "training.max_update: unknown key; did you mean training.max_updates?"),
        ("training.precision=float17", "training.precision: expected"),
        ("training.device=gpu", "device 'gpu' is unknown; try auto, cpu or cuda"),
        ("training.device=meta", "device 'meta' is not supported; try auto, cpu or cuda"),
        ("data.tokenizer.vocab_size=30000", "data.tokenizer.vocab_size is 30000"),
    ],
)
def test_a_mistake_is_one_line(
    config: Path, tmp_path: Path, command: Command, override: str, said: str
) -> None:
    code, _, err = command("train", config, "--run", tmp_path / "run", "--set", override)
    (line,) = err.splitlines()
    assert code == 2
    assert line.startswith("nmt: ")
    assert said in line
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_a_mistake_is_one_line_from_the_shell_too(config: Path, tmp_path: Path) -> None:
    process = started("train", config.with_name("none.yaml"), "--run", tmp_path / "run")
    out, err = process.communicate()
    assert (process.returncode, out) == (2, "")
    (line,) = err.splitlines()
    assert "none.yaml: cannot read the configuration" in line


def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(
    everything: Everything, config: Path, tmp_path: Path, command: Command
) -> None:
    resource = pytest.importorskip("resource")
    run = tmp_path / "run"
    short = ("train", config, "--run", run, "--set", "training.max_updates=14")
    assert command(*short, "--set", "training.max_updates=7")[0] == 0
    before = everything(run)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        code, _, err = command(*short)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 2
    (line,) = err.splitlines()
    assert "cannot be written" in line
    assert "File too large" in line
    assert everything(run)["step"] == 7
    assert everything(run)["tensors"] == before["tensors"]
    assert command(*short)[0] == 0
    assert everything(run)["step"] == 14


def test_a_budget_of_time_that_preparation_used_up_leaves_one_update(
    config: Path, tmp_path: Path, command: Callable[..., tuple[object, str, str]]
) -> None:
    budget = ("--set", "training.max_updates=null", "--set", "training.max_minutes=1.0e-9")
    elsewhere = ("--set", f"data.prepared={tmp_path / 'anew'}")
    code, out, err = command("train", config, "--run", tmp_path / "run", *budget, *elsewhere)
    assert (code, err) == (0, "")
    assert "done: 1 updates" in out
    assert (tmp_path / "run" / "model.safetensors").is_file()
    assert (tmp_path / "run" / "result.json").is_file()
