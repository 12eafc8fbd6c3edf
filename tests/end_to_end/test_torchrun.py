"""nmt train in two processes, as torchrun starts them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from nmt.results import read_result
from nmt.training.checkpoint import Checkpoints

TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "--", "nmt", "train")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, tiny_config: Callable[..., Path]) -> Path:
    return tiny_config(
        tmp_path_factory.mktemp("config"),
        "training.tokens_per_batch=400",
        "training.max_updates=12",
        "training.validate_every=5",
        "training.save_every=4",
        "training.log_every=3",
    )


@pytest.fixture
def started() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def start(stack: ExitStack, *arguments: str | Path, **variables: str) -> subprocess.Popen[str]:
    """A process of this Python, which does not outlive its test."""
    process = stack.enter_context(
        subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    )
    stack.callback(process.kill)
    return process


def start_two(stack: ExitStack, *arguments: str | Path) -> list[subprocess.Popen[str]]:
    """Both processes, without torchrun, which would end one when the other ends."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = str(s.getsockname()[1])
    there = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [start(stack, *arguments, RANK=rank, LOCAL_RANK=rank, **there) for rank in "01"]


def test_two_processes_leave_one_run(
    config: Path, tmp_path: Path, started: ExitStack, command: Callable[..., tuple[object, str, str]]
) -> None:
    run = tmp_path / "run"
    torchrun = start(started, *TWO, config, "--run", run)
    out, err = torchrun.communicate(timeout=300)
    assert torchrun.returncode == 0, err
    assert out.count("2 processes of 1 threads") == 1
    assert out.count("done: 12 updates") == 1
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == [3, 5, 6, 9, 10, 12, 12]
    result = read_result(run / "result.json")
    assert (result.training and result.training.updates, result.machine and result.machine.threads) == (12, 2)
    assert sorted(path.name for path in run.iterdir()) == [
        "checkpoints",
        "config.yaml",
        "lock",
        "metrics.jsonl",
        "model.safetensors",
        "result.json",
        "tokenizer",
    ]

    code, _, err = command("train", config, "--run", run)
    (line,) = err.splitlines()
    assert code == 2
    assert line.startswith("nmt: wrong number of processes: ")
    assert "was trained by 2, found 1" in line


def test_two_nodes_leave_the_run_that_two_processes_of_one_leave(
    config: Path, tmp_path: Path, started: ExitStack, everything: Callable[[Path], dict[str, Any]]
) -> None:
    nodes, one = tmp_path / "nodes", tmp_path / "one"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    meet = ("--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", port)
    both = [
        start(
            started,
            *("-m", "torch.distributed.run", *meet, "--node-rank", rank),
            *("-m", "--", "nmt", "train", config, "--run", nodes),
        )
        for rank in "01"
    ]
    told = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    together = start(started, "-m", "nmt", "train", config, "--run", one, "--processes", "2")
    _, err = together.communicate(timeout=300)
    assert together.returncode == 0, err
    assert everything(nodes) == everything(one)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_processes_that_nmt_started_are_stopped_by_a_signal_and_end_with_75(
    config: Path, tmp_path: Path, started: ExitStack, number: signal.Signals
) -> None:
    run = tmp_path / "run"
    endless = ("--set", "training.max_updates=100000", "--set", "training.save_every=100000")
    both = start(started, "-m", "nmt", "train", config, "--run", run, "--processes", "2", *endless)
    while not (run / "metrics.jsonl").exists():
        assert both.poll() is None
        time.sleep(0.02)
    both.send_signal(number)
    out, err = both.communicate(timeout=300)
    assert (both.returncode, err) == (75, "")
    (update,) = Checkpoints(run / "checkpoints", keep=1, every=1).steps()
    assert f"stopped at update {update}; the same command continues" in out


def test_a_mistake_in_processes_that_nmt_started_is_one_line(
    config: Path, tmp_path: Path, started: ExitStack
) -> None:
    both = start(started, "-m", "nmt", "train", config, "--processes", "2", "--set", "training.max_update=5")
    _, err = both.communicate(timeout=300)
    (line,) = err.splitlines()
    assert both.returncode == 2
    assert "did you mean training.max_updates?" in line


def test_a_mistake_is_one_line_and_exit_code_2_in_both(
    config: Path, tmp_path: Path, started: ExitStack
) -> None:
    two = start_two(
        started, "-m", "nmt", "train", config, "--run", tmp_path / "run", "--set", "training.max_update=5"
    )
    told = "".join(process.communicate(timeout=300)[1] for process in two)
    (line,) = told.splitlines()
    assert [process.returncode for process in two] == [2, 2]
    assert line.startswith("nmt: ")
    assert "did you mean training.max_updates?" in line


THREADS = """
import atexit, os

def of_gloo():
    there = os.listdir("/proc/self/task")
    return sum("gloo" in open(f"/proc/self/task/{thread}/comm").read() for thread in there)

atexit.register(lambda: print("threads of gloo:", of_gloo()))  # the first to register is the last to run
from nmt.cli import main
main("train")
"""


@pytest.mark.parametrize(("setting", "code"), [("max_updates=5", 0), ("max_update=5", 2)])
def test_no_thread_of_gloo_is_left_at_exit(
    config: Path, tmp_path: Path, started: ExitStack, setting: str, code: int
) -> None:
    run = tmp_path / "run"
    two = start_two(started, "-c", THREADS, config, "--run", run, "--set", f"training.{setting}")
    told = [process.communicate(timeout=300)[0].splitlines()[-1] for process in two]
    assert told == ["threads of gloo: 0"] * 2
    assert [process.returncode for process in two] == [code, code]


STORE = """
import nmt, os, torch.distributed
rank, port = int(os.environ["RANK"]), int(os.environ["MASTER_PORT"])
store = torch.distributed.TCPStore("127.0.0.1", port, world_size=2, is_master=rank == 0)
if rank == 0:
    store.wait(["connected"])
    os._exit(0)
try:
    while True:
        store.add("connected", 1)
except RuntimeError:
    print("gone")
"""


def test_torch_logs_no_stack_if_another_process_has_ended(started: ExitStack) -> None:
    holder, other = start_two(started, "-c", STORE)
    assert other.communicate(timeout=60) == ("gone\n", "")
    assert (holder.wait(), other.returncode) == (0, 0)


def test_when_one_is_killed_the_other_ends_too(config: Path, tmp_path: Path, started: ExitStack) -> None:
    run = tmp_path / "run"
    two = start_two(
        started, "-m", "nmt", "train", config, "--run", run, "--set", "training.max_updates=100000"
    )
    checkpoints = Checkpoints(run / "checkpoints", keep=1, every=1)
    while not checkpoints.steps():
        assert [process.poll() for process in two] == [None, None]
        time.sleep(0.02)
    two[1].kill()
    _, err = two[0].communicate(timeout=300)
    (line,) = err.splitlines()
    assert two[0].returncode == 2
    assert line.startswith("nmt: another process of this run has ended")
    assert "run the same command again to continue from the last checkpoint" in line
