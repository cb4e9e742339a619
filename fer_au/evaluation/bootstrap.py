"""How far scores of a test split can be trusted: the bootstrap over images, of one experiment and of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.arguments import read_list, read_number, read_seed, read_whole
from fer_au.array_arguments import read_array
from fer_au.errors import ArgumentError
from fer_au.evaluation.map_scores import FloatArray

_CHUNK_DRAWS = 4_000_000  # resampled values held at a time: 32 MB, whatever the test split's size


@dataclass(frozen=True)
class PairedDifference:
    """A difference of means between two paired sets of scores.

    Attributes:
        difference: mean(a) - mean(b) over the pairs in which both scores are defined.
        low: Lower end of the 95 % percentile interval.
        high: Upper end of the same interval.
        p: Two-sided p-value of "no difference".
        n: Number of pairs with both scores defined.
        error: Standard error of the difference: the deviation of the resamples.
    """

    difference: float
    low: float
    high: float
    p: float
    n: int
    error: float = float("nan")


def bootstrap_share(right: NDArray[Any], n: int = 10_000, seed: int = 0, *, level: float = 0.95) -> tuple[float, float]:
    """Give the percentile interval of a share such as the accuracy (Efron & Tibshirani 1993, 13.3).

    Images are drawn with replacement, ``n`` times. The number of right answers among N drawn images is binomial, so it
    is drawn at once.

    Args:
        right: (N,) 1 where the answer is right, else 0.
        n: Number of resamples.
        seed: Seed of the resampling.
        level: Coverage of the interval.

    Returns:
        Lower and upper end; both NaN where all answers are right, all are wrong, or there are none: every resample is
        then the same, and says nothing about other images.
    """
    count, hits = len(right), int(np.count_nonzero(right))
    if hits in (0, count):
        return float("nan"), float("nan")
    resampled = np.random.default_rng(seed).binomial(count, hits / count, n) / count
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_recall(
    confusion: NDArray[np.int64], n: int = 10_000, seed: int = 0, *, level: float = 0.95, of_classes: bool = False
) -> tuple[float, float]:
    """Give the percentile interval of the balanced accuracy, by images drawn within each class, or by classes drawn.

    Args:
        confusion: (C, C) counts by true class (rows) and predicted class.
        n: Number of resamples.
        seed: Seed of the resampling.
        level: Coverage of the interval.
        of_classes: Whether the classes are a sample themselves, as persons are, and are drawn with replacement; each
            may then have one image.

    Returns:
        Lower and upper end; both NaN where every resample is the same, and says nothing about other images.
    """
    support = confusion.sum(axis=1)
    counts, hits = support[support > 0], np.diag(confusion)[support > 0]
    generator, recall = np.random.default_rng(seed), hits / np.maximum(counts, 1)
    if of_classes:
        resampled = _resampled_means(recall, n, generator) if len(recall) else np.zeros(n)
    else:
        resampled = np.array([generator.binomial(count, p, n) / count for count, p in zip(counts, recall, strict=True)])
        resampled = resampled.mean(axis=0) if len(recall) else np.zeros(n)
    if resampled.min() == resampled.max():
        return float("nan"), float("nan")
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_macro(scores: NDArray[Any], labels: Sequence[str], n: int = 10_000) -> tuple[float, float]:
    """Compute the 95 % interval of a mean over expressions, of (N,) scores of images with these N labels.

    Args:
        scores: (N,) scores; NaN where undefined.
        labels: N labels.
        n: Number of resamples.
    """
    found = paired_bootstrap(scores, np.zeros_like(scores), n, strata=labels)
    return found.low, found.high


def holm(values: Sequence[float]) -> list[float]:
    """Correct the p-values of several comparisons, so that the chance of any false finding stays small (Holm 1979).

    Args:
        values: p-values; NaN where nothing could be compared.

    Returns:
        Corrected p-values in the same order, NaN where they were NaN.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = sorted((place for place, p in enumerate(values) if p == p), key=values.__getitem__)
    corrected, largest = [float("nan")] * len(values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, values[place] * (len(order) - rank)))
        corrected[place] = largest
    return corrected


def paired_bootstrap(
    a: NDArray[Any],
    b: NDArray[Any],
    n: int = 10_000,
    seed: int = 0,
    *,
    strata: Sequence[str] | None = None,
    level: float = 0.95,
) -> PairedDifference:
    """Compare scores that two models got on the same images (Efron & Tibshirani 1993, 13.3 and 15.4).

    Images are drawn with replacement, ``n`` times; both models keep their own scores of each drawn image. The p-value
    inverts the percentile interval: twice the smaller share of resamples on either side of zero, ties half on
    each, and never below 2 / (n + 1).

    Args:
        a: (N,) scores per image: cosines, or 1.0 where the prediction is right; an array, a tensor or a list.
        b: (N,) scores of the other model on the same images in the same order; a pair with a NaN is left out.
        n: Number of resamples.
        seed: Seed of the resampling.
        strata: Labels of the N images. If given, images are drawn within each label and the labels' means are
            averaged, as ``averages.macro_mean`` does.
        level: Coverage of the interval.

    Returns:
        The difference a - b; all NaN, with n = 0, if no pair is defined.

    Raises:
        ArgumentError: ``a``, ``b`` and ``strata`` differ in length, or an argument is something else.
    """
    n, seed, level = read_whole("n", n), read_seed("seed", seed), read_number("level", level, most=1)
    scores_a = np.asarray(read_array("a", a, ("N",), library="numpy"), np.float64)
    scores_b = np.asarray(read_array("b", b, (len(scores_a),), library="numpy"), np.float64)
    strata = None if strata is None else read_list("strata", strata, "a list of labels")
    if strata is not None and len(strata) != len(scores_a):
        raise ArgumentError(f"strata: expected one label for each of {len(scores_a)} scores, got {len(strata)}")
    gaps = scores_a - scores_b
    defined = ~np.isnan(gaps)
    if not defined.any():
        return PairedDifference(float("nan"), float("nan"), float("nan"), float("nan"), 0)
    names = np.zeros(len(gaps), dtype=object) if strata is None else np.asarray(strata, dtype=object)
    groups = [gaps[defined & (names == name)] for name in dict.fromkeys(names[defined].tolist())]
    generator = np.random.default_rng(seed)
    resampled = np.mean([_resampled_means(group, n, generator) for group in groups], axis=0)
    tail = (1 - level) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    ties = np.count_nonzero(resampled == 0.0) / 2
    smaller = min(np.count_nonzero(resampled < 0.0), np.count_nonzero(resampled > 0.0)) + ties
    return PairedDifference(
        difference=float(np.mean([group.mean() for group in groups])),
        low=float(low),
        high=float(high),
        p=float(min(1.0, 2 * (smaller + 1) / (n + 1))),
        n=int(defined.sum()),
        error=float(resampled.std()),
    )


def _resampled_means(values: FloatArray, n: int, generator: np.random.Generator) -> FloatArray:
    means = np.empty(n)
    step = max(1, _CHUNK_DRAWS // len(values))
    for start in range(0, n, step):
        rows = min(step, n - start)
        means[start : start + rows] = values[generator.integers(0, len(values), (rows, len(values)))].mean(axis=1)
    return means
