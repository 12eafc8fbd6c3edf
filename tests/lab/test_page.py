import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
import wandb

from nmt.errors import UserError
from nmt.lab.page import Page, number, open_folder, write
from nmt.training.tracking import Table

Command: TypeAlias = Callable[..., tuple[object, str, str]]


@pytest.fixture
def clean_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for variable in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(variable)
    for variable in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "NETRC"):
        monkeypatch.setenv(variable, str(tmp_path / "home" / variable))
    wandb.teardown()
    yield
    wandb.teardown()


def page() -> Page:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 2))
    figure.subplots().plot([1, 2])
    numbers = {"inner": Table(["a"], [[1]]), "odd": [float("nan"), 1 / 3, float("inf")]}
    return Page(
        "trial", {"lag": 3}, Table(["cell", "error"], [["lstm [1]", "0.1"]]), numbers, {"trial": figure}
    )


def test_a_page_is_a_picture_numbers_and_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(page(), open_folder(tmp_path / "new", "trial"), wandb="off")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["trial.json", "trial.png"]
    content = json.loads((tmp_path / "new" / "trial.json").read_text())
    assert content["settings"] == {"lag": 3}
    assert content["numbers"] == {"inner": {"columns": ["a"], "rows": [[1]]}, "odd": [None, 0.333333, None]}
    assert (tmp_path / "new" / "trial.png").read_bytes().startswith(b"\x89PNG")
    shown = capsys.readouterr().out
    assert "lstm [1]" in shown
    assert str(tmp_path / "new" / "trial.png") in shown.replace("\n", "")


@pytest.mark.slow
@pytest.mark.usefixtures("clean_wandb")
def test_wandb_gets_the_picture_and_the_table(tmp_path: Path) -> None:
    write(page(), tmp_path, wandb="offline")
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    records = [json.loads(line) for line in output.splitlines()]
    (history,) = [record["history"]["item"] for record in records if record["type"] == "history"]
    assert {"trial", "table"} <= {key.split(".")[0] for key in history}


@pytest.mark.slow
@pytest.mark.usefixtures("clean_wandb")
def test_a_wandb_that_fails_takes_nothing_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_args: object, **_settings: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(wandb, "init", refuse)
    write(page(), tmp_path, wandb="offline")
    warning = f"warning: wandb: not recording: no room; metrics go to {tmp_path} only"
    assert capsys.readouterr().err.splitlines() == [warning]
    assert (tmp_path / "trial.png").is_file()


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(UserError, match=r"taken: cannot be written: .*; give another folder"):
        open_folder(tmp_path / "taken", "trial")


def test_what_no_page_left_is_not_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write(page(), open_folder(folder, "trial"), wandb="off")
    assert open_folder(folder, "trial") == folder
    assert open_folder(folder, "other") == folder  # beside a page that is there
    (folder / "trial.json").write_text('{"thesis": 1}')
    with pytest.raises(UserError, match=r"mine: holds trial.json or pictures that nmt lab did not write"):
        open_folder(folder, "trial")
    (folder / "trial.json").unlink()
    with pytest.raises(UserError, match=r"holds trial.json or pictures"):
        open_folder(folder, "trial")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.1234567, "0.1235"),
        (0.0, "0.0000"),
        (3e-9, "3.0e-09"),
        (12345.6, "1.2e+04"),
        (float("inf"), "not finite"),
    ],
)
def test_a_small_or_large_number_is_a_power(value: float, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.slow
def test_the_commands_of_cells(command: Command, tmp_path: Path) -> None:
    small = ["--updates", "1", "--output", tmp_path]
    cells = ["--cells", "lstm:chrono=T,ln_lstm,deep_transition"]
    assert command("lab", "gradients", "--lag", "5", *cells, *small)[0] == 0
    code, out, _ = command("lab", "memory", "--task", "copying", "--lags", "3,5", *cells, *small)
    assert code == 0
    assert "lag 5, deep_transition: fraction of symbols wrong" in out
    names = {path.name for path in tmp_path.iterdir()}
    assert {"gradients.png", "explosion.png", "gradients.json", "memory-copying.png"} <= names

    code, _, err = command("lab", "memory", "--task", "adding", "--lags", "10,1", *small)
    assert code == 2
    assert "nmt: lag 1 is too short for adding; expected 2 or more" in err
    code, _, err = command("lab", "memory", "--task", "adding", "--lags", "10,x", *small)
    assert code == 2
    assert "nmt: --lags 10,x: expected whole numbers" in err


@pytest.mark.slow
def test_the_commands_of_a_model(command: Command, tiny_run: Path, tmp_path: Path) -> None:
    given = ["--model", tiny_run, "--output", tmp_path, "--split", "test", "--count", "3"]
    for study in ("gates", "attention", "exposure"):
        assert command("lab", study, *given)[0] == 0
        assert (tmp_path / f"{study}.json").is_file()
