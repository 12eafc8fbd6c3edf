from nmt.report.grid import Grid


def test_columns_of_numbers_are_known() -> None:
    grid = Grid(
        "A caption, too", ["a", "b", "c", "d"], [["x", "1,000", "–", "4.2 M"], ["y", "3", "−0.5 ± 1", "z"]]
    )
    assert grid.numeric == [False, True, True, False]
    assert grid.id == "a-caption-too"
