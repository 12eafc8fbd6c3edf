from typing import Any

import pytest
from pydantic import ValidationError

from nmt.config import Experiment

DATA: dict[str, Any] = {"builtin": {}}


def experiment(**sections: Any) -> Experiment:
    return Experiment.model_validate({"name": "demo", "data": DATA, **sections})


def refusal(**sections: Any) -> str:
    with pytest.raises(ValidationError) as error:
        experiment(**sections)
    return str(error.value)


def test_a_name_and_a_corpus_are_enough() -> None:
    assert experiment().training.max_updates == 10000


def test_a_section_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        experiment().seed = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "found none of them"),
        ({"dataset": "a/b", "builtin": {}}, "found dataset and builtin"),
        ({"builtin": {}, "src": "en"}, "src and trg are both 'en'"),
    ],
)
def test_a_corpus_is_one_and_has_two_sides(data: dict[str, Any], message: str) -> None:
    assert message in refusal(data=data)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"encoder": {"hidden": 5}}, "two directions need an even number"),
        (
            {"encoder": {"hidden": 4}, "decoder": {"hidden": 6, "attention": {"kind": "dot"}}},
            "needs encoder.hidden = decoder.hidden, found 4 and 6",
        ),
        (
            {"decoder": {"hidden": 6, "attention": {"kind": "multi_head", "heads": 4}}},
            "heads is 4, which does not divide decoder.hidden 6",
        ),
    ],
)
def test_widths_must_fit(model: dict[str, Any], message: str) -> None:
    assert message in refusal(model=model)


def test_an_odd_width_is_fine_in_one_direction() -> None:
    assert experiment(model={"encoder": {"hidden": 5, "bidirectional": False}}).model.encoder.hidden == 5


def test_three_way_tying_needs_one_vocabulary() -> None:
    separate = {**DATA, "tokenizer": {"kind": "word"}}
    assert "found false" in refusal(data=separate, model={"tie_embeddings": "three_way"})
    assert experiment(data=separate, model={"tie_embeddings": "two_way"}).model.tie_embeddings == "two_way"
    assert experiment(model={"tie_embeddings": "three_way"}).data.tokenizer.shared


def test_a_run_must_end() -> None:
    assert "nothing ends this run" in refusal(training={"max_updates": None})
    for budget in ({"max_epochs": 3}, {"max_minutes": 5}):
        falling = {"max_updates": None, "schedule": {"kind": "cosine"}, **budget}
        assert experiment(training=falling).training.max_updates is None
