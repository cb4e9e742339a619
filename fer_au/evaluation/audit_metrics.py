"""Sum up audits of maps, and judge: which maps survive fresh weights, and which are no better than a Gaussian.

Results of single images are columns of the evaluation store below ``audit/``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.config.audits import Audit
from fer_au.evaluation.bootstrap import PairedDifference, paired_bootstrap
from fer_au.evaluation.map_scores import FloatArray
from fer_au.evaluation.metrics_file import Metric, interval_metrics
from fer_au.stores.columns import ColumnSpec

STEPS = 5
"""Steps in which the weights are replaced: those of the head, and the backbone's in four parts."""
FRESH = ("head fresh", "and last ¼", "and last ½", "and last ¾", "all fresh")
"""What has fresh weights in each step, in short."""
MEASURES = ("rank", "rank_abs", "ssim")
"""Measures of the similarity of two maps: rank correlation, that of absolute values, and SSIM."""
CURVES = ("deletion", "insertion", "road_morf", "road_lerf")
"""Areas of faithfulness that are kept of each image."""
GAINS = ("deletion", "insertion", "road")
"""What a map is compared with a Gaussian by."""
BOUND = 0.5
"""Rank correlation with the trained map from which on a map of fresh weights counts as the same."""
ATTENTION, GAUSSIAN = "att", "baseline.gaussian"
REFERENCES = ("baseline.random", "baseline.blank", GAUSSIAN, "baseline.class_mean")
"""Maps that nobody learnt, and none of which saw the picture."""
_RANDOMISATION, _FAITHFULNESS = "audit/randomisation/", "audit/faithfulness/"


def audited_maps(cams: Sequence[str]) -> list[str]:
    """Name the maps that are audited: the last layer's attention, and the CAMs."""
    return [ATTENTION, *(f"cam.{cam}" for cam in cams)]


def empty_audits(images: int, audits: Sequence[Audit], cams: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Make room for the results of audits, all undefined.

    Returns:
        Column -> values: ``audit/randomisation/<map>``, (N, 6, 3), similarities in the 5 steps and of two unrelated
        networks, by 3 measures; ``audit/faithfulness/<map>``, (N, 4), the areas of ``CURVES``.
    """
    maps, columns = audited_maps(cams), {}
    if "randomisation" in audits:
        for name in maps:
            columns[f"{_RANDOMISATION}{name}"] = np.full((images, STEPS + 1, len(MEASURES)), np.nan, np.float32)
    if "faithfulness" in audits:
        for name in (*maps, *REFERENCES):
            columns[f"{_FAITHFULNESS}{name}"] = np.full((images, len(CURVES)), np.nan, np.float32)
    return columns


def audit_specs(images: int, audits: Sequence[Audit], cams: Sequence[str]) -> dict[str, ColumnSpec]:
    """Give the columns of audits."""
    return {name: ColumnSpec.of(values) for name, values in empty_audits(images, audits, cams).items()}


def randomisations(columns: Mapping[str, NDArray[Any]]) -> dict[str, RandomisationAudit]:
    """Sum up how similar each map stays under fresh weights; empty where that was not audited."""
    found = _of(columns, _RANDOMISATION)
    return {name: RandomisationAudit.of(values) for name, values in found.items() if not np.isnan(values).all()}


def faithfulnesses(columns: Mapping[str, NDArray[Any]]) -> dict[str, FaithfulnessAudit]:
    """Sum up how faithful maps and references are; empty where that was not audited."""
    found = _of(columns, _FAITHFULNESS)
    gaussian = found.get(GAUSSIAN)
    if gaussian is None:
        return {}
    return {name: FaithfulnessAudit.of(own, gaussian) for name, own in found.items() if not np.isnan(own).all()}


def _of(columns: Mapping[str, NDArray[Any]], folder: str) -> dict[str, FloatArray]:
    return {
        name.removeprefix(folder): np.asarray(values, np.float64)
        for name, values in columns.items()
        if name.startswith(folder)
    }


@dataclass(frozen=True)
class RandomisationAudit:
    """Similarity of a map to what it becomes under fresh weights.

    Attributes:
        steps: Measure -> mean similarity in each step, with its interval.
        unrelated: Measure -> mean similarity of the maps of two networks of fresh weights.
        excess: Rank correlation in the last step, minus that of the two fresh networks, on the same images.
    """

    steps: dict[str, list[PairedDifference]]
    unrelated: dict[str, PairedDifference]
    excess: PairedDifference

    @classmethod
    def of(cls, values: FloatArray) -> RandomisationAudit:
        """Sum up (N, 6, 3) similarities."""
        steps = {
            measure: [_mean(values[:, step, place]) for step in range(STEPS)] for place, measure in enumerate(MEASURES)
        }
        unrelated = {measure: _mean(values[:, STEPS, place]) for place, measure in enumerate(MEASURES)}
        return cls(steps, unrelated, paired_bootstrap(values[:, STEPS - 1, 0], values[:, STEPS, 0]))

    @property
    def survives(self) -> bool:
        """Whether the map hardly depends on the weights: it is clearly below neither bound, by its interval."""
        return self.steps["rank"][-1].high >= BOUND and self.excess.high >= 0


@dataclass(frozen=True)
class FaithfulnessAudit:
    """Areas of a map, and how much better it is than a Gaussian.

    Attributes:
        areas: Name of ``CURVES``, or ``road``, the difference of its two -> mean with its interval.
        gains: Name of ``GAINS`` -> how much better than a centred Gaussian, on the same images; above 0 is better.
    """

    areas: dict[str, PairedDifference]
    gains: dict[str, PairedDifference]

    @classmethod
    def of(cls, values: FloatArray, gaussian: FloatArray) -> FaithfulnessAudit:
        """Sum up (N, 4) areas of a map, and those of the Gaussian."""
        own, other = _areas(values), _areas(gaussian)
        gains = {}
        for name in GAINS:
            better, worse = (other, own) if name == "deletion" else (own, other)
            gains[name] = paired_bootstrap(better[name], worse[name])
        return cls({name: _mean(area) for name, area in own.items()}, gains)

    def beats_gaussian(self, name: str) -> bool:
        """Tell whether a map is better than a Gaussian: the interval of what it gains lies above 0."""
        return self.gains[name].low > 0


def _areas(values: FloatArray) -> dict[str, FloatArray]:
    areas = dict(zip(CURVES, values.T, strict=True))
    return {**areas, "road": areas["road_lerf"] - areas["road_morf"]}


def _mean(values: FloatArray) -> PairedDifference:
    return paired_bootstrap(values, np.zeros_like(values))


def audit_metrics(columns: Mapping[str, NDArray[Any]]) -> dict[str, Metric]:
    """Sum audits up: ``audit.*``, with intervals; empty where nothing was audited."""
    metrics: dict[str, Metric] = {}
    if columns:
        defined = [~np.isnan(values).all(axis=tuple(range(1, values.ndim))) for values in columns.values()]
        metrics["audit.n"] = int(np.any(defined, axis=0).sum())
    for name, found in randomisations(columns).items():
        for measure in MEASURES:
            for step, similarity in enumerate(found.steps[measure], start=1):
                metrics |= _estimate(f"audit.randomisation.{step}.{measure}.{name}", similarity)
            metrics |= _estimate(f"audit.unrelated.{measure}.{name}", found.unrelated[measure])
        metrics[f"audit.survives.{name}"] = int(found.survives)
    for name, own in faithfulnesses(columns).items():
        for area, mean in own.areas.items():
            metrics |= _estimate(f"audit.{area}.{name}", mean)
        if name != GAUSSIAN:
            for gain, difference in own.gains.items():
                metrics |= _estimate(f"audit.gain.{gain}.{name}", difference)
                metrics[f"audit.beats_gaussian.{gain}.{name}"] = int(own.beats_gaussian(gain))
    return metrics


def _estimate(key: str, found: PairedDifference) -> dict[str, Metric]:
    return {key: found.difference, **interval_metrics(key, found.low, found.high)}
