"""A model that the memory cannot hold is refused before anything is allocated or read."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from nmt.config import Experiment
from nmt.errors import UserError
from nmt.run import Run
from nmt.workflows.train import build_trainer, dry_run

WIDE = {"embedding": 65_536, "encoder": {"hidden": 65_536}, "decoder": {"hidden": 65_536}}


def experiment(folder: Path, **sections: Any) -> Experiment:
    data = {"builtin": {"train": 100}, "src": "de", "trg": "en", "prepared": str(folder / "prepared")}
    return Experiment.model_validate({"name": "x", "data": data, "training": {"device": "cpu"}, **sections})


@pytest.mark.parametrize(
    "model",
    [
        WIDE,
        {"encoder": {"layers": 1000, "hidden": 8192}},
        {"decoder": {"hidden": 65_536, "cell": {"kind": "deep_transition", "depth": 20}}},
    ],
)
def test_what_is_too_large_is_refused_before_the_data_are_read(tmp_path: Path, model: dict[str, Any]) -> None:
    wanted, console = experiment(tmp_path, model=model), Console(file=io.StringIO())
    for begin in (
        lambda: build_trainer(wanted, Run(tmp_path / "run"), console),
        lambda: dry_run(wanted, console),
    ):
        with pytest.raises(
            UserError, match=r"model: [\d,]+ parameters need [\d,.]+ GB to train .*lower hidden"
        ):
            begin()
    assert not list(tmp_path.iterdir())


def test_the_vocabulary_that_was_found_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = {
        "builtin": {"train": 100},
        "src": "de",
        "trg": "en",
        "prepared": str(tmp_path / "prepared"),
        "tokenizer": {"kind": "word", "min_frequency": 1},
    }
    side = {"hidden": 8}
    wanted = experiment(tmp_path, data=data, model={"embedding": 64, "encoder": side, "decoder": side})
    monkeypatch.setattr("nmt.machine.memory", lambda: 200_000)
    with pytest.raises(UserError, match=r"need 0.* GB to train"):
        build_trainer(wanted, Run(tmp_path / "run"), Console(file=io.StringIO()))
    assert (tmp_path / "prepared").is_dir()
