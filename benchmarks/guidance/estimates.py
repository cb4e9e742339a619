"""Means over seeds, and differences over seeds and test images, with 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fer_au.evaluation.power import LEVEL, POWER

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval.

    Attributes:
        value: The number; NaN where it is undefined.
        low: Lower end; NaN where there is no interval.
        high: Upper end.
        p: Two-sided p-value of "it is 0"; NaN for means.
        detectable: Smallest true difference that would have been found with 80 % power; NaN for means.
        runs: Number of seeds.
        images: Number of test images that the interval covers; 0 where it covers seeds alone.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    detectable: float = math.nan
    runs: int = 0
    images: int = 0


def mean_over_runs(values: Sequence[float]) -> Estimate:
    """Average over seeds, with Student's interval; a single seed has none."""
    found = np.array([value for value in values if math.isfinite(value)], np.float64)
    if len(found) < 2:
        return Estimate(float(found[0]) if len(found) else math.nan, runs=len(found))
    half = stats.t.ppf(1 - LEVEL / 2, len(found) - 1) * found.std(ddof=1) / math.sqrt(len(found))
    mean = float(found.mean())
    return Estimate(mean, mean - float(half), mean + float(half), runs=len(found))


def difference_over_runs(gaps: Sequence[float]) -> Estimate:
    """Average paired differences over seeds alone, for scores that are no mean over images."""
    found = [gap for gap in gaps if math.isfinite(gap)]
    mean = mean_over_runs(found)
    if len(found) < 2:
        return mean
    return _tested(mean.value, float(np.var(found, ddof=1)) / len(found), len(found) - 1, len(found), 0)


def difference_over_runs_and_images(gaps: FloatArray, strata: Sequence[str] | None = None) -> Estimate:
    """Average paired differences over seeds and images, both taken as samples (a crossed design).

    The variance of the mean is that over images, plus that over seeds, minus that of the rest, which is in both
    (two-way analysis of variance with random effects; Owen, Annals of Applied Statistics 2007, has the resampling that
    it replaces: with three seeds a bootstrap of them has ten values). Degrees of freedom are Satterthwaite's. One seed
    says nothing about others: the interval then covers images alone.

    Args:
        gaps: (seeds, images) differences; images with a NaN are left out.
        strata: Labels of the images. If given, the labels' means are averaged, as for the balanced accuracy.
    """
    defined = np.isfinite(gaps).all(axis=0)
    runs = len(gaps)
    if not runs or defined.sum() < 2:
        return Estimate(math.nan, runs=runs)
    labels = np.zeros(gaps.shape[1], object) if strata is None else np.asarray(strata, object)
    parts = [gaps[:, defined & (labels == label)] for label in dict.fromkeys(labels[defined].tolist())]
    means = np.mean([part.mean(axis=1) for part in parts], axis=0)  # of each seed
    over_images = over_rest = 0.0
    for part in parts:
        images = part.shape[1]
        if images < 2:
            continue
        by_image = part.mean(axis=0)
        over_images += by_image.var(ddof=1) / images / len(parts) ** 2
        if runs > 1:
            rest = part - by_image - part.mean(axis=1, keepdims=True) + part.mean()
            over_rest += (rest**2).sum() / ((runs - 1) * (images - 1)) / (runs * images) / len(parts) ** 2
    over_seeds = float(means.var(ddof=1)) / runs if runs > 1 else 0.0
    total = max(over_images + over_seeds - over_rest, over_images, over_seeds)
    spread = over_images**2 / (int(defined.sum()) - 1) + (over_seeds**2 / (runs - 1) if runs > 1 else 0.0)
    freedom = total**2 / spread if spread else math.inf
    return _tested(float(means.mean()), total, freedom, runs, int(defined.sum()))


def _tested(value: float, variance: float, freedom: float, runs: int, images: int) -> Estimate:
    error = math.sqrt(variance)
    if not error:
        return Estimate(value, runs=runs, images=images)
    reach = float(stats.t.ppf(1 - LEVEL / 2, freedom))
    p = float(2 * stats.t.sf(abs(value) / error, freedom))
    detectable = (reach + float(stats.t.ppf(POWER, freedom))) * error
    return Estimate(value, value - reach * error, value + reach * error, p, detectable, runs, images)
