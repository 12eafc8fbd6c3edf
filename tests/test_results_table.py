from pathlib import Path

import pytest

from nmt.evaluation.report import load_results, table_is_current

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["README.md", "experiments/README.md"])
def test_the_results_table_agrees_with_the_results(name: str) -> None:
    current = table_is_current(ROOT / name, load_results(ROOT / "experiments"))
    assert current, f"{name} differs from experiments/*/result.json; run nmt report"
