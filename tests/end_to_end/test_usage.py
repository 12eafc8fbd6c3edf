"""What a person types wrongly is told in one line."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

Command: TypeAlias = Callable[..., tuple[object, str, str]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["translate", "--model", "a", "--input", "a", "--input", "b"],
            "--input is given 2 times, expected once",
        ),
        (["translate", "--model", "a", "--beam", "2", "--beam=3"], "--beam is given 2 times"),
        (["score", "--hyp", "a", "--hyp", "b", "--ref", "c"], "--hyp is given 2 times"),
        (["sample", "--model", "a", "--model", "b"], "--model is given 2 times"),
        (["lab", "gates", "--model", "a", "--output", "b", "--output", "b"], "--output is given 2 times"),
        (["sample", "--model", "a", "--beam", "2", "--batch", "3"], "--batch"),
        (["train", "a", "--dry-run", "--run", "b"], "--run b: has no effect with --dry-run"),
        (["lab", "gates", "--model", "a", "--input", "b", "--split", "test"], "--split: has no effect"),
        (["lab", "attention", "--model", "a", "--input", "b", "--split", "test"], "--split: has no effect"),
        (["translate", "--model", "a", "--beam", "none"], "nmt translate --help"),
        (["translate", "--beem", "2"], "--beem"),
        (["translate"], "--model"),
        (["translate", "--model", "no\x1b[31m\n"], "no\\x1b[31m\\n is not a folder"),
        (["lab", "gradients", "--exploding", "rnn,irnn"], "--exploding: expected one cell, found 2"),
        (["sample", "--model", "a", "--temperature", "0", "--seed", "3"], "--seed: no effect with --temp"),
        (["translate", "--model", "a", "--sample", "--temperature", "0", "--top-k", "3"], "--top-k: no eff"),
        (["translate", "--model", "a", "--precision", "f16"], "'--precision': 'f16' is not one of"),
        (["lab", "memory"], "adding, copying; see nmt lab memory --help"),
        (["tranlsate"], "tranlsate"),
        (["lab", "gates", "--model", "a", "b"], "nmt lab gates --help"),
    ],
)
def test_one_line(words: list[str], message: str, command: Command) -> None:
    code, out, err = command(*words)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith("nmt: ")
    assert message in err


def test_what_can_be_given_often(tmp_path: Path, command: Command) -> None:
    (tmp_path / "config.yaml").write_text("name: a\n")
    *_, err = command("prepare", tmp_path / "config.yaml", "--set", "seed=1", "--set", "seed=2")
    assert "times" not in err


@pytest.mark.parametrize("words", [[], ["lab"]])
def test_no_word_is_a_call_for_help(words: list[str], command: Command) -> None:
    code, out, err = command(*words)
    assert code == 2
    assert "Usage: nmt" in out + err
