"""Whether classes whose AU maps overlap are the ones that a model confuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fer_au.evaluation.bootstrap import PairedDifference
from fer_au.evaluation.metrics_file import Metric
from fer_au.evaluation.ranks import spearman

if TYPE_CHECKING:
    from fer_au.evaluation.truth import Truth

RESAMPLES = 2000
_MOST_EXACT = 7  # classes of which every order is tried: 5,040
_SAMPLED = 5040  # orders of more classes
_FEWEST_PAIRS = 3  # that have an order worth the name
_TAIL = 2.5  # percent on each side of a 95 % interval

FloatArray = NDArray[np.float64]


class TargetOverlap:
    """Mean cosine between the AU maps of two expressions, both drawn on the same face; taken in block by block.

    0 means that the two move no common part of the face, 1 that their maps are the same.

    Args:
        expressions: The K expressions of ``Truth.choices``, in their order.
    """

    def __init__(self, expressions: Sequence[str]) -> None:
        self.expressions = tuple(expressions)
        self._sum = np.zeros((len(self.expressions), len(self.expressions)))
        self._faces = 0

    def add(self, truth: Truth) -> None:
        """Take in the faces on which all maps can be drawn; of classes that are no expressions, there are none."""
        if not self.expressions:
            return
        maps = truth.choices.reshape(len(truth.labels), len(self.expressions), -1).astype(np.float64)
        maps = maps[np.isfinite(maps).all(axis=(1, 2))]
        length = np.linalg.norm(maps, axis=2, keepdims=True)
        maps = maps / np.where(length > 0, length, 1.0)
        self._sum += (maps @ maps.transpose(0, 2, 1)).sum(axis=0)
        self._faces += len(maps)

    def matrix(self) -> FloatArray:
        """Average over the faces, (K, K); NaN without faces."""
        return self._sum / self._faces if self._faces else np.full_like(self._sum, np.nan)


@dataclass(frozen=True)
class OverlapRank:
    """Rank correlation of overlap and confusion over the pairs of classes.

    Attributes:
        rho: Spearman's coefficient; NaN where nothing is confused, or fewer than three classes have a map.
        low: Lower end of its 95 % interval, a bootstrap over images within each class.
        high: Upper end.
        p: Two-sided p-value of Mantel's test: the share of orders of the classes that give as strong a correlation.
        pairs: Number of pairs.
    """

    rho: float
    low: float
    high: float
    p: float
    pairs: int


def rank_overlap(overlap: FloatArray, confusion: NDArray[np.int64], seed: int = 0) -> OverlapRank:
    """Correlate the overlap of classes with how often they are confused.

    Two classes are confused as often as the mean of both shares says: of the one taken for the other, and the reverse.
    Pairs of classes are not independent, so the p-value permutes classes (Mantel 1967), all orders of up to seven.

    Args:
        overlap: (K, K) overlap of the AU maps.
        confusion: (K, C) counts by true class; the first K predicted classes are the same.
        seed: Seed of the resampling.
    """
    count, (one, other) = len(overlap), np.triu_indices(len(overlap), 1)
    pairs = len(one)
    rates = _pair_rates(confusion[None].astype(np.float64))
    rho = float(spearman(overlap[one, other][None], rates)[0]) if pairs >= _FEWEST_PAIRS else float("nan")
    if not np.isfinite(rho):
        return OverlapRank(float("nan"), float("nan"), float("nan"), float("nan"), pairs)
    generator = np.random.default_rng(seed)
    resampled = spearman(overlap[one, other][None], _pair_rates(_redrawn(confusion, generator)))
    low, high = np.nanpercentile(resampled, [_TAIL, 100 - _TAIL])
    if count <= _MOST_EXACT:
        orders = np.array(list(permutations(range(count))))
    else:
        orders = np.array([np.arange(count), *(generator.permutation(count) for _ in range(_SAMPLED - 1))])
    shuffled = spearman(overlap[orders[:, one], orders[:, other]], rates)
    p = float(np.mean(np.abs(shuffled) >= abs(rho) - 1e-12))
    return OverlapRank(rho, float(low), float(high), p, pairs)


def compare_ranks(overlap: FloatArray, own: NDArray[np.int64], other: NDArray[np.int64]) -> PairedDifference:
    """Compare the rank correlations of two models on the same images: own minus other.

    Args:
        overlap: (K, K) overlap of the AU maps.
        own: (N, 2) true and predicted class of one model, of images of the first K classes.
        other: (N, 2) the same images of the other model.

    Returns:
        Difference with its 95 % bootstrap interval over images within each class, and the two-sided p-value.
    """
    one, two = np.triu_indices(len(overlap), 1)
    size = int(max(own.max(initial=0), other.max(initial=0), len(overlap) - 1)) + 1
    joint = np.zeros((len(overlap), size * size), np.int64)
    np.add.at(joint, (own[:, 0], own[:, 1] * size + other[:, 1]), 1)

    def difference(counts: NDArray[np.floating]) -> FloatArray:
        cells = counts.reshape(len(counts), len(overlap), size, size)
        first, second = (spearman(overlap[one, two][None], _pair_rates(cells.sum(axis=axis))) for axis in (3, 2))
        return first - second

    found = float(difference(joint[None].astype(np.float64))[0]) if len(one) >= _FEWEST_PAIRS else float("nan")
    if not np.isfinite(found):
        return PairedDifference(float("nan"), float("nan"), float("nan"), float("nan"), 0)
    resampled = difference(_redrawn(joint, np.random.default_rng(0)))
    resampled = resampled[np.isfinite(resampled)]
    low, high = np.percentile(resampled, [_TAIL, 100 - _TAIL])
    ties = np.count_nonzero(resampled == 0) / 2
    smaller = min(np.count_nonzero(resampled < 0), np.count_nonzero(resampled > 0)) + ties
    p = min(1.0, 2 * (smaller + 1) / (len(resampled) + 1))
    return PairedDifference(found, float(low), float(high), float(p), len(own))


def _redrawn(counts: NDArray[np.int64], generator: np.random.Generator) -> FloatArray:
    """Draw the images of each row anew with replacement: (resamples, *counts.shape)."""
    rows = [
        generator.multinomial(int(row.sum()), row / row.sum(), RESAMPLES)
        if row.sum()
        else np.zeros((RESAMPLES, len(row)), np.int64)
        for row in counts
    ]
    return np.stack(rows, axis=1).astype(np.float64)


def _pair_rates(counts: FloatArray) -> FloatArray:
    """Give the rate of confusion of each pair of the K rows, (B, pairs), of (B, K, C) counts."""
    total = counts.sum(axis=2, keepdims=True)
    share = counts / np.where(total > 0, total, 1.0)
    one, other = np.triu_indices(counts.shape[1], 1)
    return np.asarray((share[:, one, other] + share[:, other, one]) / 2)


def overlap_metrics(overlap: TargetOverlap, classes: Sequence[str], confusion: NDArray[np.int64]) -> dict[str, Metric]:
    """Give ``overlap.<class>.<class>`` of each pair, and of three pairs or more ``overlap_rank``.

    Args:
        overlap: Overlap of the expressions' AU maps.
        classes: Classes of the model.
        confusion: (C, C) counts by true class (rows) and predicted class.
    """
    matrix, names = overlap.matrix(), overlap.expressions
    pairs = list(combinations(range(len(names)), 2))
    if not pairs or not np.isfinite(matrix).all():
        return {}
    metrics: dict[str, Metric] = {f"overlap.{names[a]}.{names[b]}": float(matrix[a, b]) for a, b in pairs}
    if len(pairs) < _FEWEST_PAIRS:
        return metrics
    found = rank_overlap(matrix, of_expressions(confusion, classes, names))
    metrics |= {"overlap_rank": found.rho, "overlap_rank_p": found.p, "overlap_rank_n": found.pairs}
    metrics |= {"interval.overlap_rank.low": found.low, "interval.overlap_rank.high": found.high}
    return metrics


def of_expressions(confusion: NDArray[np.int64], classes: Sequence[str], names: Sequence[str]) -> NDArray[np.int64]:
    """Take the rows of some classes, with these classes as the first columns."""
    rows = [list(classes).index(name) for name in names]
    rest = [index for index in range(len(classes)) if index not in rows]
    return np.asarray(confusion[rows][:, rows + rest])
