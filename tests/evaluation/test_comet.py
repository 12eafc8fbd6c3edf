"""COMET's own program is stood in for by one that reads and writes the same, and scores the common words."""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.errors import UserError
from nmt.evaluation.comet import comet_score
from nmt.results import read_result

Command = Callable[..., tuple[object, str, str]]

STAND_IN = f"""#!{sys.executable}
import argparse, json, pathlib, sys
options = argparse.ArgumentParser()
for name in ("-s", "-t", "-r", "--model", "--gpus", "--to_json"):
    options.add_argument(name, required=True)
for name in ("--quiet", "--only_system"):
    options.add_argument(name, action="store_true", required=True)
given = options.parse_args()
if pathlib.Path(given.model).read_text() == "damaged":
    sys.exit("a traceback\\nRuntimeError: no such weights")
s, t, r = ([line.strip() for line in open(path)] for path in (given.s, given.t, given.r))
rows = [
    {{"src": a, "mt": b, "ref": c, "COMET": len({{*b.split()}} & {{*c.split()}}) / len(c.split())}}
    for a, b, c in zip(s, t, r, strict=True)
]
pathlib.Path(given.to_json).write_text(json.dumps({{"t": rows}}))
print("t\\tscore")
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "wmt-da"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "hparams.yaml").write_text("class_identifier: regression_metric\n")
    (folder / "checkpoints" / "model.ckpt").write_text("weights")
    return folder


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bin" / "comet-score"
    path.parent.mkdir()
    path.write_text(STAND_IN)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(path.parent))
    return path


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.usefixtures("program")
def test_the_score_is_the_mean_times_100(model: Path) -> None:
    # A line separator within a line would be a second line to the program.
    found = comet_score(
        model, ["ein Hund", "a\x85b"], ["the dog", "one\u2028two"], ["a dog", "one two"], gpu=False
    )
    assert found.score == pytest.approx(75.0)
    assert (found.metric, found.form) == ("COMET", "times 100")
    sha256 = hashlib.sha256(b"weights").hexdigest()[:12]
    assert found.signature == f"version:unknown|model:wmt-da|sha256:{sha256}|float16"


@pytest.mark.usefixtures("program")
def test_files_are_scored_with_their_sources(tmp_path: Path, model: Path, command: Command) -> None:
    hyp, ref = write(tmp_path / "hyp", "the dog", "a cat"), write(tmp_path / "ref.en", "the dog", "the cat")
    src, output = write(tmp_path / "src", "der Hund", "die Katze"), tmp_path / "result.json"
    files = ("--hyp", hyp, "--ref", ref, "--src", src, "--output", output)
    code, out, err = command("score", *files, "--comet", model)
    assert code == 0, err
    assert "COMET (times 100)" in out
    assert read_result(output).scores[-1].score == pytest.approx(75.0)


@pytest.mark.usefixtures("program")
def test_a_run_is_scored_with_its_translations(
    tmp_path: Path, model: Path, tiny_run: Path, command: Command
) -> None:
    src, ref = write(tmp_path / "src", "der Hund", "die Katze"), write(tmp_path / "ref", "the dog", "a cat")
    save, output = tmp_path / "saved", tmp_path / "result.json"
    given = ("--model", tiny_run, "--src", src, "--ref", ref, "--save", save, "--output", output)
    code, _, err = command("score", *given, "--comet", model)
    assert code == 0, err
    translations, references = (path.read_text().splitlines() for path in (save, ref))
    wanted = comet_score(model, ["", ""], translations, references, gpu=False)
    assert read_result(output).scores[-1] == wanted


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--comet", "nowhere"), "--comet nowhere: expected the folder of a COMET model, found no"),
        (("--comet", "wmt-da"), "--src: with --hyp the sources are for --comet; give both or none"),
        (("--src", "src"), "--src: with --hyp the sources are for --comet; give both or none"),
        (
            ("--comet", "wmt-da", "--src", "src", "--ref", "src"),
            "--comet: compares with one reference, found 2",
        ),
        (("--comet", "wmt-da", "--src", "src"), "the program comet-score is not on PATH"),
    ],
)
def test_what_cannot_be_scored_is_said_first(
    options: tuple[str, ...],
    message: str,
    tmp_path: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: Command,
) -> None:
    assert model.is_dir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    write(Path("hyp"), "the dog")
    write(Path("src"), "der Hund")
    write(Path("ref"), "the dog")
    given = (*options, *(("--src", "src") if "nowhere" in options else ()))
    code, out, err = command("score", "--hyp", "hyp", "--ref", "ref", *given)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.usefixtures("program")
def test_a_program_that_fails_is_quoted(model: Path) -> None:
    (model / "checkpoints" / "model.ckpt").write_text("damaged")
    with pytest.raises(UserError, match=r"comet-score failed: RuntimeError: no such weights$"):
        comet_score(model, ["a"], ["b"], ["c"], gpu=False)


def test_a_program_that_scores_other_lines_is_refused(model: Path, program: Path) -> None:
    program.write_text(STAND_IN.replace('{"t": rows}', json.dumps({"t": []})))
    with pytest.raises(UserError, match=r"expected 1 scores of comet-score, found 0"):
        comet_score(model, ["a"], ["b"], ["c"], gpu=False)


def test_a_program_without_its_python_is_refused(model: Path, program: Path) -> None:
    program.write_text(f"#!{program.parent / 'python'}\n")
    with pytest.raises(UserError, match=r"comet-score cannot be started \(No such file"):
        comet_score(model, ["a"], ["b"], ["c"], gpu=False)


def test_a_program_that_fails_in_another_encoding_is_quoted(model: Path, program: Path) -> None:
    program.write_text(f"#!{sys.executable}\nimport os\nos.write(2, b'caf\\xe9')\nos._exit(1)\n")
    with pytest.raises(UserError, match=r"comet-score failed: caf\ufffd$"):
        comet_score(model, ["a"], ["b"], ["c"], gpu=False)
