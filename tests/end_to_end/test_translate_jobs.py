"""`nmt translate` of a file: in shards, in several processes, interrupted and resumed."""

import gzip
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from nmt.errors import UserError
from nmt.jobs import workers
from nmt.workflows import translate as windows
from translating import NUMBERED, TRANSLATE


def test_a_killed_job_goes_on(tiny_run: Path, tmp_path: Path, here: Callable[..., object]) -> None:
    data, whole, cut = tmp_path / "in.gz", tmp_path / "whole", tmp_path / "cut"
    data.write_bytes(gzip.compress(NUMBERED))
    assert here("--beam", "1", "--input", data, "--output", whole) == 0
    expected = whole.read_bytes()
    assert expected.count(b"\n") == NUMBERED.count(b"\n")

    job = [*TRANSLATE, str(tiny_run), "--beam", "1", "--input", str(data), "--output", str(cut)]
    with subprocess.Popen(job) as process:
        while not (cut.exists() and cut.stat().st_size):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    assert cut.stat().st_size < len(expected)
    cut.write_bytes(cut.read_bytes()[:-5])
    assert here("--beam", "1", "--input", data, "--output", cut) == 2  # without --resume nothing is touched
    assert here("--beam", "1", "--input", data, "--output", cut, "--resume") == 0
    assert cut.read_bytes() == expected


def test_the_shards_are_the_whole(tiny_run: Path, tmp_path: Path, here: Callable[..., object]) -> None:
    (tmp_path / "in").write_bytes(NUMBERED)
    for shard in ("1/1", "1/3", "2/3", "3/3"):
        output = tmp_path / shard.replace("/", " of ")
        assert here("--beam", "1", "--input", tmp_path / "in", "--shard", shard, "--output", output) == 0
    parts = [(tmp_path / f"{number} of 3").read_bytes() for number in (1, 2, 3)]
    assert [part.count(b"\n") for part in parts] == [500, 500, 700]
    assert b"".join(parts) == (tmp_path / "1 of 1").read_bytes()
    with (tmp_path / "in").open("rb") as file:
        redirected = subprocess.run(
            [*TRANSLATE, str(tiny_run), "--beam", "1"], stdin=file, capture_output=True
        )
    assert redirected.stdout == b"".join(parts)


def test_the_numbers_of_a_shard_are_those_of_the_whole(tmp_path: Path, here: Callable[..., object]) -> None:
    (tmp_path / "in").write_text("der Hund\n" * 503)
    job = ["--n-best", "2", "--input", tmp_path / "in", "--shard", "2/2", "--resume", "--output"]
    assert here(*job, tmp_path / "a") == 0
    (tmp_path / "b").write_bytes((tmp_path / "a").read_bytes()[:-30])
    assert here(*job, tmp_path / "b") == 0
    lines = (tmp_path / "a").read_text().splitlines()
    assert [int(line.split(" ||| ")[0]) for line in lines] == [500, 500, 501, 501, 502, 502]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_job_in_json_is_the_same_in_processes_and_resumed(
    tmp_path: Path, here: Callable[..., object]
) -> None:
    (tmp_path / "in").write_bytes(NUMBERED)
    job = ["--json", "--n-best", "2", "--input", tmp_path / "in", "--output"]
    assert here(*job, tmp_path / "one", "--workers", "1") == 0
    assert here(*job, tmp_path / "two", "--workers", "2") == 0
    expected = (tmp_path / "one").read_bytes()
    assert expected.count(b"\n") == NUMBERED.count(b"\n")
    assert (tmp_path / "two").read_bytes() == expected
    (tmp_path / "cut").write_bytes(expected[: len(expected) // 2])
    assert here(*job, tmp_path / "cut", "--resume") == 0
    assert (tmp_path / "cut").read_bytes() == expected


def test_a_file_of_somebody_is_not_resumed(
    tiny_run: Path, tmp_path: Path, command: Callable[..., tuple[object, str, str]]
) -> None:
    (tmp_path / "in").write_text("der Hund\nthe dog\n")
    thesis = tmp_path / "thesis.json"
    for content in ('{"thesis": "years of work"}', '{\n  "thesis": 1\n}'):
        thesis.write_text(content)
        job = ["translate", "--model", tiny_run, tmp_path / "in", "--output", thesis]
        assert command(*job)[0] == 2
        code, _, err = command(*job, "--resume")
        assert code == 2
        assert err.startswith(f"nmt: {thesis}: its end is not what this command writes there; ")
        assert thesis.read_text() == content


@pytest.mark.parametrize(
    ("lines", "options", "expected"),
    [
        (2000, [], 1),
        (2001, [], 3),
        (2001, ["--device", "cpu", "--workers", "2"], 2),
        (1001, ["--workers", "9"], 3),
        (5001, ["--shard", "1/2"], 3),
        (5001, ["--shard", "1/9"], 1),
        (0, ["--workers", "2"], 1),
    ],
)
def test_a_large_file_is_for_every_core(
    tmp_path: Path,
    here: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
    lines: int,
    options: list[str],
    expected: int,
) -> None:
    asked = []

    def refuse(_: object, count: int) -> None:
        asked.append(count)
        raise UserError("enough")

    monkeypatch.setattr(windows, "cores", lambda: 3)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(workers, "in_order", refuse)
    (tmp_path / "in").write_text("der Hund\n" * lines)
    assert here("--input", tmp_path / "in", *options) == 2
    assert asked == [expected]


def worker_ids(process: int) -> list[int]:
    """The processes that one has started to work for it, by what /proc says."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            command = stat.with_name("cmdline").read_bytes()
        except OSError:  # has just ended
            continue
        if parent == process and b"spawn_main" in command:
            found.append(int(stat.parent.name))
    return found


LARGE = ["--n-best", "2", "--alignments", "--input", "in", "--output"]


@pytest.fixture
def two_at_work(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[bytes]]:
    """`nmt translate` with two workers that has begun to write the file `out`, with more to do."""
    monkeypatch.chdir(tmp_path)
    Path("in").write_bytes(NUMBERED * 2)
    job, out = [*TRANSLATE, str(tiny_run), *LARGE, "out", "--workers", "2"], Path("out")
    with subprocess.Popen(
        job, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        while not (out.exists() and out.stat().st_size):
            assert process.poll() is None
            time.sleep(0.01)
        yield process
        process.kill()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the workers in /proc")
def test_a_killed_worker_is_one_line_and_the_job_goes_on(
    two_at_work: subprocess.Popen[bytes], here: Callable[..., object]
) -> None:
    os.kill(worker_ids(two_at_work.pid)[0], signal.SIGKILL)
    _, errors = two_at_work.communicate(timeout=60)
    assert two_at_work.returncode == 2
    [message] = errors.decode().splitlines()
    assert message.startswith("nmt: a worker process ended by SIGKILL")
    written = Path("out").read_bytes()
    assert here(*LARGE, "out", "--resume", "--workers", 2) == 0
    assert here(*LARGE, "whole", "--workers", 1) == 0
    whole = Path("whole").read_bytes()
    assert len({line.split(b" ||| ")[0] for line in written.split(b"\n")[:-1]}) % 500 == 0
    assert len(written) < len(whole)
    assert whole.startswith(written)
    assert Path("out").read_bytes() == whole


@pytest.mark.parametrize("end", ["interrupted", "killed"])
def test_no_worker_outlives_the_command(two_at_work: subprocess.Popen[bytes], end: str) -> None:
    if end == "interrupted":
        os.killpg(two_at_work.pid, signal.SIGINT)  # to every process, as a terminal does
    else:
        two_at_work.kill()
    _, errors = two_at_work.communicate(timeout=60)  # returns when the last process is gone
    assert two_at_work.returncode in (1, 130, -signal.SIGKILL)
    assert b"Traceback" not in errors
    assert len(errors.splitlines()) <= 1
