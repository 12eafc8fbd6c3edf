import math

from nmt.report.charts import HEIGHT, LEFT, MOST_POINTS, TOP, WIDTH, Series, draw


def test_axes_have_round_numbers_around_all_points() -> None:
    chart = draw("t", "updates", [Series(0, [20, 3700], [1.3, 8.2])], "s")
    assert chart is not None
    assert [tick.label for tick in chart.x_ticks] == ["0", "1,000", "2,000", "3,000", "4,000"]
    assert [tick.label for tick in chart.y_ticks] == ["0", "2", "4", "6", "8", "10"]
    assert chart.x_ticks[0].at == LEFT
    assert chart.y_ticks[-1].at == TOP
    ((x, y), (then, below)) = chart.lines[0].dots
    assert 0 < x < then < WIDTH
    assert 0 < below < y < HEIGHT


def test_small_numbers_and_one_value_have_axes_too() -> None:
    small = draw("t", "u", [Series(0, [1, 2], [0.0002, 0.002])], "s")
    assert small is not None
    assert [tick.label for tick in small.y_ticks] == ["0", "0.0005", "0.001", "0.0015", "0.002"]
    for value in (0.0, 5.0, -3.0):
        level = draw("t", "u", [Series(0, [4], [value])], "s")
        assert level is not None
        assert len(level.y_ticks) >= 2
        assert float(level.y_ticks[0].label) <= value <= float(level.y_ticks[-1].label)


def test_a_gap_parts_a_line() -> None:
    chart = draw("t", "u", [Series(0, [1, 2, 3, 4], [1, math.nan, 2, 3])], "s")
    assert chart is not None
    assert [len(points.split()) for points in chart.lines[0].stretches] == [1, 2]
    assert len(chart.lines[0].dots) == 3


def test_a_long_thin_line_is_averaged() -> None:
    xs = [*range(1000)]
    chart = draw("t", "u", [Series(1, xs, [float(x % 2) for x in xs], thin=True)], "s")
    assert chart is not None
    (line,) = chart.lines
    (points,) = line.stretches
    assert len(points.split()) == MOST_POINTS
    assert line.dots == []


def test_no_points_make_no_chart() -> None:
    assert draw("t", "u", [Series(0, [], []), Series(1, [1], [math.nan])], "s") is None
