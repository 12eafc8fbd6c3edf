"""The verdict on a repetition of a result."""

from datetime import UTC, datetime

import pytest

from nmt.evaluation.reproduction import judge
from nmt.results import Machine, Result, Score, Training, Versions


def result(
    bleu: float = 30.0, *, seed: int = 1, train: str = "ab", torch: str = "2.13", cpu: str = "A"
) -> Result:
    return Result(
        name="x",
        date=datetime(2026, 11, 20, 12, tzinfo=UTC),
        dataset="corpus",
        split="test",
        sentences=10,
        scores=(Score(metric="BLEU", form="cased", score=bleu, signature="nrefs:1"),),
        training=Training(updates=5, epochs=1.0, wall_minutes=1.0, commit="c" * 40),
        seed=seed,
        commit="c" * 40,
        versions=Versions(python="3.11", torch=torch),
        machine=Machine(device="cpu", description=cpu, threads=1),
        data_hashes={"train": train * 32},
        tokenizers={"src": "cd" * 32},
    )


def test_equal_scores_data_and_tokenizers_are_identical() -> None:
    verdict = judge(result(), result(), [])
    assert verdict.same
    assert verdict.line == "identical: 1 scores to the last digit, 1 data hashes, 1 tokenizers"
    assert judge(result(), result(torch="2.14"), []).line.endswith("; version of torch: 2.13, found 2.14")


def test_a_score_that_differs_is_judged_by_the_seeds() -> None:
    again = result(30.4)
    alone = judge(result(), again, [])
    assert not alone.same
    assert "score BLEU (cased): expected 30.0, found 30.4; no spread of seeds is known" in alone.line
    assert "versions, source and machine are the same" in alone.line
    wide = judge(result(), again, [result(29.5, seed=2)])
    assert wide.same
    assert "BLEU (cased) +0.40, found 30.4, and the seeds 1, 2 differ by up to 0.50" in wide.line
    narrow = judge(result(), again, [result(29.8, seed=2), result(29.9, seed=3)])
    assert not narrow.same
    assert "the seeds 1, 2, 3 differ by up to 0.20" in narrow.line


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (result(31.0, train="ef"), "data hash of train: expected abababababab, found efefefefefef"),
        (result(31.0, torch="2.14"), "probable cause: version of torch: 2.13, found 2.14"),
        (result(31.0, cpu="B"), "probable cause: machine: A, 1 threads, found B, 1 threads"),
        (result(31.0).model_copy(update={"commit": "d" * 40}), "source: commit cccccccccccc, found cccccc"),
        (
            result().model_copy(update={"tokenizers": {}}),
            "tokenizer of src: expected cdcdcdcdcdcd, found none",
        ),
        (result().model_copy(update={"scores": ()}), "score BLEU (cased): expected 30.0, found none"),
        (
            result().model_copy(
                update={"scores": (result().scores[0].model_copy(update={"signature": "s"}),)}
            ),
            "expected signature nrefs:1, found s",
        ),
    ],
)
def test_the_first_difference_is_named_with_its_cause(found: Result, message: str) -> None:
    verdict = judge(result(), found, [])
    assert not verdict.same
    assert verdict.line.startswith("different: ")
    assert message in verdict.line


def test_other_data_are_a_difference_even_if_the_scores_are_close() -> None:
    assert not judge(result(), result(train="ef"), [result(40.0, seed=2)]).same
