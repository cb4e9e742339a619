"""Write the numbers of the page as tables for ``dvc plots``: long form, a row per experiment and what it is about."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fer_au.csv_files import harmless, write_csv
from fer_au.report.collect import Experiment
from fer_au.report.statistics import confusion
from fer_au.results.sweeps import Sweep

CLASS_SCORES = ("accuracy", "precision", "f1", "att_cos", "att_ccos", "att_class_rank")
"""Scores ``per_class.<class>.<score>`` that the table of classes has."""

CONFUSION = ("experiment", "true", "predicted", "images", "share")
PER_CLASS = ("experiment", "class", *CLASS_SCORES)
SWEEPS = ("dataset", "setting", "sweep", "value", "metric", "score", "low", "high", "runs", "experiments")

Rows = Iterable[Sequence[str]]


def write_plots(folder: Path, experiments: Sequence[Experiment], sweeps: Sequence[Sweep]) -> None:
    """Write ``curves.csv``, ``confusion.csv``, ``per_class.csv`` and ``sweeps.csv``; equal results give equal bytes.

    A table without rows has its header alone.

    Args:
        folder: Folder of the tables; made if it is missing.
        experiments: Experiments of the page.
        sweeps: Their sweeps.

    Raises:
        DataError: A store is damaged.
        StoreError: The disk refuses.
    """
    columns = list(dict.fromkeys(key for one in experiments for key in one.history if key != "epoch"))
    write_csv(folder / "curves.csv", ("experiment", "epoch", *columns), _curves(experiments, columns))
    write_csv(folder / "confusion.csv", CONFUSION, _confusions(experiments))
    write_csv(folder / "per_class.csv", PER_CLASS, _classes(experiments))
    write_csv(folder / "sweeps.csv", SWEEPS, _sweeps(sweeps))


def _curves(experiments: Sequence[Experiment], columns: Sequence[str]) -> Rows:
    for one in experiments:
        for place, epoch in enumerate(one.epochs):
            own = [_number(one.history[key][place]) if key in one.history else "" for key in columns]
            yield one.name, f"{epoch:g}", *own


def _confusions(experiments: Sequence[Experiment]) -> Rows:
    for one in experiments:
        matrix = confusion(one)
        for label, row in zip(matrix.rows, matrix.values, strict=True):
            images = sum(own == label for own in one.labels)
            for predicted, share in zip(matrix.columns, row.tolist(), strict=True):
                count = round(share * images) if images else 0
                yield one.name, label, predicted, str(count), _number(share)


def _classes(experiments: Sequence[Experiment]) -> Rows:
    for one in experiments:
        for label in one.classes:
            yield one.name, label, *(_number(one.number(f"per_class.{label}.{score}")) for score in CLASS_SCORES)


def _sweeps(sweeps: Sequence[Sweep]) -> Iterator[Sequence[str]]:
    for sweep in sweeps:
        for point in sweep.points:
            head = (sweep.dataset, sweep.key, sweep.name, harmless(point.text))
            runs = str(len(point.experiments)), " ".join(point.experiments)
            for metric, score in point.scores.items():
                yield *head, metric, *(_number(value) for value in (score.value, score.low, score.high)), *runs


def _number(value: float) -> str:
    """Write a number; an unknown one is an empty cell."""
    return f"{value:.6g}" if math.isfinite(value) else ""
