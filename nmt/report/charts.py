"""Line charts as geometry: what a template needs to draw them as SVG, in units of about a pixel."""

import math
from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 360, 230
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 8, 36  # margins around the plot
MOST_POINTS = 200  # of a thin line, of which more are averaged
_TICKS = 5  # about as many on an axis


class Series(NamedTuple):
    """A line to draw. colour: a number, the same for all lines of a system. thin: without dots, averaged."""

    colour: int
    xs: Sequence[float]
    ys: Sequence[float]
    thin: bool = False


class Line(NamedTuple):
    """A line as SVG has it: the points of each stretch without gaps, and the dots on it."""

    colour: int
    thin: bool
    stretches: list[str]
    dots: list[tuple[float, float]]


class Tick(NamedTuple):
    """A mark on an axis."""

    at: float
    label: str


class Chart(NamedTuple):
    """A chart. summary: what it shows, for a person who does not see it."""

    title: str
    x_label: str
    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    summary: str


def draw(title: str, x_label: str, series: Sequence[Series], summary: str) -> Chart | None:
    """Return the chart of some lines, None where no line has a point; NaN is a gap."""
    shown = [_averaged(each) if each.thin else each for each in series]
    points = [
        pair for each in shown for pair in zip(each.xs, each.ys, strict=True) if not math.isnan(pair[1])
    ]
    if not points:
        return None
    x_axis, y_axis = (_ticks(min(side), max(side)) for side in zip(*points, strict=True))

    def x(value: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * _share(value, x_axis), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * _share(value, y_axis), 1)

    lines = []
    for each in shown:
        placed = [None if math.isnan(b) else (x(a), y(b)) for a, b in zip(each.xs, each.ys, strict=True)]
        dots = [] if each.thin else [point for point in placed if point]
        lines.append(Line(each.colour, each.thin, _stretches(placed), dots))
    return Chart(
        title,
        x_label,
        lines,
        [Tick(x(value), f"{value:,g}") for value in x_axis],
        [Tick(y(value), f"{value:,g}") for value in y_axis],
        summary,
    )


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers that span both; at least two."""
    span = high - low or abs(high) or 1.0
    step = 10.0 ** math.floor(math.log10(span / _TICKS))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (factor * step) <= _TICKS)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = max(0, -math.floor(math.log10(step)))
    return [round(number * step, digits) for number in range(first, max(last, first + 1) + 1)]


def _share(value: float, axis: Sequence[float]) -> float:
    return (value - axis[0]) / (axis[-1] - axis[0])


def _stretches(points: Sequence[tuple[float, float] | None]) -> list[str]:
    found: list[list[str]] = [[]]
    for point in points:
        if point is None:
            found.append([])
        else:
            found[-1].append(f"{point[0]:g},{point[1]:g}")
    return [" ".join(each) for each in found if each]


def _averaged(series: Series) -> Series:
    """Return it with at most MOST_POINTS points, each the mean of its neighbours that are numbers."""
    size = math.ceil(len(series.xs) / MOST_POINTS)
    if size <= 1:
        return series
    xs, ys = [], []
    for at in range(0, len(series.xs), size):
        numbers = [value for value in series.ys[at : at + size] if not math.isnan(value)]
        near = series.xs[at : at + size]
        xs.append(sum(near) / len(near))
        ys.append(sum(numbers) / len(numbers) if numbers else math.nan)
    return series._replace(xs=xs, ys=ys)
