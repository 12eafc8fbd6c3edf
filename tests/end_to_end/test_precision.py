"""What a CPU cannot compute in is refused in one line, whichever command is asked."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt import machine

Command = Callable[..., tuple[object, str, str]]
LIMITED = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("has_bfloat16", "has_bfloat16_units"):
        monkeypatch.setattr(machine, name, lambda: False)


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize("precision", ["bfloat16"])
def test_no_command_takes_what_is_not_there(
    command: Command, tiny_run: Path, tmp_path: Path, precision: str
) -> None:
    (tmp_path / "in").write_text("der Hund\n")
    pairs = ["--src", tmp_path / "in", "--ref", tmp_path / "in"]
    for asked in (
        ["translate", "--input", tmp_path / "in"],
        ["translate", "--input", tmp_path / "in", "--sample"],
        ["score", *pairs, "--output", tmp_path / "score.json"],
        ["score", *pairs, "--force"],
    ):
        code, out, err = command(*asked, "--model", tiny_run, "--precision", precision)
        assert (code, out) == (2, "")
        assert err.startswith(f"nmt: --precision {precision}")
        assert err.endswith("take auto or float32\n")
        assert err.count("\n") == 1


@pytest.mark.usefixtures("limited")
def test_auto_and_int8_are_one_on_every_cpu(command: Command, tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("der Hund läuft\n", encoding="utf-8")
    asked = ["translate", "--model", tiny_run, "--input", tmp_path / "in", "--device", "cpu", "--precision"]
    found = command(*asked, "auto")
    assert found[0] == 0
    assert found == command(*asked, "int8")


def test_torch_has_no_int8(command: Command, tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("der Hund\n")
    asked = ["--model", tiny_run, "--precision", "int8"]
    for words in (
        ["translate", "--input", tmp_path / "in", "--sample"],
        ["score", "--src", tmp_path / "in", "--ref", tmp_path / "in", "--force"],
    ):
        code, out, err = command(*words, *asked)
        assert (code, out) == (2, "")
        assert err == "nmt: --precision int8: only a search on a CPU computes in it; take auto or float32\n"


@pytest.mark.usefixtures("limited")
def test_a_training_in_bfloat16_is_refused(command: Command, tiny_run: Path, tmp_path: Path) -> None:
    asked = ["train", tiny_run.parent / "config.yaml", "--run", tmp_path / "run"]
    code, _, err = command(*asked, "--set", "training.precision=bfloat16")
    assert code == 2
    assert err.startswith("nmt: training.precision is bfloat16: this CPU")
    assert err.count("\n") == 1


def test_with_the_features_turned_down_the_command_says_so(tiny_run: Path) -> None:
    asked = [sys.executable, "-m", "nmt", "translate", "--model", str(tiny_run), "--precision", "bfloat16"]
    done = subprocess.run(asked, env={**os.environ, **LIMITED}, input=b"der Hund\n", capture_output=True)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"nmt: --precision bfloat16: this CPU")
    assert done.stderr.count(b"\n") == 1
