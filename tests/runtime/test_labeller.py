"""nmt.runtime.load_labeller: labels are those of the run, without torch; other kinds are refused."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.builders.labeller import load_labeller as load_in_torch
from nmt.errors import Diverged, UserError
from nmt.runtime import load, load_labeller, load_language_model
from nmt.runtime.labeller import GraphLabeller
from nmt.workflows.export import export_run

Command = Callable[..., tuple[object, str, str]]
LINES = ["a b c", "", "d", " ", "d c b a a a b never seen", "  b a  "]


@pytest.fixture
def folder(labeller_run: Path, tmp_path: Path) -> Path:
    return export_run(labeller_run, tmp_path / "out", "float32", lambda _: None)


def test_labels_are_those_of_the_run(folder: Path, labeller_run: Path) -> None:
    graph = load_labeller(folder)
    expected = load_in_torch(labeller_run, device="cpu").label(LINES)
    assert graph.label(LINES) == expected
    assert len(set(expected)) > 2
    assert graph.label([]) == []
    small = GraphLabeller(**{**vars(graph), "tokens_per_batch": 4})
    assert small.label(LINES) == expected


def test_neither_torch_nor_pydantic_is_needed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("a b\n\n", encoding="utf-8")
    work = (
        "import sys; sys.modules.update(torch=None, pydantic=None)\n"
        "from pathlib import Path\n"
        "from nmt.cli.predict import predict\n"
        "predict(*map(Path, sys.argv[1:]))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    job = [sys.executable, "-c", work, folder, tmp_path / "in"]
    done = subprocess.run(job, capture_output=True, text=True, env=environment)
    assert (done.stdout.splitlines(), done.stderr) == (load_labeller(folder).label(["a b", ""]), "")


def test_what_is_not_a_number_is_no_label(folder: Path) -> None:
    class Broken:
        def run(self, names: object, inputs: dict[str, object]) -> list[object]:
            (found,) = load_labeller(folder).session.run(None, inputs)
            return [found * float("nan")]

    broken = GraphLabeller(**{**vars(load_labeller(folder)), "session": Broken()})
    with pytest.raises(Diverged, match="no label"):
        broken.label(["a"])


def test_another_kind_is_refused_with_what_to_use(
    folder: Path, exported: Path, tmp_path: Path, command: Command
) -> None:
    with pytest.raises(
        UserError, match=r"translates nothing; see nmt predict and nmt\.runtime\.load_labeller"
    ):
        load(folder)
    with pytest.raises(UserError, match=r"gives text no probability; see nmt predict and"):
        load_language_model(folder)
    with pytest.raises(UserError, match=r"kind seq2seq, which labels nothing; see nmt translate and"):
        load_labeller(exported)
    (tmp_path / "in").write_text("a b\n", encoding="utf-8")
    code, out, err = command("translate", "--model", folder, "--input", tmp_path / "in")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "see nmt predict" in err
    code, out, err = command("predict", "--model", exported, "--input", tmp_path / "in")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "see nmt translate" in err


def test_another_vocabulary_of_labels_is_refused(folder: Path) -> None:
    for path in (folder / "tokenizer").glob("src*"):
        shutil.copy(path, path.with_name(path.name.replace("src", "trg")))
    with pytest.raises(UserError, match="the target tokenizer belongs to another model"):
        load_labeller(folder)
