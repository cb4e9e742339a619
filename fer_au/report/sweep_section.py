"""Lay out sweeps: a panel per metric over the values of one setting, a line for each sweep of that setting."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fer_au.report.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Point, Tick, nice_ticks
from fer_au.results.sweeps import METRICS, Sweep, SweepScore

_INSET = 24  # pixels between the axes and the first and last value
_MOST_LETTERS = 9  # of a value under the axis

WORDS = {
    "weight": "weight of the guidance (lambda)",
    "layers": "guided layers",
    "landmark_noise": "noise on the landmarks of the cue, in inter-ocular distances",
    "cue": "cue",
    "loss": "loss of the guidance",
    "backbone": "backbone",
    "head": "head",
    "lr": "learning rate",
    "epochs": "epochs",
    "alpha": "alpha",
}
"""Last part of a setting's key -> what it is, in words."""


@dataclass(frozen=True)
class Whisker:
    """Score in a panel: its place, and the ends of its interval; equal to it where there is none."""

    at: Point
    low: float
    high: float


@dataclass(frozen=True)
class SweepLine:
    """Line of one sweep in a panel; without a path where its values have no order."""

    name: str
    colour: int
    path: str
    whiskers: list[Whisker]


@dataclass(frozen=True)
class SweepPanel:
    """Panel of one metric."""

    title: str
    lines: list[SweepLine]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


@dataclass(frozen=True)
class SweepRow:
    """Row of the table: one value of one sweep.

    Attributes:
        name: The sweep.
        colour: Colour of its line.
        value: The value.
        experiments: Names of its runs.
        scores: Score of each of the table's metrics; None where it is unknown.
    """

    name: str
    colour: int
    value: str
    experiments: tuple[str, ...]
    scores: list[SweepScore | None]


@dataclass(frozen=True)
class SweepFigure:
    """All sweeps of one setting on one data set.

    Attributes:
        dataset: The data set.
        key: Dotted key of the setting.
        words: What it is; the key's last part where that says it.
        metrics: Metrics that are drawn.
        panels: A panel per metric.
        rows: The table.
        named: Whether there are several sweeps, so that their names are needed.
    """

    dataset: str
    key: str
    words: str
    metrics: list[str]
    panels: list[SweepPanel]
    rows: list[SweepRow]
    named: bool


def sweep_figures(sweeps: Sequence[Sweep]) -> list[SweepFigure]:
    """Lay out the sweeps, those of one setting and data set together."""
    together: dict[tuple[str, str], list[Sweep]] = {}
    for sweep in sweeps:
        together.setdefault((sweep.dataset, sweep.key), []).append(sweep)
    return [_figure(dataset, key, own) for (dataset, key), own in together.items()]


def _figure(dataset: str, key: str, sweeps: Sequence[Sweep]) -> SweepFigure:
    known = {metric for sweep in sweeps for point in sweep.points for metric in point.scores}
    metrics = [metric for metric in METRICS if metric in known]
    values = _values(sweeps)
    rows = [
        SweepRow(sweep.name, colour, point.text, point.experiments, [point.scores.get(metric) for metric in metrics])
        for colour, sweep in enumerate(sweeps)
        for point in sweep.points
    ]
    last = key.rpartition(".")[2]
    panels = [_panel(metric, sweeps, values) for metric in metrics]
    return SweepFigure(dataset, key, WORDS.get(last, last), metrics, panels, rows, len(sweeps) > 1)


def _values(sweeps: Sequence[Sweep]) -> list[str]:
    """List the values of all sweeps in one order: numbers by size, others as they come."""
    values = list(dict.fromkeys(point.text for sweep in sweeps for point in sweep.points))
    return sorted(values, key=float) if all(sweep.numeric for sweep in sweeps) else values


def _panel(metric: str, sweeps: Sequence[Sweep], values: Sequence[str]) -> SweepPanel:
    found = [score for sweep in sweeps for point in sweep.points if (score := point.scores.get(metric))]
    ends = [end for score in found for end in (score.value, score.low, score.high) if math.isfinite(end)]
    margin = 0.05 * (max(ends) - min(ends)) or 0.05
    low, high = min(ends) - margin, max(ends) + margin

    def across(text: str) -> float:
        step = (WIDTH - LEFT - RIGHT - 2 * _INSET) / max(1, len(values) - 1)
        return round(LEFT + _INSET + values.index(text) * step, 2)

    def up(value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 2)

    lines = []
    for colour, sweep in enumerate(sweeps):
        whiskers = [
            Whisker((across(point.text), up(score.value)), *_ends(score, up))
            for point in sweep.points
            if (score := point.scores.get(metric)) and math.isfinite(score.value)
        ]
        ordered = sweep.numeric or sweep.key.endswith(".layers")  # a line between networks would say nothing
        path = " ".join(f"{one.at[0]:g},{one.at[1]:g}" for one in whiskers) if ordered else ""
        lines.append(SweepLine(sweep.name, colour, path, whiskers))
    x_ticks = [Tick(across(text), _shortened(text)) for text in values]
    return SweepPanel(metric, lines, x_ticks, [Tick(up(y), f"{y:g}") for y in nice_ticks(low, high)])


def _ends(score: SweepScore, up: Callable[[float], float]) -> tuple[float, float]:
    ends = [end if math.isfinite(end) else score.value for end in (score.low, score.high)]
    return up(ends[0]), up(ends[1])


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 1]}…"
