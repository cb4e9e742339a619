"""The scores that are compared: numbers of a run, and, where they are means over images, each image's part in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.guidance.estimates import (
    Estimate,
    difference_over_runs,
    difference_over_runs_and_images,
    mean_over_runs,
)
from benchmarks.guidance.groups import Group, Run
from fer_au.evaluation.audit_metrics import STEPS
from fer_au.evaluation.disturbance_cards import CARDS
from fer_au.evaluation.robustness_metrics import Curve, read_curve

Parts = Callable[[Run], NDArray[np.float64]]
"""Gives the (N,) parts of the images in a score; NaN for images that have none."""


@dataclass(frozen=True)
class Score:
    """A score of a run.

    Attributes:
        key: Key of the metrics.
        title: Head of its column.
        percent: Whether it is shown in percent.
        parts: Parts of the images, whose mean it is; None where it is no mean over images.
        by_class: Whether that mean is one over the classes' means.
    """

    key: str
    title: str
    percent: bool = False
    parts: Parts | None = None
    by_class: bool = False

    def number(self, run: Run) -> float:
        """Read it of a run; NaN where it is absent."""
        return run.result.number(self.key)

    def mean(self, group: Group) -> Estimate:
        """Average it over the seeds of a group; a single seed has the interval over its images, where that is known."""
        runs = list(group.runs.values())
        if len(runs) != 1:
            return mean_over_runs([self.number(run) for run in runs])
        (run,) = runs
        return Estimate(self.number(run), *run.result.interval(self.key), runs=1, images=len(run.result.results))

    def gap(self, group: Group, reference: Group) -> Estimate:
        """Compare two groups on the seeds that both have."""
        seeds = [seed for seed in group.runs if seed in reference.runs]
        pairs = [(group.runs[seed], reference.runs[seed]) for seed in seeds]
        pairs = [pair for pair in pairs if all(math.isfinite(self.number(run)) for run in pair)]
        if (
            pairs
            and self.parts is not None
            and len({tuple(one.result.results.ids) for pair in pairs for one in pair}) == 1
        ):
            gaps = np.stack([self.parts(one) - self.parts(other) for one, other in pairs])
            return difference_over_runs_and_images(gaps, pairs[0][0].result.labels if self.by_class else None)
        return difference_over_runs([self.number(one) - self.number(other) for one, other in pairs])


def _correct(run: Run) -> NDArray[np.float64]:
    return run.result.correct


def _stored(name: str) -> Parts:
    return lambda run: run.result.image_scores(name)


def _of_slice(name: str) -> Parts:
    def parts(run: Run) -> NDArray[np.float64]:
        return np.where(run.slices[name].rows, run.result.correct, np.nan)

    return parts


def _of_curve(name: str, part: Callable[[Curve], NDArray[np.float64]]) -> Parts:
    def parts(run: Run) -> NDArray[np.float64]:
        order = {label: index for index, label in enumerate(run.result.classes)}
        labels = np.array([order.get(label, -1) for label in run.result.labels], np.int64)
        curve = read_curve(run.answers, name, labels)
        values = np.full(len(labels), np.nan)
        values[curve.rows] = part(curve)
        return values

    return parts


def _kept(curve: Curve) -> NDArray[np.float64]:
    """Each image's part in a ratio of means, to first order."""
    clean = curve.correct[:, 0]
    share = curve.relative_accuracy
    return np.asarray(share + (curve.areas - share * clean) / clean.mean(), np.float64)


HEADLINE = (
    Score("accuracy", "accuracy", True, _correct),
    Score("balanced_accuracy", "balanced", True, _correct, by_class=True),
    Score("ece", "ece", True),
    Score("att_ccos", "att_ccos", parts=_stored("att_ccos"), by_class=True),
    Score("att_class_rank", "class rank", parts=_stored("att_class_rank"), by_class=True),
    Score("att_specificity", "specificity", parts=_stored("att_specificity"), by_class=True),
    Score("region.background", "background", parts=_stored("region.background"), by_class=True),
)
"""Recognition and attention on the test images as they are."""

_POSES = {"0-15": "to 15°", "15-30": "15 to 30°", "over_30": "over 30°", "over_45": "over 45°"}
TURNED = tuple(
    Score(f"slice.pose.{part}.accuracy", title, True, _of_slice(f"pose.{part}")) for part, title in _POSES.items()
)
"""Accuracy by the turn of the head."""

KEPT = tuple(
    Score(f"robustness.{name}.relative_accuracy", name.replace("_", " "), True, _of_curve(name, _kept))
    for name in CARDS
)
"""Accuracy that is kept under a disturbance, on average over its strengths, as a share of the clean one."""

RELIANCE = (
    Score(
        "background_reliance",
        "background reliance",
        True,
        _of_curve("background_swapped", lambda curve: curve.changed[:, -1]),
    ),
    *(
        Score(
            f"robustness.{name}.gap",
            f"{name.partition('_')[0]} gap",
            True,
            _of_curve(name, lambda curve: curve.control_correct - curve.correct[:, -1]),
        )
        for name, card in CARDS.items()
        if card.control
    ),
)
"""What a model relies on: answers that change with the background, and what a cover of a region costs beyond others."""


_BLIND = "baseline."
_GAIN = "audit.gain."


def audited_maps(groups: Sequence[Group]) -> list[str]:
    """List the maps of a model that any run was audited for, the attention first."""
    keys = {key for group in groups for run in group.runs.values() for key in run.result.metrics}
    names = {key.removeprefix("audit.survives.") for key in keys if key.startswith("audit.survives.")}
    names |= {key.removeprefix(_GAIN).partition(".")[2] for key in keys if key.startswith(_GAIN)}
    return sorted(name for name in names if not name.startswith(_BLIND))


def audit_gains(name: str) -> tuple[Score, ...]:
    """Name what a map gains over a Gaussian."""
    titles = {"deletion": "deletion", "insertion": "insertion", "road": "ROAD"}
    return tuple(Score(f"{_GAIN}{key}.{name}", title) for key, title in titles.items())


def likeness_of_fresh(name: str) -> Score:
    """Name how like a map is to that of the same network with fresh weights."""
    return Score(f"audit.randomisation.{STEPS}.rank.{name}", "fresh weights")


def survives(name: str, group: Group) -> bool:
    """Tell whether any run's map survives fresh weights, which is to fail."""
    return any(run.result.number(f"audit.survives.{name}") == 1 for run in group.runs.values())
