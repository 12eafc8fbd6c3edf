"""Weights by the names of earlier versions: files that those wrote, and the logits that they gave."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from nmt.builders.model import build_language_model, build_model
from nmt.config.model import LanguageModelConfig, ModelConfig
from nmt.layers.earlier_names import by_todays_names
from nmt.models import LanguageModel, Seq2Seq, Source

EARLIER = Path(__file__).parents[1] / "golden" / "earlier"
CASES: dict[str, Any] = json.loads((EARLIER / "logits.json").read_text(encoding="utf-8"))


def built(section: dict[str, Any]) -> LanguageModel | Seq2Seq:
    if section.get("kind") == "language_model":
        return build_language_model(LanguageModelConfig.model_validate(section), 9)
    return build_model(ModelConfig.model_validate(section), 9, 9)


@pytest.mark.parametrize("name", CASES)
def test_a_model_of_an_earlier_version_gives_the_same_logits(name: str) -> None:
    model = built(CASES[name]["model"]).eval()
    weights = by_todays_names(load_file(EARLIER / f"{name}.safetensors"))
    assert set(weights) == {name for name, _ in model.named_parameters()}
    model.load_state_dict(weights, strict=False)
    source = Source(torch.tensor([[4, 5, 6, 3], [7, 3, 0, 0]]), torch.tensor([4, 2]))
    trg_in = torch.tensor([[2, 5, 6], [2, 6, 0]])
    model.double()
    features = model(trg_in)[0] if isinstance(model, LanguageModel) else model(source, trg_in).features
    found = model.head(features)[:, 1].flatten().tolist()
    assert found == pytest.approx(CASES[name]["logits"], abs=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_todays_names_stay_as_they_are(name: str) -> None:
    weights = dict(built(CASES[name]["model"]).named_parameters())
    assert by_todays_names(weights) == weights


def test_what_does_not_fit_together_stays_as_it_is() -> None:
    """So that it is refused by its own name."""
    for weights in (
        {"cells.0.bias": torch.zeros(3), "cells.0.bias_hn": torch.zeros(2)},
        {"cells.0.weight_hh": torch.zeros(3), "stack.cells.0.recurrent_proj.weight": torch.zeros(3)},
    ):
        assert by_todays_names(weights) == weights
