"""nmt.cli.commands: what a function becomes as a command."""

from pathlib import Path
from typing import Annotated, NamedTuple

import pytest
import typer

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
