"""Average scores of images: to a mean per expression, then over the expressions, each with the same weight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.arguments import read_flag, read_labels, read_list
from fer_au.array_arguments import read_array
from fer_au.expressions import NEUTRAL
from fer_au.models.classes import are_subjects


def expression_means(scores: NDArray[Any], labels: Sequence[str], *, neutral: bool = False) -> dict[str, float]:
    """Average the scores of each expression over its true images; undefined (NaN) scores don't count.

    Args:
        scores: (N,) scores, one per image; an array, a tensor or a list.
        labels: N true labels, read as in label files, or N persons; rightly and wrongly predicted images count alike.
        neutral: Whether neutral faces count as one more expression.

    Returns:
        Label -> mean, for the expressions with at least one defined score, in order of first appearance.

    Raises:
        ArgumentError: A label names no expression, or ``scores`` and ``labels`` differ in length.
    """
    values = np.asarray(read_array("scores", scores, ("N",), library="numpy"), np.float64)
    neutral = read_flag("neutral", neutral)
    given = read_list("labels", labels, "a list of expression names")
    # A model that knows persons is scored by person.
    persons = are_subjects(given) and len(given) == len(values)
    known = list(map(str, given)) if persons else read_labels("labels", given, len(values))
    names = np.asarray(known, dtype=object)
    means: dict[str, float] = {}
    for label in dict.fromkeys(known):
        own = values[(names == label) & ~np.isnan(values)]
        if (neutral or label != NEUTRAL) and own.size:
            means[label] = float(own.mean())
    return means


def macro_mean(scores: NDArray[Any], labels: Sequence[str], *, neutral: bool = False) -> float:
    """Average ``expression_means`` without weights: the AU-cue paper's only aggregate of ATT-COS and CAM-COS.

    Every expression weighs the same, however many images it has. NaN if no expression has a defined score.
    """
    means = expression_means(scores, labels, neutral=neutral)
    return float(np.mean(list(means.values()))) if means else float("nan")


class ScoreTotals:
    """Sums of scores by true label, taken in block by block, so that memory doesn't grow with the images.

    They give the averages of ``expression_means`` and ``macro_mean``; undefined (NaN) scores don't count.
    """

    def __init__(self) -> None:
        self._sums: dict[str, dict[str, float]] = {}
        self._counts: dict[str, dict[str, int]] = {}

    def reserve(self, names: Iterable[str]) -> None:
        """Give scores their places in the order of the names; their values may come later, or never."""
        for name in names:
            self._sums.setdefault(name, {})
            self._counts.setdefault(name, {})

    def add(self, scores: Mapping[str, NDArray[Any]], labels: Sequence[str]) -> None:
        """Take in the scores (n,) of n images with these true labels, by name; each image once for each name."""
        self.reserve(scores)
        names = np.asarray(labels, dtype=object)
        rows = {label: names == label for label in dict.fromkeys(labels)}
        for name, values in scores.items():
            rounded = np.asarray(values, np.float32).astype(np.float64)  # as the store keeps them
            defined = ~np.isnan(rounded)
            sums, counts = self._sums[name], self._counts[name]
            for label, own in rows.items():
                if count := int(np.count_nonzero(own & defined)):
                    sums[label] = sums.get(label, 0.0) + float(rounded[own & defined].sum())
                    counts[label] = counts.get(label, 0) + count

    @property
    def names(self) -> list[str]:
        """Names of the scores."""
        return list(self._sums)

    def count(self, name: str) -> int:
        """Count the images with a defined score."""
        return sum(self._counts[name].values())

    def total(self, name: str) -> float:
        """Sum the score over all images."""
        return sum(self._sums[name].values())

    def means(self, name: str, *, neutral: bool = False) -> dict[str, float]:
        """Average a score over the images of each expression, as ``expression_means`` does."""
        sums, counts = self._sums[name], self._counts[name]
        return {label: sums[label] / counts[label] for label in sums if neutral or label != NEUTRAL}

    def macro(self, name: str, *, neutral: bool = False) -> float:
        """Average the means of the expressions, each with the same weight, as ``macro_mean`` does."""
        means = self.means(name, neutral=neutral)
        return float(np.mean(list(means.values()))) if means else float("nan")

    def mean(self, name: str) -> float:
        """Average a score over all images, each with the same weight; NaN if none is defined."""
        count = self.count(name)
        return self.total(name) / count if count else float("nan")
