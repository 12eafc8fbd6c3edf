"""What a person's terminal, disk or locale refuses ends a command in one line."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
NMT = f"{sys.executable} -m nmt"
REPOSITORY = str(Path(__file__).parents[2])


def shell(command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": REPOSITORY, **variables}
    return subprocess.run(
        ["bash", "-c", command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "hyp").write_text("a dog runs\n")
    (tmp_path / "in").write_text("ein Hund\n" * 3)
    return tmp_path


@pytest.mark.parametrize("where", ["> /dev/full", ">&-", ">&- <&-"])
@pytest.mark.parametrize(
    "command", ["score --hyp hyp --ref hyp", "translate --input in --model RUN", "--help"]
)
def test_a_standard_output_that_takes_nothing(command: str, where: str, place: Path, tiny_run: Path) -> None:
    if command == "--help" and where != "> /dev/full":
        return  # typer writes nothing then
    done = shell(f"{NMT} {command.replace('RUN', str(tiny_run))} {where}", place)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith("nmt: standard output: ")


def test_a_closed_standard_error_leaves_standard_output_clean(place: Path) -> None:
    done = shell(f"{NMT} score --hyp nowhere --ref hyp 2>&-", place)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


def test_a_remark_that_nobody_can_be_told_is_no_failure(place: Path, tiny_run: Path) -> None:
    (place / "empty").touch()
    done = shell(f"{NMT} translate --model {tiny_run} empty 2>&-", place)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_reader_that_has_gone(place: Path, tiny_run: Path) -> None:
    (place / "many").write_text("der Hund\n" * 2000)
    command = f"{NMT} translate --workers 1 --input many --model {tiny_run} | head -1"
    done = shell(command, place)
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")


@pytest.mark.parametrize(
    "locale",
    [
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["latin-1", "ascii"],
)
def test_text_goes_out_as_utf8_whatever_the_locale(
    locale: dict[str, str], tiny_run: Path, place: Path
) -> None:
    folder = place / "ü 語"
    shutil.copytree(tiny_run, folder)
    shown = shell(f"{NMT} show --model 'ü 語' --count 20", place, **locale)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "Straße" in shown.stdout
    missing = shell(f"{NMT} show --model 'ö 語'", place, **locale)
    assert missing.stderr == "nmt: ö 語 is not a folder; give the folder of a run, such as runs/demo\n"


def test_training_in_a_folder_with_a_name_that_the_locale_lacks(place: Path) -> None:
    text = (
        "name: ü\ndata: {builtin: {train: 150, validation: 10, test: 10}, src: de, trg: en, "
        "tokenizer: {kind: word, min_frequency: 1}, prepared: vorbereitet-ü}\n"
        "model: {embedding: 8, encoder: {hidden: 8}, decoder: {hidden: 8}}\n"
        "training: {max_updates: 2, validate_every: 2, precision: float32}\n"
    )
    (place / "ü.yaml").write_text(text, encoding="utf-8")
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = shell(f"{NMT} train ü.yaml", place, **locale)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--model runs/ü" in done.stdout or "--model 'runs/ü'" in done.stdout
    assert (place / "runs" / "ü" / "result.json").is_file()


@pytest.mark.parametrize(
    "command",
    [
        "translate --model RUN --input LONG",
        "translate --model LONG < hyp",
        "translate --model RUN --input in --output LONG",
        "score --hyp LONG --ref hyp",
        "score --hyp hyp --ref hyp --output LONG",
        "plot RUN --output LONG.png",
        "report LONG",
        "report --results LONG",
        "train LONG",
        "predict --model LONG < hyp",
        "sample --model LONG",
        "lab gates --model RUN --output LONG",
    ],
)
def test_a_name_that_is_too_long(command: str, place: Path, tiny_run: Path) -> None:
    words = command.replace("LONG", "a" * 300).replace("RUN", str(tiny_run))
    done = shell(f"{NMT} {words}", place)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith("nmt: ")


def test_a_message_is_one_line_whatever_a_stranger_wrote(
    command: Callable[..., tuple[object, str, str]], tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text('"\\e[31mX\\nfoo\\u202e\\u2028bar": 3\n', encoding="utf-8")
    code, out, err = command("prepare", path)
    assert (code, out) == (2, "")
    assert all(line.startswith("nmt: ") for line in err.splitlines())
    assert "\\x1b[31mX\\nfoo\\u202e\\u2028bar: unknown key" in err


@pytest.mark.parametrize("megabytes", [1_000, 2_000])
def test_a_memory_that_is_too_small_is_one_line(megabytes: int, place: Path, tiny_run: Path) -> None:
    limited = f"ulimit -v {megabytes * 1000}; {NMT} translate --model {tiny_run} --input in"
    done = shell(limited, place)
    assert done.returncode in (0, 2)
    assert len(done.stderr.splitlines()) == (done.returncode == 2)
