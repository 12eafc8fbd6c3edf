"""nmt.builders.trained: a training starts from a run, and leaves frozen parameters as they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.config import Experiment
from nmt.errors import UserError
from tests.support.training import build, experiment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start")
    build(folder / "run", experiment(folder)).train()
    return folder


def weights(run: Path, config: Experiment) -> dict[str, torch.Tensor]:
    trainer = build(run, config)
    return {name: parameter.detach().clone() for name, parameter in trainer.parameters.items()}


def test_it_begins_with_the_weights_of_the_run(start: Path, tmp_path: Path) -> None:
    found = weights(tmp_path / "run", experiment(start, init_from=str(start / "run")))
    expected = weights(start / "run", experiment(start))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_what_is_frozen_stays_and_the_rest_learns(start: Path, tmp_path: Path) -> None:
    config = experiment(start, init_from=str(start / "run"), freeze=["encoder", "head.output.bias"])
    trainer = build(tmp_path / "run", config)
    before = {name: parameter.detach().clone() for name, parameter in trainer.parameters.items()}
    trainer.train()
    same = {name for name, parameter in trainer.parameters.items() if torch.equal(parameter, before[name])}
    assert same == {name for name in before if name.startswith("encoder.") or name == "head.output.bias"}


def test_a_resumed_run_is_bit_for_bit_the_one_that_never_stopped(
    start: Path, tmp_path: Path, everything: Callable[[Path], dict[str, Any]]
) -> None:
    given = {"init_from": str(start / "run"), "freeze": ["decoder"]}
    build(tmp_path / "whole", experiment(start, **given)).train()
    build(tmp_path / "parts", experiment(start, **given, max_updates=4)).train()
    build(tmp_path / "parts", experiment(start, **given)).train()
    assert everything(tmp_path / "parts") == everything(tmp_path / "whole")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["encoderx"], "encoderx names no parameter; expected src_embedding, "),
        (["enc"], "enc names no parameter"),
        (
            ["src_embedding", "encoder", "bridge", "decoder", "head"],
            "leaves nothing to train",
        ),
    ],
)
def test_what_cannot_be_frozen_is_refused(
    start: Path, tmp_path: Path, names: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        build(tmp_path / "run", experiment(start, freeze=names))


def test_other_shapes_are_refused_with_both(start: Path, tmp_path: Path) -> None:
    tree = experiment(start, init_from=str(start / "run")).model_dump()
    tree["model"]["encoder"]["hidden"] = 12
    with pytest.raises(UserError, match=r"encoder\.\S+ should be \(.*\), found \(.*\); take"):
        build(tmp_path / "run", Experiment.model_validate(tree))


def test_other_tokens_are_refused(start: Path, tmp_path: Path) -> None:
    tree = experiment(tmp_path, init_from=str(start / "run")).model_dump()
    tree["data"]["tokenizer"]["vocab_size"] = 410
    with pytest.raises(UserError, match=r"training\.init_from: .* has other source tokens than this run"):
        build(tmp_path / "run", Experiment.model_validate(tree))
