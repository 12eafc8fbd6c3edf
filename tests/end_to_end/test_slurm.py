"""scripts/slurm/: both scripts, with programs that stand in for those of Slurm."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from nmt.training.checkpoint import Checkpoints

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts/slurm"
# sbatch: runs a script with the variables of a job; --array N-M: of one job after the other.
# srun: starts the tasks, and ends with the highest of their codes. It is a task's parent, as Slurm's daemon.
# scontrol: names the one machine there is, and keeps what is queued again.
STAND_INS = {
    "sbatch": """
        tasks=1 array=
        while [ "${1#--}" != "$1" ]; do
            case $1 in --ntasks) tasks=$2;; --array) array=$2;; esac
            shift 2
        done
        export SLURM_JOB_ID=7 SLURM_NTASKS=$tasks SLURM_JOB_NODELIST='node[1-2]' SLURM_CPUS_PER_TASK=1
        if [ -z "$array" ]; then exec bash "$@"; fi
        for SLURM_ARRAY_TASK_ID in $(seq "${array%-*}" "${array#*-}"); do
            export SLURM_ARRAY_TASK_ID
            bash "$@"
        done
    """,
    "srun": """
        pids=
        for rank in $(seq 0 $((SLURM_NTASKS - 1))); do
            SLURM_PROCID=$rank SLURM_LOCALID=$rank "$@" & pids="$pids $!"
        done
        trap 'kill -TERM $pids' TERM
        echo "$PPID" > "$PLACE/shell"
        echo "$pids" > "$PLACE/tasks.new" && mv "$PLACE/tasks.new" "$PLACE/tasks"
        code=0
        for pid in $pids; do
            wait "$pid"; found=$?
            [ "$found" -le "$code" ] || code=$found
        done
        wait
        exit "$code"
    """,
    "scontrol": """
        case $1 in show) echo 127.0.0.1;; *) echo "$@" >> "$PLACE/queued";; esac
    """,
    "nmt": f'exec {sys.executable} -P -m nmt "$@"',
}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """That of a machine with Slurm."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in STAND_INS.items():
        (programs / name).write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "PLACE": str(tmp_path)}


@pytest.fixture
def submit(environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts sbatch in a session of its own, all of which ends with the test."""
    with ExitStack() as stack:

        def start(*words: str | Path) -> subprocess.Popen[str]:
            process = stack.enter_context(
                subprocess.Popen(
                    ["sbatch", *map(str, words)],
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    start_new_session=True,
                )
            )
            stack.callback(end, process.pid)
            return process

        yield start


def end(session: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(session, signal.SIGKILL)


def test_a_training_that_is_stopped_is_queued_again_and_continues(
    tmp_path: Path, tiny_config: Callable[..., Path], submit: Callable[..., subprocess.Popen[str]]
) -> None:
    config, run = (
        tiny_config(tmp_path, "training.tokens_per_batch=400", "training.log_every=1"),
        tmp_path / "run",
    )
    train = ("--ntasks", "2", SCRIPTS / "train.sbatch", config, "--run", run)
    endless = ("--set", "training.max_updates=100000", "--set", "training.save_every=100000")
    job = submit(*train, *endless)
    while not (run / "metrics.jsonl").exists():
        assert job.poll() is None, job.communicate()[0]
        time.sleep(0.02)
    for task in (tmp_path / "tasks").read_text().split():
        os.kill(int(task), signal.SIGUSR1)
    out, _ = job.communicate(timeout=300)
    assert job.returncode == 75, out
    assert out.count("2 processes of ") == 1
    assert (tmp_path / "queued").read_text() == "requeue 7\n"
    (update,) = Checkpoints(run / "checkpoints", keep=1, every=1).steps()

    job = submit(*train, "--set", f"training.max_updates={update + 2}")
    out, _ = job.communicate(timeout=300)
    assert job.returncode == 0, out
    assert f"continuing from update {update}" in out
    assert (tmp_path / "queued").read_text() == "requeue 7\n"


def test_a_mistake_in_a_training_is_not_queued_again(
    tmp_path: Path, tiny_config: Callable[..., Path], submit: Callable[..., subprocess.Popen[str]]
) -> None:
    job = submit(SCRIPTS / "train.sbatch", tiny_config(tmp_path), "--set", "training.max_update=5")
    out, _ = job.communicate(timeout=300)
    assert (job.returncode, len(out.splitlines())) == (2, 1)
    assert not (tmp_path / "queued").exists()


def test_the_shards_of_an_array_are_the_whole(
    tiny_run: Path,
    tmp_path: Path,
    here: Callable[..., object],
    submit: Callable[..., subprocess.Popen[str]],
) -> None:
    data = tmp_path / "in"
    data.write_text("".join(f"der Hund {number}\n" for number in range(1100)), encoding="utf-8")
    job = submit(
        "--array",
        "1-2",
        SCRIPTS / "translate.sbatch",
        "2",
        data,
        tmp_path / "out",
        "--model",
        tiny_run,
        "--beam",
        "1",
    )
    out, _ = job.communicate(timeout=300)
    assert job.returncode == 0, out
    assert here("--beam", "1", "--input", data, "--output", tmp_path / "whole") == 0
    parts = [(tmp_path / f"out.{number}").read_bytes() for number in (1, 2)]
    assert all(parts)
    assert b"".join(parts) == (tmp_path / "whole").read_bytes()


def test_a_shard_that_runs_out_of_time_is_queued_again(
    tiny_run: Path, tmp_path: Path, submit: Callable[..., subprocess.Popen[str]]
) -> None:
    # It reads a FIFO that nobody writes, so it is never done.
    os.mkfifo(tmp_path / "in")
    arguments = ("1", tmp_path / "in", tmp_path / "out", "--model", tiny_run)
    job = submit("--array", "1-1", SCRIPTS / "translate.sbatch", *arguments)
    while not (tmp_path / "tasks").exists():
        assert job.poll() is None, job.communicate()[0]
        time.sleep(0.02)
    os.kill(int((tmp_path / "shell").read_text()), signal.SIGUSR1)
    out, _ = job.communicate(timeout=300)
    assert job.returncode == 75, out
    assert (tmp_path / "queued").read_text() == "requeue 7\n"
    for task in (tmp_path / "tasks").read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(task), 0)


def test_the_scripts_hold_no_mistake_that_shellcheck_finds() -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([shellcheck, *SCRIPTS.glob("*.sbatch")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
