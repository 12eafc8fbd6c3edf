"""CONTRIBUTING.md: what it shows is what stands in the files."""

from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_diff_of_an_attention_is_real() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    diff = text.split("```diff\n")[1].split("```")[0].splitlines()
    assert 30 < len(diff) < 60
    there: list[str] = []
    for line in diff:
        if line.startswith("+++ b/"):
            there = (ROOT / line.removeprefix("+++ b/")).read_text(encoding="utf-8").splitlines()
        elif line.startswith("+"):
            assert line[1:] in there, line
