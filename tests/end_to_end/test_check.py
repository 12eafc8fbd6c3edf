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
