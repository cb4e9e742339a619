"""K-means with two clusters, on many vectors at once and from several starts at once.

With two centres, a projection on their difference tells the nearer one, so that a step of all starts is one matrix
product for the assignment and one for the sums. Vectors are centred first, so that the precision does not depend on
where the cloud lies.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_SETTLED = 1e-3  # share of vectors that may still change sides when a start is taken as converged
_SAMPLE = 2048
_FINALISTS = 3


class TwoMeans(NamedTuple):
    """Two clusters.

    Attributes:
        centres: (2, C) float32; the first vector belongs to the first.
        second: (N,) bool, which vectors are nearer to the second centre.
    """

    centres: Floats
    second: NDArray[np.bool_]


class _Starts:
    """Lloyd's steps of several starts on one set of vectors.

    Attributes:
        low: (K, C), the first centre of each start.
        high: (K, C), the second.
        second: (K, N), which vectors were nearer to the second centre of each start.
        spread: (K,), what the clusters explain of the variance, times N: the more, the tighter they are.
    """

    def __init__(self, vectors: Floats, low: Floats, high: Floats) -> None:
        self._vectors, self.low, self.high = vectors, low, high
        self._total = vectors.sum(axis=0, dtype=np.float64)
        self.second = np.zeros((len(low), len(vectors)), np.bool_)
        self.spread = np.zeros(len(low))

    def run(self, steps: int) -> None:
        """Take at most ``steps`` steps; a start that has settled stops earlier."""
        count = len(self._vectors)
        going = np.arange(len(self.low))
        for _ in range(steps):
            sides = nearer_second(self._vectors, self.low[going], self.high[going])
            changed = (sides != self.second[going]).sum(axis=1)
            self.second[going] = sides
            members = sides.sum(axis=1)[:, None]
            sums = (sides.astype(np.float32) @ self._vectors).astype(np.float64)
            above, below = sums / np.maximum(members, 1), (self._total - sums) / np.maximum(count - members, 1)
            self.spread[going] = (members * above**2 + (count - members) * below**2).sum(axis=1)
            self.low[going] = np.where(members < count, below, self.low[going])
            self.high[going] = np.where(members > 0, above, self.high[going])
            going = going[changed > _SETTLED * count]
            if not len(going):
                return


def two_means(vectors: Floats, seed: tuple[int, ...], starts: int = 10, steps: int = 100) -> TwoMeans:
    """Run Lloyd's algorithm from k-means++ starts (Arthur and Vassilvitskii, SODA 2007) and keep the tightest result.

    All starts settle on a sample of the vectors, and the tightest go on with all of them, which takes few more steps.

    Args:
        vectors: Vectors (N, C) float32, at least one; overwritten.
        seed: Seed of the starts and of the sample.
        starts: Number of starts.
        steps: Largest number of steps of each start, on the sample and on all vectors.

    Returns:
        Clusters; both centres are equal if all vectors are.
    """
    mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    vectors -= mean
    random = np.random.default_rng(seed)
    sample = vectors
    if len(vectors) > _SAMPLE:
        sample = vectors[np.sort(random.choice(len(vectors), _SAMPLE, replace=False))]
    trial = _Starts(sample, *_spread_starts(sample, random, starts))
    trial.run(steps)
    tightest = np.argsort(-trial.spread, kind="stable")[:_FINALISTS]
    final = _Starts(vectors, trial.low[tightest], trial.high[tightest])
    final.run(steps)
    return _ordered(vectors, mean, final.second[int(final.spread.argmax())])


def nearer_second(vectors: Floats, first: Floats, second: Floats) -> NDArray[np.bool_]:
    """Tell which vectors are nearer to a second centre than to a first, in Euclidean distance; ties go to the first.

    Args:
        vectors: (N, C).
        first: (K, C), one per pair of centres.
        second: (K, C).

    Returns:
        (K, N) bool.
    """
    difference = second - first
    middle = (difference.astype(np.float64) * (second.astype(np.float64) + first) / 2).sum(axis=1)
    return np.asarray(difference @ vectors.T > middle.astype(np.float32)[:, None])


def _spread_starts(vectors: Floats, random: np.random.Generator, starts: int) -> tuple[Floats, Floats]:
    """Draw a first centre at random, a second with a chance proportional to its squared distance from the first."""
    chosen = vectors[random.integers(len(vectors), size=starts)]
    squares = np.einsum("nc,nc->n", vectors, vectors)
    away = squares - 2 * (chosen @ vectors.T) + np.einsum("kc,kc->k", chosen, chosen)[:, None]
    chances = np.maximum(away, 0).cumsum(axis=1, dtype=np.float64)
    draws = random.random(starts) * chances[:, -1]
    seconds = [int(np.searchsorted(row, draw, side="right")) for row, draw in zip(chances, draws, strict=True)]
    return chosen, vectors[np.minimum(seconds, len(vectors) - 1)]


def _ordered(vectors: Floats, mean: Floats, second: NDArray[np.bool_]) -> TwoMeans:
    """Compute the clusters' exact means, numbered by the first vector, and each vector's nearer centre."""
    if second[0]:
        second = ~second
    if not second.any():
        return TwoMeans(np.stack([mean, mean]), second)
    first, other = (vectors[side].mean(axis=0, dtype=np.float64).astype(np.float32) for side in (~second, second))
    return TwoMeans(np.stack([first, other]) + mean, nearer_second(vectors, first[None], other[None])[0])
