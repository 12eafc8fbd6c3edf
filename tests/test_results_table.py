from pathlib import Path

import pytest

from nmt.evaluation.report import load_results, table_is_current

ROOT = Path(__file__).parents[1]


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
