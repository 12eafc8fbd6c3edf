"""What is kept in experiments/: tables, results that can be repeated, reports that can be passed on."""

import re
from pathlib import Path

import pytest

from nmt.evaluation.report import load_results, table_is_current
from nmt.workflows.reproduce import read_recorded

ROOT = Path(__file__).parents[1]
EXPERIMENTS = ROOT / "experiments"


@pytest.mark.parametrize(
    ("name", "results"),
    [
        ("README.md", "experiments"),
        ("experiments/README.md", "experiments"),
        ("experiments/multi30k-variants/README.md", "experiments/multi30k-variants"),
        ("experiments/multi30k-levers/README.md", "experiments/multi30k-levers"),
        ("experiments/multi30k-records/README.md", "experiments/multi30k-records"),
    ],
)
def test_the_results_table_agrees_with_the_results(name: str, results: str) -> None:
    current = table_is_current(ROOT / name, load_results(ROOT / results))
    assert current, f"{name} differs from {results}/*/result.json; run nmt report --results {results} {name}"


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.rglob("result.json")), ids=lambda path: path.parent.name)
def test_a_result_says_how_it_was_trained(path: Path) -> None:
    recorded = read_recorded(path)
    training, result = recorded.configuration["training"], recorded.result
    assert isinstance(training, dict)
    assert recorded.configuration["name"] == result.name
    assert recorded.configuration["seed"] == result.seed
    assert result.training
    assert training["max_updates"] >= result.training.updates
    assert recorded.command[0] in ("train", "score")


@pytest.mark.parametrize("name", ["report.html", "result.json"])
def test_no_file_names_a_place_of_the_machine_that_made_it(name: str) -> None:
    for path in EXPERIMENTS.rglob(name):
        assert not re.findall(r"""(?<=[\s"'=:>])/\w[\w.-]*/[\w./-]*""", path.read_text("utf-8")), path
