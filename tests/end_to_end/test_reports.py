"""`nmt plot` and `nmt report`, as a person types them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from nmt.evaluation.report import BEGIN, END

Command: TypeAlias = Callable[..., tuple[object, str, str]]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "a"
    folder.mkdir(parents=True)
    figures = [{"step": step, "train/loss": 3 / step, "validation/bleu": 2.0 * step} for step in (1, 2, 3)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(each) + "\n" for each in figures))
    return folder


@pytest.mark.parametrize(("name", "begins"), [("c.png", b"\x89PNG"), ("c.svg", b"<?xml"), ("c.pdf", b"%PDF")])
def test_curves_are_drawn(name: str, begins: bytes, run: Path, tmp_path: Path, command: Command) -> None:
    assert command("plot", run, run, "--output", tmp_path / name) == (0, f"{tmp_path / name}\n", "")
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_curves_that_cannot_be_drawn(
    run: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    picture = tmp_path / "mine.png"
    picture.write_text("mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "metrics.jsonl").touch()
    for arguments, message in [
        ((run, "--output", picture), f"--output {picture}: exists"),
        ((run, "--output", "-"), "--output -: expected the name of a new file"),
        ((run, "--output", "nowhere/c.png"), "there is no folder nowhere"),
        ((run, "--output", "c.docx"), "--output c.docx: expected a name that ends in .png"),
        ((run, "--output", "mine"), "--output mine: expected a name that ends in .png"),
        ((tmp_path / "empty", "--output", "c.png"), "metrics.jsonl: holds no figures yet"),
        (
            (tmp_path / "nowhere", "--output", "c.png"),
            f"{tmp_path / 'nowhere'}/metrics.jsonl: cannot be read",
        ),
    ]:
        code, out, err = command("plot", *arguments)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert message in err
    assert picture.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "mine.png", "runs"]
    assert command("plot")[0] == 2


def test_the_table_shows_the_scores_that_were_just_made(
    tiny_run: Path, tmp_path: Path, command: Command
) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "runs" / "tiny"))
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\n{END}\nafter\n")
    report = ("report", page, "--results", tmp_path / "runs")
    assert command("score", "--model", run)[0] == 0
    code, out, _ = command(*report, "--check")
    assert (code, out) == (1, f"{page}: differs from the results; run nmt report\n")
    assert command(*report) == (0, f"{page}: updated\n", "")
    assert "| [tiny](runs/tiny) | train.tsv test | " in page.read_text()
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("\nafter\n")
    assert command(*report) == (0, f"{page}: already current\n", "")
    assert command(*report, "--check") == (0, "", "")


def test_a_table_that_cannot_be_made(tmp_path: Path, command: Command) -> None:
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "plain.md").write_text("mine\n")
    for arguments, message in [
        ((tmp_path / "plain.md", "--results", tmp_path / "runs"), "expected one line"),
        ((tmp_path / "none.md", "--results", tmp_path / "runs"), "none.md: cannot be read"),
        ((tmp_path / "plain.md", "--results", tmp_path / "nowhere"), "nowhere: expected the folder"),
    ]:
        code, out, err = command("report", *arguments)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert message in err
    assert (tmp_path / "plain.md").read_text() == "mine\n"


def test_a_report_on_runs_that_cannot_be_made(tiny_run: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "taken").mkdir()
    page, src, ref = tmp_path / "new.html", tmp_path / "a.de", tmp_path / "a.en"
    src.write_text("eins\nzwei\n")
    ref.write_text("one\n")
    (blank := tmp_path / "blank.en").write_text("one\n\n")
    for arguments, message in [
        ((tiny_run, "--html", tmp_path / "taken"), f"--html {tmp_path / 'taken'}: exists; give the name"),
        ((tiny_run, "--latex", "-"), "--latex -: expected the name of a new file"),
        ((tiny_run, "--html", page, "--latex", page), "--html and --latex: are one file; give each its own"),
        (("--html", page), "--html: a report on no run"),
        ((tmp_path / "none", "--html", page), "none is not a folder; give the folder of a run"),
        ((src, "--html", page), "a.de is not a folder; give the folder of a run"),
        ((tiny_run, "--html", page, "--split", "dev"), "has no split 'dev'"),
        ((tiny_run, "--html", page, "--src", src), "--src and --ref belong together"),
        (
            (tiny_run, "--html", page, "--src", src, "--ref", ref),
            f"{src} has 2 lines and {ref} has 1; line n of one must translate line n of the other",
        ),
        ((tiny_run, "--html", page, "--src", src, "--ref", ref, "--split", "test"), "--split test: has no"),
        ((tiny_run, "--html", page, "--check"), "--check: has no effect with --html; leave it out"),
        ((tiny_run, "--markdown", page, "--without-text"), "--without-text: is about the page; give --html"),
        (
            (tiny_run, "--html", page, "--without-text", "--wandb", "offline"),
            "--without-text: --wandb offline logs the sentences; give only one of them",
        ),
        ((tmp_path / "plain.md", "--without-text"), "--without-text: is for runs; give --html FILE too"),
        ((tiny_run, "--html", page, "--metrics", "ter"), "--metrics ter: a report always has bleu and chrf"),
        ((tiny_run, "--html", page, "--src", src, "--ref", blank), f"{blank}: line 2: expected a reference"),
        ((tiny_run, "--html", page, "--set", "model.embedding=9"), "only what is translated (data)"),
        ((tiny_run,), "a folder; a report on runs needs --html, --markdown or --latex FILE"),
        ((tmp_path / "plain.md", "--beam", "3"), "--beam: is for runs; give --html FILE too"),
    ]:
        code, out, err = command("report", *arguments)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert message in err
    assert not page.exists()


@pytest.mark.parametrize("name", ["plot", "report"])
def test_help(name: str, command: Command) -> None:
    code, out, err = command(name, "--help")
    assert (code, err) == (0, "")
    assert "Usage:" in out
