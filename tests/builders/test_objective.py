"""nmt.builders.objective: every objective trains, resumes exactly, and refuses what does not fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from nmt.config import Experiment
from nmt.errors import UserError
from nmt.machine import has_bfloat16
from tests.support.training import build, experiment

pytestmark = pytest.mark.slow

OBJECTIVES: list[dict[str, Any]] = [
    {"kind": "r_drop"},
    {"kind": "simcut"},
    {"kind": "distillation", "teachers": ["TEACHER", "TEACHER"]},
    {"kind": "scheduled_sampling"},
    {"kind": "minimum_risk", "samples": 3},
]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    build(folder / "run", experiment(folder)).train()
    return folder


def of(teacher: Path, objective: dict[str, Any]) -> dict[str, Any]:
    if "teachers" not in objective:
        return objective
    return {**objective, "teachers": [str(teacher / "run") for _ in objective["teachers"]]}


@pytest.mark.parametrize("objective", OBJECTIVES, ids=[each["kind"] for each in OBJECTIVES])
def test_a_resumed_run_is_bit_for_bit_the_one_that_never_stopped(
    objective: dict[str, Any],
    teacher: Path,
    tmp_path: Path,
    everything: Callable[[Path], dict[str, Any]],
) -> None:
    objective = of(teacher, objective)
    build(tmp_path / "whole", experiment(teacher, objective=objective)).train()
    build(tmp_path / "parts", experiment(teacher, objective=objective, max_updates=4)).train()
    build(tmp_path / "parts", experiment(teacher, objective=objective)).train()
    assert everything(tmp_path / "parts") == everything(tmp_path / "whole")


@pytest.mark.skipif(not has_bfloat16(), reason="this CPU has no bfloat16")
@pytest.mark.parametrize("objective", OBJECTIVES, ids=[each["kind"] for each in OBJECTIVES])
def test_every_weight_learns_in_bfloat16(objective: dict[str, Any], teacher: Path, tmp_path: Path) -> None:
    trainer = build(
        tmp_path / "run", experiment(teacher, objective=of(teacher, objective), precision="bfloat16")
    )
    with torch.autocast("cpu", torch.bfloat16):
        loss = trainer.objective(trainer.model, trainer.batches.largest()[0])
    loss.sum.backward()
    assert [name for name, each in trainer.model.named_parameters() if each.grad is None] == []


def test_a_teacher_with_other_tokens_is_refused(teacher: Path, tmp_path: Path) -> None:
    tree = experiment(tmp_path, objective=of(teacher, OBJECTIVES[2])).model_dump()
    tree["data"]["tokenizer"]["vocab_size"] = 410
    with pytest.raises(UserError, match="has other source tokens than this run: expected 410"):
        build(tmp_path / "run", Experiment.model_validate(tree))


def test_a_teacher_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        build(
            tmp_path / "run",
            experiment(tmp_path, objective={"kind": "distillation", "teachers": ["nowhere"]}),
        )


@pytest.mark.parametrize(
    ("objective", "data", "model", "message"),
    [
        (
            {"kind": "minimum_risk"},
            {"text": {"train": "x", "validation": "x"}},
            "language_model",
            "makes none",
        ),
        (
            {"kind": "scheduled_sampling"},
            {"labelled": {"train": "x", "validation": "x"}},
            "classifier",
            "does not",
        ),
        (
            {"kind": "distillation", "teachers": ["x"]},
            {"text": {"train": "x", "validation": "x", "lines": False}},
            "language_model",
            "one line at a time",
        ),
        (
            {"kind": "distillation", "teachers": []},
            {"text": {"train": "x", "validation": "x"}},
            "language_model",
            "at least 1",
        ),
        (
            {"kind": "r_drop", "weight": -1},
            {"text": {"train": "x", "validation": "x"}},
            "language_model",
            "greater than",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    objective: dict[str, Any], data: dict[str, Any], model: str, message: str
) -> None:
    best_by = "accuracy" if model == "classifier" else "loss"
    tokenizer = {"kind": "word", "min_frequency": 1}
    with pytest.raises(ValidationError, match=message):
        Experiment.model_validate(
            {
                "name": "x",
                "data": {**data, "tokenizer": tokenizer},
                "model": {"kind": model},
                "training": {"objective": objective, "best_by": best_by},
            }
        )
