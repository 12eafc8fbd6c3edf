from dataclasses import replace
from datetime import UTC, datetime

from nmt.report.folders import curves, recorded_scores, training_costs, validations
from nmt.results import Result, Score, Training, Versions
from reporting import PAIRS, system

RUN = system("a", [pair.trg for pair in PAIRS]).runs[0]
RESULT = Result(
    name="a",
    date=datetime(2026, 1, 1, tzinfo=UTC),
    dataset="corpus",
    split="test",
    sentences=3,
    scores=(Score(metric="perplexity", form="char", score=5.925, signature="eos:yes"),),
    versions=Versions(python="3.11"),
    training=Training(updates=1500, epochs=41.67, wall_minutes=2.5),
    parameters=132_664,
)


def test_a_recorded_score_has_its_text_and_signature() -> None:
    grid = recorded_scores([replace(RUN, recorded={"result.json": RESULT})], "a note")
    cells = ["a-1", "result.json", "corpus test", "perplexity (char)", "5.92", "2026-01-01", "–", "eos:yes"]
    assert grid.rows == [cells]
    assert grid.note == "a note"


def test_the_cost_of_training_is_shown_where_it_is_known() -> None:
    grid = training_costs([RUN, replace(RUN, name="b", recorded={"result.json": RESULT})])
    assert grid.rows == [["b", "132,664", "1,500", "41.7", "2.5", "–", "–"]]


def test_figures_that_no_run_has_have_no_column_and_no_picture() -> None:
    labels = replace(RUN, name="b", curves={"validation/accuracy": ([1, 2], [0.5, 0.75])})
    grid = validations([RUN, labels])
    assert grid.columns == ["run", "update", "BLEU", "accuracy"]
    assert grid.rows == [
        ["a-1", "2", "20.000", "–"],
        ["b", "1", "–", "0.500"],
        ["b", "2", "–", "0.750"],
    ]
    drawn = [*curves([[RUN], [labels]])]
    assert [each.title.partition(" (")[0] for each in drawn] == [
        "Loss, nats per token",
        "Validation BLEU",
        "Validation accuracy",
    ]
    assert [line.colour for line in drawn[-1].lines if line.dots] == [1]
