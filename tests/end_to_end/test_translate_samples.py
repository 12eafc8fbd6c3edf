"""`nmt translate --sample`: what is sampled depends on seed and line alone."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.builders.translator import load_translator
from nmt.decoding.options import TranslationOptions
from translating import NUMBERED, TRANSLATE

DRAW = ["--sample", "--temperature", "0.7", "--top-k", "40", "--seed", "5", "--input", "in", "--output"]


def test_a_line_is_drawn_alike_wherever_it_is_drawn(
    tiny_run: Path, tmp_path: Path, here: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = NUMBERED.splitlines(keepends=True)[:520]
    Path("in").write_bytes(b"".join(lines))
    assert here(*DRAW, "whole") == 0
    whole = Path("whole").read_bytes()
    assert whole.count(b"\n") == len(lines)
    # The second shard, and an ensemble of a model with itself.
    assert here(*DRAW, "shard", "--shard", "2/2", "--model", tiny_run) == 0
    assert Path("shard").read_bytes() == b"".join(line + b"\n" for line in whole.split(b"\n")[500:-1])
    assert here(*DRAW, "dealt", "--workers", "2") == 0
    assert Path("dealt").read_bytes() == whole
    Path("cut").write_bytes(whole[:-40])
    assert here(*DRAW, "cut", "--resume", "--seed", "6") == 2
    assert here(*DRAW, "cut", "--resume", "--temperature", "2") == 2
    assert Path("cut").read_bytes() == whole[:-40]
    assert here(*DRAW, "cut", "--resume") == 0
    assert Path("cut").read_bytes() == whole


def test_lines_are_drawn_one_by_one_as_all_together(tiny_run: Path) -> None:
    whole = load_translator(TranslationOptions(models=(tiny_run,), precision="float64")).sample(
        ["der Hund"] * 4, seed=1
    )
    assert len(set(whole)) > 1
    job = [*TRANSLATE, str(tiny_run), "--sample"]
    with subprocess.Popen(job, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        found = []
        for _ in whole:
            process.stdin.write(b"der Hund\n")
            process.stdin.flush()
            found.append(process.stdout.readline().decode().removesuffix("\n"))
        process.stdin.close()
    assert found == whole


def test_of_several_samples_the_least_risky_is_written(tiny_run: Path) -> None:
    lines = b"der Hund\n\nder Mann schl\xc3\xa4ft\n"

    def best(*options: str, data: bytes = lines) -> list[bytes]:
        command = [*TRANSLATE, str(tiny_run), "--mbr", "chrf", "--samples", "4", *options]
        return subprocess.run(command, input=data, capture_output=True, check=True).stdout.split(b"\n")[:-1]

    found = best()
    assert len(found) == 3
    assert found[1] == b""
    assert found == best("--workers", "2")
    assert found[:1] == best(data=b"der Hund\n")  # neighbours change nothing
    assert found != best("--seed", "2")
