"""Lay out line charts of training histories as plain geometry; the template turns it into themed SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 340, 200
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 26
Point = tuple[float, float]


@dataclass(frozen=True)
class Tick:
    """Tick of an axis: its place in the picture and its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """Curve of one experiment: polylines (broken where values are missing) and its last point."""

    name: str
    colour: int
    paths: list[str]
    end: Point | None
    value: str
    best: Point | None


@dataclass(frozen=True)
class Chart:
    """Panel of one history column over the epochs, with a line per experiment."""

    title: str
    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


def nice_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Choose round values (1, 2 or 5 times a power of ten apart) between ``low`` and ``high``.

    >>> nice_ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    span = high - low
    if not span > 0:
        return [low]
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = min((power * factor for factor in (1, 2, 5, 10)), key=lambda size: abs(math.log(size / raw)))
    digits = max(0, -math.floor(math.log10(step)) + 1)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, digits) + 0.0 for index in range(first, last + 1)]


def line_chart(
    title: str,
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    colours: Mapping[str, int],
    best: Mapping[str, float],
) -> Chart:
    """Lay out one panel.

    Args:
        title: Name of the history column.
        series: Experiment -> (epochs, values); NaN breaks the line.
        colours: Experiment -> colour index of the page.
        best: Experiment -> the epoch whose weights were kept, if known.
    """
    x_all = [x for epochs, _ in series.values() for x in epochs]
    y_all = [y for _, values in series.values() for y in values if math.isfinite(y)]
    x_low, x_high = min(x_all, default=0.0), max(x_all, default=1.0)
    y_low, y_high = min(y_all, default=0.0), max(y_all, default=1.0)
    margin = 0.05 * (y_high - y_low) or max(abs(y_high) * 0.05, 0.05)
    y_low, y_high = y_low - margin, y_high + margin

    def place(x: float, y: float) -> Point:
        across = (x - x_low) / ((x_high - x_low) or 1.0)
        up = (y - y_low) / (y_high - y_low)
        return (
            round(LEFT + across * (WIDTH - LEFT - RIGHT), 2),
            round(HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 2),
        )

    return Chart(
        title,
        [_line(name, colours[name], *series[name], best.get(name), place) for name in series],
        [Tick(place(x, y_low)[0], f"{x:g}") for x in nice_ticks(x_low, x_high, 5) if x == int(x)],
        [Tick(place(x_low, y)[1], f"{y:g}") for y in nice_ticks(y_low, y_high)],
    )


def _line(
    name: str,
    colour: int,
    epochs: Sequence[float],
    values: Sequence[float],
    best: float | None,
    place: Callable[[float, float], Point],
) -> Line:
    runs: list[list[Point]] = [[]]
    kept: Point | None = None
    for x, y in zip(epochs, values, strict=True):
        if math.isfinite(y):
            runs[-1].append(place(x, y))
            kept = runs[-1][-1] if best is not None and x == best else kept
        elif runs[-1]:
            runs.append([])
    paths = [" ".join(f"{x:g},{y:g}" for x, y in run) for run in runs if run]
    finite = [y for y in values if math.isfinite(y)]
    last = next((run[-1] for run in reversed(runs) if run), None)
    return Line(name, colour, paths, last, f"{finite[-1]:.4g}" if finite else "none", kept)
