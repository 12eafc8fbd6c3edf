from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from nmt.config import Experiment
from nmt.config.data import DataConfig
from nmt.config.section import Section

DATA: dict[str, Any] = {"builtin": {}, "src": "de", "trg": "en"}


def experiment(**sections: Any) -> Experiment:
    return Experiment.model_validate({"name": "demo", "data": DATA, **sections})


def refusal(**sections: Any) -> str:
    with pytest.raises(ValidationError) as error:
        experiment(**sections)
    return str(error.value)


def test_a_name_and_a_corpus_are_enough() -> None:
    assert experiment().training.max_updates == 10000


def numbers(schema: object, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every number in a JSON schema, with where it stands."""
    if isinstance(schema, dict):
        if schema.get("type") in ("integer", "number"):
            yield place, schema
        for key, inner in schema.items():
            yield from numbers(inner, f"{place}/{key}")
    elif isinstance(schema, list):
        for inner in schema:
            yield from numbers(inner, place)


def test_every_number_has_a_lower_and_an_upper_bound_and_is_finite() -> None:
    found = dict(numbers(Experiment.model_json_schema()))
    assert len(found) > 60
    for place, schema in found.items():
        assert {"minimum", "exclusiveMinimum"} & schema.keys(), place
        assert {"maximum", "exclusiveMaximum"} & schema.keys(), place
    assert Section.model_config["allow_inf_nan"] is False


def test_a_section_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        experiment().seed = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "found none of them"),
        ({"dataset": "a/b", "builtin": {}}, "found dataset and builtin"),
        ({"builtin": {}, "src": "en", "trg": "en"}, "src and trg are both 'en'"),
        ({"builtin": {}, "trg": "en"}, "data.src missing: data.builtin holds several languages"),
        ({"dataset": "a/b"}, "data.src and data.trg missing: data.dataset holds several languages"),
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


TEXT = {"text": {"train": "a.txt", "held_out": 0.1}}
LABELLED = {"labelled": {"train": "a.tsv", "validation": "b.tsv"}}
LANGUAGE_MODEL = {"model": {"kind": "language_model"}, "training": {"best_by": "loss"}}


def test_a_model_is_seq2seq_unless_it_says_otherwise() -> None:
    assert experiment(model={"embedding": 3}).model.kind == "seq2seq"
    assert experiment(data=TEXT, **LANGUAGE_MODEL).model.kind == "language_model"


@pytest.mark.parametrize(
    ("text", "found"),
    [({}, "neither"), ({"held_out": 0.1, "validation": "b.txt"}, "both")],
)
def test_a_text_has_one_validation(text: dict[str, Any], found: str) -> None:
    message = f"exactly one of validation, held_out; found {found}"
    assert message in refusal(data={"text": {"train": "a.txt", **text}}, **LANGUAGE_MODEL)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"data": TEXT}, "model.kind seq2seq needs pairs and data.text has none"),
        (LANGUAGE_MODEL, "model.kind language_model reads one language; give data.text"),
        (
            {"data": TEXT, "model": LANGUAGE_MODEL["model"]},
            "training.best_by bleu needs translations",
        ),
        ({"data": LABELLED}, "model.kind seq2seq needs pairs and data.labelled has none"),
        ({"model": {"kind": "tagger"}}, "model.kind tagger learns labels; give data.labelled"),
        (
            {"data": LABELLED, "model": {"kind": "tagger"}},
            "data.tokenizer.kind bpe cuts a text otherwise; set data.tokenizer.kind: word",
        ),
        (
            {"data": LABELLED, "model": {"kind": "classifier"}},
            "training.best_by bleu needs translations, and model.kind classifier makes none; "
            "set training.best_by: accuracy",
        ),
        ({"training": {"best_by": "accuracy"}}, "accuracy needs labels, and model.kind seq2seq makes none"),
        (
            {
                "data": {**LABELLED, "tokenizer": {"kind": "saved", "path": "runs/demo/tokenizer"}},
                "model": {"kind": "classifier"},
            },
            "tokenizer.kind saved has its own target vocabulary",
        ),
        (
            {"data": LABELLED, "model": {"kind": "classifier", "encoder": {"hidden": 7}}},
            "encoder.hidden is 7; two directions need an even number",
        ),
        (
            {
                "data": {"text": {"train": "a.txt", "held_out": 0.1, "lines": False}},
                "model": LANGUAGE_MODEL["model"],
                "training": {"best_by": "loss", "tokens_per_batch": 64, "bptt": 65},
            },
            "tokens_per_batch is 64, less than a single row of training.bptt 65",
        ),
    ],
)
def test_data_and_model_go_together(sections: dict[str, Any], message: str) -> None:
    assert message in refusal(**sections)


BUILTIN = {"builtin": {}, "src": "de", "trg": "en"}
UNVALIDATED = {**BUILTIN, "builtin": {"validation": None}}


@pytest.mark.parametrize(
    ("corpora", "message"),
    [
        ([], "expected a validation split in one of them, found none"),
        ([UNVALIDATED], "expected a validation split in one of them, found none"),
        ([{**BUILTIN, "weight": 0}], "greater than 0"),
        ([{**BUILTIN, "weight": -1}], "greater than 0"),
        ([{**BUILTIN, "tag": "2de"}], "expected a token of its own such as <2de>, .*, found '2de'"),
        ([{**BUILTIN, "tag": "<2 de>"}], "found '<2 de>'"),
        ([{**BUILTIN, "tag": "<unk>"}], "found '<unk>'"),
        ([{**BUILTIN, "tag": "<0x41>"}], "found '<0x41>'"),
        ([{**BUILTIN, "tag": "<bt>"}], "all have a tag and none stands for a language"),
        ([{"builtin": {}}], "src and trg missing: builtin holds several languages"),
        ([{**BUILTIN, "tsv": {"train": "a"}}], "found tsv and builtin"),
    ],
)
def test_corpora_that_cannot_be_mixed_are_refused(corpora: list[object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DataConfig.model_validate({"corpora": corpora})


def test_corpora_name_their_own_languages() -> None:
    assert DataConfig.model_validate({"corpora": [BUILTIN, UNVALIDATED]}).tags == ()
    with pytest.raises(ValidationError, match=r"each of data\.corpora names its own; leave them out here"):
        DataConfig.model_validate({"corpora": [BUILTIN], "src": "de"})


def test_only_pairs_are_preprocessed_and_reversed() -> None:
    files = {"tsv": {"train": "a", "validation": "a"}}
    assert DataConfig.model_validate({**files, "preprocess": {"lowercase": True}}).preprocess.lowercase
    with pytest.raises(ValidationError, match="preprocess is for pairs"):
        DataConfig.model_validate({"labelled": files["tsv"], "preprocess": {"lowercase": True}})
    with pytest.raises(ValidationError, match="reverse_target is for pairs"):
        DataConfig.model_validate({"labelled": files["tsv"], "reverse_target": True})


def test_one_corpus_alone_is_validated() -> None:
    for corpus, key in [
        (UNVALIDATED, "builtin.validation"),
        ({"dataset": "x", "splits": {"validation": None}, "src": "de", "trg": "en"}, "splits.validation"),
        ({"files": {"train": {"src": "a", "trg": "b"}}}, "files.validation"),
        ({"labelled": {"train": "a"}}, "labelled.validation"),
    ]:
        with pytest.raises(ValidationError, match=f"{key} is missing: expected text to validate on"):
            DataConfig.model_validate(corpus)
