"""nmt.runtime.load_language_model: log-probabilities are those of nmt score --force."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.errors import UserError
from nmt.runtime import load, load_labeller, load_language_model
from nmt.runtime.language_model import GraphLanguageModel
from nmt.workflows.export import export_run

Command = Callable[..., tuple[object, str, str]]
LINES = ["abca no", "", "o", " b  dabcab ro", "xyz"]


@pytest.fixture
def folder(language_model_run: Path, tmp_path: Path) -> Path:
    return export_run(language_model_run, tmp_path / "out", "float32", lambda _: None)


def test_log_probabilities_are_those_of_force(
    folder: Path, language_model_run: Path, tmp_path: Path, command: Command
) -> None:
    text = tmp_path / "text"
    text.write_text("".join(f"{line}\n" for line in LINES), encoding="utf-8")
    code, _, err = command(
        "score", "--model", language_model_run, "--force", "--text", text, "--save", tmp_path / "forced"
    )
    assert (code, err) == (0, "")
    forced = (tmp_path / "forced").read_text(encoding="utf-8").splitlines()
    expected = [json.loads(line)["log_prob"] for line in forced]
    model = load_language_model(folder)
    assert model.log_probs(LINES) == pytest.approx(expected, abs=1e-4)
    small = GraphLanguageModel(**{**vars(model), "tokens_per_batch": 1})
    assert small.log_probs(LINES) == pytest.approx(expected, abs=1e-4)
    assert model.log_probs([]) == []


def test_another_kind_is_refused_with_what_to_use(folder: Path, exported: Path) -> None:
    with pytest.raises(UserError, match=r"translates nothing; see nmt\.runtime\.load_language_model"):
        load(folder)
    with pytest.raises(UserError, match=r"labels nothing; see nmt\.runtime\.load_language_model"):
        load_labeller(folder)
    with pytest.raises(UserError, match="gives text no probability; see nmt translate and"):
        load_language_model(exported)
