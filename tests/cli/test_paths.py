"""Every path of the command line and of the configuration is one that the system allows, ~ expanded."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nmt.cli import main
from nmt.config import load_experiment
from nmt.config.experiment import Experiment
from nmt.config.loading import dump_experiment
from nmt.errors import UserError

CONFIG = """
name: paths
data:
  tsv: {train: ~/t.tsv, validation: ~/t.tsv}
  tokenizer: {kind: char}
  filters: {drop_test_overlap: false}
  prepared: ~/prepared
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "t.tsv").write_text("ein Haus\ta house\n" * 3)
    (folder / "config.yaml").write_text(CONFIG)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    yield folder
    assert not (tmp_path / "~").exists()


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["nmt", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert isinstance(end.value.code, int)
    return end.value.code


def test_a_tilde_is_the_home_folder_everywhere(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "prepare", "~/config.yaml") == 0
    assert f"prepared in {home}/prepared/" in capsys.readouterr().out
    assert run(monkeypatch, "show", "--model", "~/run") == 2
    assert f"{home}/run" in capsys.readouterr().err


@pytest.mark.parametrize(
    "override",
    [
        "data.prepared",
        "data.tsv.train",
        "data.dataset",
        "data.files.train.src",
        "data.text.train",
        "data.labelled.test",
        "data.tokenizer.path",
        "model.embeddings.trg",
    ],
)
@pytest.mark.parametrize(
    ("value", "found"), [("x" * 300, "300 bytes, longer than"), ('"a\\0b"', "NUL in it: 'a.x00b'")]
)
def test_a_name_that_no_file_can_have_is_one_line(home: Path, override: str, value: str, found: str) -> None:
    with pytest.raises(UserError, match=rf"{override}: expected a path, found one .*{found}"):
        load_experiment(
            home / "config.yaml", ["data.tokenizer={kind: saved, path: x}", f"{override}={value}"]
        )


@pytest.mark.parametrize(
    "words", [["prepare", "{}"], ["lab", "attention", "--model", "{}"], ["score", "--hyp={}"]]
)
def test_a_path_too_long_for_the_system_is_one_line(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("x" * 300, "x/" * 3000):
        assert run(monkeypatch, *(word.format(name) for word in words)) == 2
        err = capsys.readouterr().err
        assert err.startswith("nmt: expected a path, found one of ")
        assert err.count("\n") == 1


def test_a_configuration_keeps_its_paths(home: Path) -> None:
    experiment = load_experiment(home / "config.yaml")
    assert experiment.data.prepared == str(home / "prepared")
    (home / "again.yaml").write_text(dump_experiment(experiment))
    assert load_experiment(home / "again.yaml") == experiment


def test_a_name_of_a_run_is_no_longer_than_a_folder_may_be() -> None:
    with pytest.raises(ValueError, match="at most 200 characters"):
        Experiment.model_validate({"name": "x" * 300, "data": {"tsv": {"train": "a", "validation": "b"}}})
