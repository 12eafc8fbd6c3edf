"""`nmt check`, run as a person runs it."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from nmt.workflows import check_invariance as checking

Command: TypeAlias = Callable[..., tuple[object, str, str]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "in").write_text("der Hund läuft\n\nthe dog runs across a street\n")
    return tmp_path / "in"


def test_a_row_for_each_way(command: Command, tiny_run: Path, data: Path) -> None:
    code, out, err = command("check", "--model", tiny_run, "--data", data)
    assert (code, err) == (0, "")
    _, *rows = out.splitlines()
    expected = [" ".join(way) for way in checking.ways(["float64", "float32", "int8"])]
    assert [" ".join(row.split()).split(" 3 ")[0] for row in rows] == expected
    assert all(row.endswith(("passed", "not judged")) for row in rows)
    assert sum(row.endswith("not judged") for row in rows) == 1


@pytest.mark.parametrize("text", ["", "\n \n\n"])
def test_nothing_to_check_is_no_success(
    command: Command,
    tiny_run: Path,
    tmp_path: Path,
    text: str,
) -> None:
    (tmp_path / "in").write_text(text)
    code, out, err = command("check", "--model", tiny_run, "--data", tmp_path / "in")
    assert (code, out) == (2, "")
    assert err == f"nmt: --data {tmp_path / 'in'}: expected lines to translate, found none with text\n"


def test_differences_are_shown_and_end_in_1(
    command: Command, tiny_run: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    way, difference = checking.ways(["float64"])[0], checking.Difference(3, "▁the ▁dog", "▁a ▁dog", 0.25)
    outcome = checking.Outcome(way, 3, [difference], 0.0)
    monkeypatch.setattr(checking, "check_run", lambda *arguments, **options: iter([outcome]))
    code, out, _ = command("check", "--model", tiny_run, "--data", data)
    assert code == 1
    assert "FAILED" in out
    assert f"{data}: line 3, float64, as it is, an eighth; closest decision of the search: 2.5e-01" in out
    assert "  expected  ▁the ▁dog\n  found     ▁a ▁dog\n" in out


def test_a_mistake_is_one_line(command: Command, tiny_run: Path) -> None:
    code, out, err = command("check", "--model", tiny_run, "--data", "nowhere")
    assert (code, out) == (2, "")
    assert err == "nmt: nowhere: cannot be read (No such file or directory); give the path of a text file\n"


def test_search_errors_are_counted_and_shown(
    command: Command, tiny_run: Path, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "ref").write_text("the dog runs\n\nder Hund läuft über eine Straße\n")
    code, out, err = command(
        "check", "--model", tiny_run, "--data", data, "--search", "--ref", tmp_path / "ref"
    )
    assert (code, err) == (0, "")
    rows = [" ".join(row.split()) for row in out.splitlines()]
    assert rows[0] == "lines 2 100.0%"
    assert [row.rsplit(" ", 2)[0] for row in rows[1:7]] == [
        "the model prefers the reference: search errors",
        "the search may not write the reference",
        "the translation is the best output",
        "exact search found a better one",
        "… which is empty",
        "not known: the budget ran out",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--search"], "--search: expected a reference for each line; give --ref FILE"),
        (["--ref", "x"], "--ref: no effect without --search; leave it out"),
        (["--budget", "7"], "--budget: no effect without --search; leave it out"),
    ],
)
def test_an_option_without_the_one_it_needs(
    command: Command, tiny_run: Path, data: Path, arguments: list[str], message: str
) -> None:
    code, out, err = command("check", "--model", tiny_run, "--data", data, *arguments)
    assert (code, out, err) == (2, "", f"nmt: {message}\n")
