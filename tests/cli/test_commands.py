"""nmt.cli.commands: what a function becomes as a command."""

from pathlib import Path
from typing import Annotated, NamedTuple

import pytest
import typer

import nmt
from nmt.cli import COMMANDS, make_app
from nmt.cli.commands import add, group


class Some(NamedTuple):
    model: Annotated[Path, typer.Option()]
    beam: Annotated[int, typer.Option(min=1, help="how wide")] = 5


def test_the_fields_of_a_tuple_are_options(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    found = []

    def run(context: typer.Context, some: Some, word: Annotated[str, typer.Option()] = "a") -> None:
        """Do it."""
        found.append((str(context.command.name), some, word))

    app = group("Commands.")
    add(app, run)
    app.callback()(lambda: None)
    app(["run", "--model", "~/a", "--beam", "2"], standalone_mode=False)
    app(["run", "--model", "b", "--word", "c"], standalone_mode=False)
    assert found == [("run", Some(tmp_path / "a", 2), "a"), ("run", Some(Path("b"), 5), "c")]
    app(["run", "--help"], standalone_mode=False)
    assert "how wide" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_alone_is_that_of_the_whole(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    helps = []
    for app in (make_app(name), make_app()):
        app([name.replace("_", "-"), "--help"], prog_name="nmt", standalone_mode=False)
        helps.append(capsys.readouterr().out)
    assert helps[0] == helps[1]
    assert "Usage: nmt" in helps[0]


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    make_app()(["--version"], standalone_mode=False)
    assert capsys.readouterr().out == f"nmt {nmt.__version__}\n"
