"""Figures as svg: accuracy over the strengths of disturbances, and over shares of the training faces, by method."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from benchmarks.guidance.estimates import mean_over_runs
from benchmarks.guidance.groups import Family, Group, curve_name
from benchmarks.guidance.scores import HEADLINE
from fer_au.atomic import write_atomically
from fer_au.evaluation.disturbance_cards import CARDS, STRENGTHS

_STYLE: Any = {"svg.hashsalt": "fer_au", "svg.fonttype": "path", "font.size": 8, "axes.spines.top": False}
_PANEL = (2.4, 1.9)  # inches
_COLUMNS = 4


def draw_disturbances(path: Path, family: Family) -> bool:
    """Draw the accuracy of a family's groups over the strengths of every disturbance; False if none was done.

    Raises:
        StoreError: The disk refuses.
    """
    names = [name for name in CARDS if any(_curve(group, name) is not None for group in family.groups)]
    if not names:
        return False
    rows = -(-(len(names) + 1) // _COLUMNS)
    with matplotlib.rc_context({**_STYLE, "axes.spines.right": False}):
        figure = Figure(figsize=(_PANEL[0] * _COLUMNS, _PANEL[1] * rows), layout="constrained")
        panels = figure.subplots(rows, _COLUMNS, squeeze=False, sharey=True).ravel()
        for panel, name in zip(panels, names, strict=False):
            for number, group in enumerate(family.groups):
                if (curve := _curve(group, name)) is not None:
                    _line(panel, range(STRENGTHS + 1), curve, number, group.name)
            panel.set_title(name.replace("_", " "))
        for panel in panels[len(names) :]:
            panel.set_axis_off()
        handles, labels = panels[0].get_legend_handles_labels()
        panels[len(names)].legend(handles, labels, frameon=False, loc="center left")
        panels[0].set_ylabel("accuracy, %")
        figure.supxlabel("strength (0: as it is)")
        _write(path, figure)
    return True


def draw_fractions(path: Path, curves: Mapping[str, Sequence[Sequence[Group]]]) -> bool:
    """Draw the accuracy of methods over shares of the training faces, a panel per data set; False without any.

    Raises:
        StoreError: The disk refuses.
    """
    if not curves:
        return False
    with matplotlib.rc_context({**_STYLE, "axes.spines.right": False}):
        figure = Figure(figsize=(2 * _PANEL[0] * len(curves), 1.6 * _PANEL[1]), layout="constrained")
        panels = figure.subplots(1, len(curves), squeeze=False)[0]
        for panel, (title, methods) in zip(panels, curves.items(), strict=True):
            for number, groups in enumerate(methods):
                found = [mean_over_runs([HEADLINE[0].number(run) for run in one.runs.values()]) for one in groups]
                curve = np.array([(one.value, one.low, one.high) for one in found])
                _line(panel, [100 * one.train.fraction for one in groups], curve, number, curve_name(groups))
            shares = sorted({100 * one.train.fraction for groups in methods for one in groups})
            panel.set_xscale("log")
            panel.set_xticks(shares, [f"{share:g}" for share in shares], minor=False)
            panel.set_xticks([], minor=True)
            panel.set_xlabel("share of the training faces, %")
            panel.set_title(title)
            panel.legend(frameon=False)
        panels[0].set_ylabel("accuracy, %")
        _write(path, figure)
    return True


def _curve(group: Group, name: str) -> np.ndarray | None:
    """Give the mean accuracy and its interval at each strength, (6, 3); None where it wasn't measured."""
    found = []
    for strength in range(STRENGTHS + 1):
        key = f"robustness.{name}.{strength}.accuracy"
        one = mean_over_runs([run.result.number(key) for run in group.runs.values()])
        found.append((one.value, one.low, one.high))
    curve = np.array(found)
    return curve if np.isfinite(curve[:, 0]).all() else None


def _line(panel: Any, places: Sequence[float], curve: np.ndarray, number: int, label: str) -> None:  # noqa: ANN401
    ends = 100 * curve
    panel.plot(places, ends[:, 0], "o-", ms=2.5, linewidth=1, color=f"C{number}", label=label)
    if np.isfinite(ends[:, 1]).all():
        panel.fill_between(places, ends[:, 1], ends[:, 2], color=f"C{number}", alpha=0.1, linewidth=0)


def _write(path: Path, figure: Figure) -> None:
    content = io.BytesIO()
    figure.savefig(content, format="svg", metadata={"Date": None})
    write_atomically(path, content.getvalue())
