"""Lay out what disturbed test images did to the experiments of a data set: a table and a curve per disturbance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fer_au.evaluation.bootstrap import PairedDifference, bootstrap_share, holm, paired_bootstrap
from fer_au.evaluation.disturbance_cards import CARDS, STRENGTHS
from fer_au.evaluation.power import detectable_difference
from fer_au.evaluation.robustness_metrics import Answers, Curve, read_curve
from fer_au.evaluation.robustness_store import read_answers
from fer_au.report.collect import Estimate, Experiment
from fer_au.report.curves import Chart, line_chart
from fer_au.results.differences import plain_twin


@dataclass(frozen=True)
class RobustRow:
    """Row of one experiment under one disturbance.

    Attributes:
        experiment: Its name.
        accuracy: Accuracy at strengths 0 to 5.
        kept: Share of the clean accuracy that is kept on average.
        attention: ``att_ccos`` at strengths 0 to 5.
        gap: Accuracy under the control, minus that at strength 5.
        changed: Share of images whose answer is another at strength 5.
        reference: Name of its plain twin among the experiments of the table; empty if it has none.
        difference: Mean loss of accuracy, minus that of the twin; None where nothing is compared.
        p: p-value of no difference, corrected for all comparisons of the data set; NaN where nothing is compared.
        detectable: Smallest difference that would have been found; NaN where nothing is compared.
    """

    experiment: str
    accuracy: list[float]
    kept: Estimate
    attention: list[float]
    gap: Estimate
    changed: Estimate
    reference: str
    difference: Estimate | None
    p: float
    detectable: float = math.nan


@dataclass(frozen=True)
class RobustTable:
    """Table and curve of one disturbance.

    Attributes:
        disturbance: Its name.
        unit: What its strengths are.
        strengths: The strengths, in words, after ``clean``.
        control: What its control is; empty if it has none.
        images: Number of images of each experiment, in words.
        references: Names of the experiments that others are compared with.
        rows: A row per experiment.
        charts: Accuracy and attention over the strengths.
    """

    disturbance: str
    unit: str
    strengths: list[str]
    control: str
    images: str
    references: list[str]
    rows: list[RobustRow]
    charts: list[Chart]


def robustness_tables(experiments: Sequence[Experiment], colours: Mapping[str, int]) -> list[RobustTable]:
    """Lay out a table per disturbance that any experiment of a data set was scored under; none if none was.

    Args:
        experiments: Experiments on one data set.
        colours: Experiment -> colour index of the page.
    """
    answers = {one.name: read_answers(one.results) for one in experiments}
    tables = []
    for name, card in CARDS.items():
        curves = {one.name: _curve(one, answers[one.name], name) for one in experiments if name in answers[one.name]}
        scored = [one for one in experiments if one.name in curves and len(curves[one.name].rows)]
        if not scored:
            continue
        rows = [_row(one, name, curves, plain_twin(one, scored)) for one in scored]
        references = list(dict.fromkeys(row.reference for row in rows if row.reference))
        counts = ", ".join(dict.fromkeys(str(len(curves[one.name].rows)) for one in scored))
        charts = _charts(rows, colours)
        strengths = [f"{strength:g}" for strength in card.strengths]
        tables.append(RobustTable(name, card.unit, strengths, card.control, counts, references, rows, charts))
    return _corrected(tables)


def _charts(rows: Sequence[RobustRow], colours: Mapping[str, int]) -> list[Chart]:
    places = [float(place) for place in range(STRENGTHS + 1)]
    series = {
        "accuracy": {row.experiment: (places, row.accuracy) for row in rows},
        "att_ccos": {row.experiment: (places, row.attention) for row in rows if math.isfinite(row.attention[0])},
    }
    return [line_chart(title, lines, colours, {}) for title, lines in series.items() if lines]


def _curve(experiment: Experiment, found: Mapping[str, Answers], name: str) -> Curve:
    order = {label: index for index, label in enumerate(experiment.classes)}
    return read_curve(found, name, np.array([order.get(label, -1) for label in experiment.labels], np.int64))


def _accuracy(curve: Curve) -> list[float]:
    accuracies: list[float] = curve.correct.mean(axis=0).tolist()
    return accuracies


def _attention(experiment: Experiment, name: str) -> list[float]:
    return [experiment.number(f"robustness.{name}.{place}.att_ccos") for place in range(STRENGTHS + 1)]


def _row(experiment: Experiment, name: str, curves: Mapping[str, Curve], twin: Experiment | None) -> RobustRow:
    curve = curves[experiment.name]
    compared = None if twin is None else _compare(experiment, curve, twin, curves[twin.name])
    gap, changed = curve.gap(), curve.changed[:, -1]
    return RobustRow(
        experiment.name,
        _accuracy(curve),
        Estimate(curve.relative_accuracy, *curve.relative_interval()),
        _attention(experiment, name),
        Estimate(gap.difference, gap.low, gap.high),
        Estimate(float(changed.mean()), *bootstrap_share(changed)),
        "" if twin is None else twin.name,
        None if compared is None else Estimate(compared.difference, compared.low, compared.high),
        math.nan if compared is None else compared.p,
        math.nan if compared is None else detectable_difference(compared),
    )


def _compare(one: Experiment, curve: Curve, other: Experiment, other_curve: Curve) -> PairedDifference | None:
    """Compare the mean losses of two experiments on the images that both were scored on; None if there is none."""
    own, theirs = _losses(one, curve), _losses(other, other_curve)
    shared = [id_ for id_ in own if id_ in theirs]
    if not shared:
        return None
    return paired_bootstrap(np.array([own[id_] for id_ in shared]), np.array([theirs[id_] for id_ in shared]))


def _losses(experiment: Experiment, curve: Curve) -> dict[str, float]:
    ids = experiment.results.ids
    return {ids[row]: loss for row, loss in zip(curve.rows.tolist(), curve.losses.tolist(), strict=True)}


def _corrected(tables: Sequence[RobustTable]) -> list[RobustTable]:
    """Correct the p-values for all comparisons of the tables."""
    corrected = iter(holm([row.p for table in tables for row in table.rows]))
    return [replace(table, rows=[replace(row, p=next(corrected)) for row in table.rows]) for table in tables]
