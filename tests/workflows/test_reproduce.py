"""nmt reproduce: train and score what a result records again, and compare."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

import nmt
from nmt.results import read_result

pytestmark = pytest.mark.slow
Command = Callable[..., tuple[object, str, str]]
SHORT = ("training.max_updates=4", "training.validate_every=2", "training.save_every=4")


def git(folder: Path, *words: str) -> str:
    names = ("-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", folder, *names, *words], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of one commit, with the source that is tested: the tests' own may have changes."""
    folder = tmp_path_factory.mktemp("repository")
    left_out = ignore_patterns("__pycache__", "pretrained", "web", "server", "builtin.json")
    copytree(Path(nmt.__file__).parent, folder / "nmt", ignore=left_out)
    for name in ("web", "server"):
        (folder / "nmt" / name).mkdir()
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "All")
    return folder


def words(*given: str | Path) -> list[str]:
    return [sys.executable, "-P", "-m", "nmt", *map(str, given)]


@pytest.fixture(scope="module")
def scored(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, tiny_config: Callable[..., Path]
) -> Path:
    """A run that was trained and scored by the source of the commit."""
    folder = tmp_path_factory.mktemp("scored")
    config, run = tiny_config(folder, *SHORT), folder / "tiny-1"
    source = os.environ | {"PYTHONPATH": str(repository)}
    for step in (
        ("train", config, "--run", run),
        ("score", "--model", run, "--beam", "3", "--metrics", "bleu"),
    ):
        subprocess.run(words(*step), env=source, capture_output=True, check=True)
    return run


@pytest.fixture
def environment(repository: Path, tmp_path: Path) -> dict[str, str]:
    """That of a command with the source of the commit, whose temporary files can be looked at."""
    (tmp_path / "temporary").mkdir()
    return os.environ | {"PYTHONPATH": str(repository), "TMPDIR": str(tmp_path / "temporary")}


def test_a_score_is_repeated_to_the_last_digit_from_its_commit(
    scored: Path, repository: Path, environment: dict[str, str]
) -> None:
    result = read_result(scored / "result.json")
    assert result.command == ("score", "--beam", "3", "--metrics", "bleu")
    assert result.commit == git(repository, "rev-parse", "HEAD").strip()
    assert result.training
    assert result.training.commit == result.commit
    # What is not committed has no part in it.
    search = repository / "nmt/decoding/search.py"
    text = search.read_text(encoding="utf-8")
    search.write_text("raise ValueError\n", encoding="utf-8")
    try:
        done = subprocess.run(words("reproduce", scored), env=environment, capture_output=True, text=True)
    finally:
        search.write_text(text, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == (
        "identical: 2 scores to the last digit, 3 data hashes, 2 tokenizers"
    )
    assert list(Path(environment["TMPDIR"]).glob("nmt-*")) == []
    assert len(git(repository, "worktree", "list").splitlines()) == 1


def test_a_training_is_repeated_with_the_present_source(
    tmp_path: Path, command: Command, tiny_config: Callable[..., Path]
) -> None:
    config, run = tiny_config(tmp_path, *SHORT), tmp_path / "run"
    assert command("train", config, "--run", run)[0] == 0
    kept = tmp_path / "kept"
    code, out, err = command("reproduce", run, "--here", "--run", kept)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].startswith("identical: 1 scores to the last digit")
    again = read_result(kept / "result.json")
    assert again.scores == read_result(run / "result.json").scores

    # Other data are found before anything is trained.
    code, out, _ = command("reproduce", run, "--here", "--set", "data.builtin.train=140")
    assert code == 1
    *_, last = out.splitlines()
    assert last.startswith("different: data hash of train: expected ")
    assert last.endswith("; nothing was trained")


def test_a_signal_ends_all_and_leaves_nothing(
    scored: Path, repository: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    kept = tmp_path / "kept"
    long = ("--set", "training.max_updates=100000", "--set", "training.log_every=1", "--run", kept)
    with subprocess.Popen(
        words("reproduce", scored, *long), env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            while not (kept / "metrics.jsonl").exists():
                assert process.poll() is None
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=300)
        finally:
            process.terminate()
    assert process.returncode == 75
    assert out.splitlines()[-1] == "stopped; the same command continues"
    assert list(Path(environment["TMPDIR"]).glob("nmt-*")) == []
    assert len(git(repository, "worktree", "list").splitlines()) == 1
    holder = int((kept / "lock").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(holder, 0)


SMALL = {
    "schema_version": 2,
    "name": "x",
    "date": "2026-11-28T00:00:00Z",
    "dataset": "builtin",
    "split": "test",
    "sentences": 1,
    "scores": [],
    "versions": {"python": "3.11"},
    "command": ["score"],
    "configuration": {"name": "x"},
    "commit": "0" * 40,
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 99}, "schema_version 99 is newer"),
        ({"commit": None}, "names no commit; --here"),
        ({"commit": "0" * 40 + "-dirty"}, "had changes that were not committed; --here"),
        ({"commit": "--output=x"}, "expected 40 hexadecimal digits"),
        ({}, "is not in "),
        ({"configuration": None}, "says no configuration"),
        ({"command": [], "split": None}, "scores files"),
        ({"command": ["score", "--save=x"]}, "expected that of a training or a score"),
        ({"command": ["translate"]}, "expected that of a training or a score"),
    ],
)
def test_a_result_that_cannot_be_repeated_is_one_line(
    changes: dict[str, object], message: str, tmp_path: Path, command: Command
) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(SMALL | changes), encoding="utf-8")
    code, out, err = command("reproduce", path)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert message in line


def test_a_name_without_a_result_is_one_line(tmp_path: Path, command: Command) -> None:
    code, _, err = command("reproduce", tmp_path / "nothing")
    assert code == 2
    (line,) = err.splitlines()
    assert "expected a result.json, a run folder or the name of a folder in experiments" in line


def test_the_line_of_a_command_that_fails_is_the_only_one(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(SMALL), encoding="utf-8")
    done = subprocess.run(words("reproduce", path, "--here"), capture_output=True, text=True)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert "data: give exactly one of" in line


@pytest.mark.parametrize("split", ["test", "validation"])
def test_an_earlier_result_is_run_with_the_configuration_beside_it(split: str, tmp_path: Path) -> None:
    from nmt.workflows.reproduce import read_recorded

    earlier = {key: value for key, value in SMALL.items() if key not in ("command", "configuration")}
    path = tmp_path / "result.json"
    path.write_text(json.dumps(earlier | {"schema_version": 1, "split": split}), encoding="utf-8")
    (tmp_path / "config.yaml").write_text("name: x\nseed: 3\n", encoding="utf-8")
    recorded = read_recorded(path)
    assert recorded.command == (("score",) if split == "test" else ("train",))
    assert recorded.configuration == {"name": "x", "seed": 3}
