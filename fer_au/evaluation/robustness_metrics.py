"""Sum up what a model answered to disturbed images: curves over the strengths, what is left of them, and intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_au.evaluation.averages import macro_mean
from fer_au.evaluation.bootstrap import PairedDifference, bootstrap_share, paired_bootstrap
from fer_au.evaluation.map_scores import FloatArray
from fer_au.evaluation.metrics_file import Metric, interval_metrics

CLEAN, CONTROL = "clean", ".control"
UNDEFINED = np.iinfo(np.uint16).max
"""Answer on an image that could not be disturbed."""
RELIANCE = "background_reliance"
_SWAPPED = "background_swapped"
_RESAMPLES = 10_000


@dataclass(frozen=True)
class Answers:
    """Answers of a model to one disturbance of the images of a split.

    Attributes:
        predicted: (N, K) uint16 predicted classes, in K strengths; ``UNDEFINED`` where there is none.
        att_ccos: (N, K) float16 centred cosines of the last layer's attention with the AU map; NaN where undefined.
    """

    predicted: NDArray[np.uint16]
    att_ccos: NDArray[np.float16]

    @classmethod
    def empty(cls, images: int, strengths: int) -> Answers:
        """Make room for so many answers, all undefined."""
        shape = images, strengths
        return cls(np.full(shape, UNDEFINED, np.uint16), np.full(shape, np.nan, np.float16))


@dataclass(frozen=True)
class Curve:
    """What a model answered to one disturbance, from the clean images (strength 0) to the strongest.

    Attributes:
        rows: (n,) positions in the split of the images that could be disturbed.
        correct: (n, 6) 1.0 where the answer is right, else 0.0.
        changed: (n, 6) 1.0 where it is another than on the clean image, else 0.0.
        att_ccos: (n, 6) centred cosines of the attention; NaN where undefined.
        control_correct: (n,) as ``correct`` under the control; NaN where there is none.
        control_changed: (n,) as ``changed``.
        control_att_ccos: (n,) as ``att_ccos``.
    """

    rows: NDArray[np.int64]
    correct: FloatArray
    changed: FloatArray
    att_ccos: FloatArray
    control_correct: FloatArray
    control_changed: FloatArray
    control_att_ccos: FloatArray

    @property
    def areas(self) -> FloatArray:
        """(n,) area under each image's own curve of right answers, by trapezes, in [0, 1]."""
        return np.asarray(np.trapezoid(self.correct, dx=1 / (self.correct.shape[1] - 1), axis=1), np.float64)

    @property
    def losses(self) -> FloatArray:
        """(n,) how far the area lies below the clean image's answer: what a model loses on average."""
        return np.asarray(self.correct[:, 0] - self.areas, np.float64)

    @property
    def relative_accuracy(self) -> float:
        """Area under the accuracy's curve, divided by the clean accuracy; NaN without a right answer."""
        right = self.correct[:, 0].sum()
        return float(self.areas.sum() / right) if right else float("nan")

    def relative_interval(self) -> tuple[float, float]:
        """Give the 95 % percentile interval of ``relative_accuracy``: images are drawn with replacement.

        Returns:
            Lower and upper end; both NaN where every resample is the same, or one has no right answer.
        """
        # Few pairs of area and clean answer differ, so that it is drawn how often each occurs.
        pairs, counts = np.unique(np.stack([self.areas, self.correct[:, 0]], axis=1), axis=0, return_counts=True)
        if len(pairs) < 2:
            return float("nan"), float("nan")
        total = int(counts.sum())
        drawn = np.random.default_rng(0).multinomial(total, counts / total, _RESAMPLES) @ pairs
        if not drawn[:, 1].all():
            return float("nan"), float("nan")
        low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
        return float(low), float(high)

    def gap(self) -> PairedDifference:
        """Compare right answers under the control with those under the strongest disturbance, on the same images."""
        return paired_bootstrap(self.control_correct, self.correct[:, -1])


def disturbance_names(found: Mapping[str, object]) -> list[str]:
    """List the disturbances among the names of answers."""
    return [name for name in found if name != CLEAN and not name.endswith(CONTROL)]


def read_curve(found: Mapping[str, Answers], name: str, labels: NDArray[np.int64]) -> Curve:
    """Join the answers to the clean images with those to one disturbance, and to its control.

    Args:
        found: Name -> answers.
        name: Name of the disturbance.
        labels: (N,) true classes.
    """
    rows = np.flatnonzero(found[name].predicted[:, 0] != UNDEFINED)
    parts = found[CLEAN], found[name]
    predicted = np.concatenate([part.predicted[rows] for part in parts], axis=1)
    fits = np.concatenate([part.att_ccos[rows] for part in parts], axis=1).astype(np.float64)
    control = found.get(f"{name}{CONTROL}") or Answers.empty(len(labels), 1)
    answer = control.predicted[rows, 0]
    correct, changed = (
        np.where(answer == UNDEFINED, np.nan, values)
        for values in (answer == labels[rows], answer != found[CLEAN].predicted[rows, 0])
    )
    return Curve(
        rows,
        (predicted == labels[rows, None]).astype(np.float64),
        (predicted != predicted[:, :1]).astype(np.float64),
        fits,
        np.asarray(correct, np.float64),
        np.asarray(changed, np.float64),
        control.att_ccos[rows, 0].astype(np.float64),
    )


def robustness_metrics(
    found: Mapping[str, Answers], labels: NDArray[np.int64], names: Sequence[str]
) -> dict[str, Metric]:
    """Sum answers up: ``robustness.<disturbance>.*`` and ``background_reliance``, with intervals.

    Args:
        found: Name -> answers of N images.
        labels: (N,) true classes.
        names: Names of the N true classes.
    """
    metrics: dict[str, Metric] = {}
    for name in disturbance_names(found):
        curve, key = read_curve(found, name, labels), f"robustness.{name}"
        metrics[f"{key}.n"] = len(curve.rows)
        if not len(curve.rows):
            continue
        metrics |= _curve_metrics(curve, key, [names[row] for row in curve.rows])
        if name == _SWAPPED:
            metrics[RELIANCE] = float(curve.changed[:, -1].mean())
            metrics |= interval_metrics(RELIANCE, *bootstrap_share(curve.changed[:, -1]))
    return metrics


def _curve_metrics(curve: Curve, key: str, names: Sequence[str]) -> dict[str, Metric]:
    metrics: dict[str, Metric] = {}
    fits = [macro_mean(curve.att_ccos[:, place], names) for place in range(curve.att_ccos.shape[1])]
    for place, fit in enumerate(fits):
        metrics[f"{key}.{place}.accuracy"] = float(curve.correct[:, place].mean())
        metrics[f"{key}.{place}.changed"] = float(curve.changed[:, place].mean())
        metrics[f"{key}.{place}.att_ccos"] = fit
    metrics[f"{key}.relative_accuracy"] = curve.relative_accuracy
    metrics |= interval_metrics(f"{key}.relative_accuracy", *curve.relative_interval())
    metrics[f"{key}.mean_att_ccos"] = float(np.trapezoid(fits, dx=1 / (len(fits) - 1)))
    if not np.isnan(curve.control_correct).all():
        gap = curve.gap()
        metrics[f"{key}.control.accuracy"] = float(np.nanmean(curve.control_correct))
        metrics[f"{key}.control.changed"] = float(np.nanmean(curve.control_changed))
        metrics[f"{key}.control.att_ccos"] = macro_mean(curve.control_att_ccos, names)
        metrics[f"{key}.gap"] = gap.difference
        metrics |= interval_metrics(f"{key}.gap", gap.low, gap.high)
    return metrics
