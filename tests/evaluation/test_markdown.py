"""nmt.evaluation.markdown: tables."""

from nmt.evaluation.markdown import table


def test_nothing_in_a_text_ends_its_cell() -> None:
    assert table(["a", "b"], [["x|y\nz", "1"]], [1]) == "| a | b |\n| --- | ---: |\n| x\\|y z | 1 |"
