"""nmt.evaluation.card: what the card of a model says."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from nmt.data.directions import Direction
from nmt.evaluation.card import Card, usage
from nmt.results import Result, Score, Training, Versions
from nmt.runtime.bundle import PRETRAINED
from nmt.runtime.manifest import Manifest


@pytest.fixture
def manifest() -> Manifest:
    found = Manifest.load(PRETRAINED / "de-en")
    assert found
    return found


def result(dataset: str, *scores: tuple[str, float], training: Training | None = None) -> Result:
    return Result(
        name="x",
        date=datetime.now(UTC),
        dataset=dataset,
        split="test",
        sentences=1200,
        scores=tuple(
            Score(metric=name, form="some", score=score, signature="a:b|c:d") for name, score in scores
        ),
        training=training,
        commit="c0ffee",
        seed=7,
        versions=Versions(python="3"),
    )


def card(manifest: Manifest, *results: Result, corpus: str = "train.tsv") -> Card:
    return Card(
        address="hf://some/model",
        title="",
        manifest=manifest,
        licence="mit",
        corpus=corpus,
        results=results,
        checked=["float32 unlike torch 0"],
        weights=False,
    )


def test_a_hub_reads_the_scores_of_its_own_data_set(manifest: Manifest, tmp_path: Path) -> None:
    found = [result("some/data", ("BLEU", 41.234)), result("/home/me/b.en", ("chrF2", 60.0))]
    (tmp_path / "README.md").write_text(card(manifest, *found, corpus="some/data").text(), encoding="utf-8")
    data = ModelCard.load(tmp_path / "README.md").data
    assert (data.model_name, data.datasets, data.language) == ("model", ["some/data"], ["de", "en"])
    assert [
        (each.dataset_type, each.dataset_name, each.metric_type, each.metric_value)
        for each in data.eval_results or []
    ] == [("some/data", "some/data", "bleu", 41.23), ("custom", "b.en", "chrf", 60.0)]
    local = card(manifest, corpus="a.tsv + some/data").text()
    assert "datasets" not in local
    assert "/home/me" not in card(manifest, *found).text()


def test_the_score_of_one_label_is_in_the_table_alone(manifest: Manifest) -> None:
    text = card(
        replace(manifest, kind="classifier"),
        result("d", ("accuracy", 90.0), ("F1", 80.0), ("macro-F1", 70.0)),
    ).text()
    front, _, body = text.removeprefix("---\n").partition("---\n")
    assert "accuracy" in front
    assert "80.0" not in front
    assert "| d, test | 1,200 | F1 (some) | 80.00 | - | `a:b\\|c:d` |" in body
    assert "pipeline_tag: text-classification" in front


@pytest.mark.parametrize(
    ("cpu", "expected"), [(3.2, "5,000 updates took 3 CPU minutes."), (None, "5,000 updates took 9 minutes.")]
)
def test_the_cost_and_where_it_was_trained(manifest: Manifest, cpu: float | None, expected: str) -> None:
    cost = Training(updates=5000, epochs=1, wall_minutes=9, cpu_minutes=cpu, commit="f00d")
    text = card(manifest, result("d", ("BLEU", 1.0), training=cost)).text()
    assert expected in text
    assert "Seed 7, commit of nmt: f00d." in text
    assert "commit of nmt: c0ffee." in card(manifest, result("d", ("BLEU", 1.0))).text()


def test_a_model_of_several_languages_is_told_which(manifest: Manifest) -> None:
    assert "--to" not in usage(manifest, "m")
    both = (Direction("de", "en", "<2en>"), Direction("de", "fr", "<2fr>"))
    found = usage(replace(manifest, directions=both), "m")
    assert "nmt translate --model m --to en\n" in found
    assert 'nmt.runtime.load("m", to="en").translate(' in found
    some_without = (Direction("de", "en", ""), *both)
    assert "to en" not in usage(replace(manifest, directions=some_without), "m")
