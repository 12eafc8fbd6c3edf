"""scripts/translate_ray.py: actors of Ray write what one process writes."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/translate_ray.py"
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra ray")


def run(*words: str | Path | int) -> subprocess.CompletedProcess[str]:
    patient = {"PYTHONPATH": str(SCRIPT.parents[1]), "RAY_raylet_start_wait_time_s": "300"}
    command = [sys.executable, str(SCRIPT), *map(str, words)]
    return subprocess.run(command, env=os.environ | patient, capture_output=True, text=True, timeout=600)


def test_two_actors_write_and_continue_what_one_process_writes(
    exported: Path, tmp_path: Path, command: Callable[..., tuple[object, str, str]]
) -> None:
    data, whole, output = tmp_path / "in", tmp_path / "whole", tmp_path / "out"
    lines = ["\ufeffder Hund", "\ufeffdie Straße", "läuft\r", "", *(f"der Hund {n}" for n in range(1300))]
    data.write_bytes("".join(f"{line}\n" for line in lines).encode())
    job = ("translate", "--model", exported, "--input", data, "--output", whole, "--workers", "1")
    assert command(*job)[0] == 0
    done = run(exported, data, output, "--actors", 2)
    assert done.returncode == 0, done.stderr
    assert output.read_bytes() == whole.read_bytes()

    output.write_bytes(output.read_bytes()[: len(whole.read_bytes()) // 2])
    done = run(exported, data, output, "--resume")
    assert done.returncode == 0, done.stderr
    assert output.read_bytes() == whole.read_bytes()

    done = run(exported, data, output)
    assert (done.returncode, done.stderr) == (
        2,
        f"nmt: {output} exists; continue it with --resume, or give another --output\n",
    )


@pytest.mark.parametrize(
    ("text", "actors", "message"),
    [
        (b"a\n\xff\n", 1, "line 2, byte 1"),
        (b"a\n", 0, "--actors 0"),
        (b"a\n", 10_000, "one for each; give fewer"),
    ],
)
def test_mistakes_are_one_line_and_leave_no_output(
    text: bytes, actors: int, message: str, exported: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").write_bytes(text)
    done = run(exported, tmp_path / "in", tmp_path / "out", "--actors", actors)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert message in line
    assert not (tmp_path / "out").exists()
