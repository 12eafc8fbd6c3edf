"""`nmt align`, run as a person runs it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

Command: TypeAlias = Callable[..., tuple[object, str, str]]


@pytest.fixture
def files(tmp_path: Path) -> list[str | Path]:
    for name, text in (("a.de", "der Hund schläft\nja\n\n"), ("a.en", "the dog sleeps\nyes\n\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "gold").write_text("0-0 1-1 2p2\n0-0\n\n")
    return ["--src", tmp_path / "a.de", "--trg", tmp_path / "a.en"]


def test_a_line_of_links_for_each_pair(tiny_run: Path, files: list[str | Path], command: Command) -> None:
    code, out, err = command("align", "--model", tiny_run, *files)
    assert (code, err) == (0, "")
    first, second, third = out.split("\n")[:3]
    assert re.fullmatch(r"\d-\d \d-\d \d-\d", first)
    assert sorted(link[-1] for link in first.split()) == ["0", "1", "2"]  # of each target word
    assert (second, third) == ("0-0", "")


def test_models_that_ship_align_too(files: list[str | Path], command: Command) -> None:
    code, out, err = command("align", "--model", "de-en", "--reverse", "en-de", *files)
    assert (code, err) == (0, "")
    assert out == "0-0 1-1 2-2\n0-0\n\n"


def test_gold_links_give_the_error_rate(
    tiny_run: Path, tmp_path: Path, files: list[str | Path], command: Command
) -> None:
    both = "--reverse", tiny_run, "--symmetrise", "union"
    code, out, err = command("align", "--model", tiny_run, *both, *files, "--gold", tmp_path / "gold")
    assert (code, err) == (0, "")
    assert re.fullmatch(
        r"AER 0\.\d{3}   precision [01]\.\d{3}, recall [01]\.\d{3} of sure links; \d links, 3 sure ones\n",
        out,
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--symmetrise", "union"], "--symmetrise: no effect without --reverse; leave it out"),
        (["--gold", "setup.cfg"], "setup.cfg: expected a line for each of the 3 pairs, found"),
        (["TARGET", "setup.cfg"], "line n of one must translate line n of the other"),
    ],
)
def test_a_mistake_is_one_line(
    tiny_run: Path, files: list[str | Path], command: Command, options: list[str], message: str
) -> None:
    given = {"SOURCE": files[1], "TARGET": files[3]}
    if options[0] in given:
        given[options[0]] = Path(options.pop())
        options = []
    texts = "--src", given["SOURCE"], "--trg", given["TARGET"]
    code, out, err = command("align", "--model", tiny_run, *texts, *options)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert message in err
