"""Average the AU maps of each class over the training split: the strongest map that never sees the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.evaluation.map_scores import FloatArray


class ClassMeans:
    """The mean target of each class, from blocks of rows: the map of a model that knows the class and sees no image.

    The targets are those of the TRAINING split, so that no test image's map enters its own baseline.
    """

    def __init__(self) -> None:
        self._sums: dict[str, FloatArray] = {}
        self._counts: dict[str, int] = {}

    def add(self, targets: NDArray[Any], labels: Sequence[str], valid: NDArray[np.bool_]) -> None:
        """Take in the targets (N, S, S) of N labelled images, of which only the valid ones count."""
        names = np.asarray(labels, dtype=object)
        for label in dict.fromkeys(labels):
            own = (names == label) & valid
            if own.any():
                self._sums[label] = self._sums.get(label, 0) + targets[own].sum(axis=0, dtype=np.float64)
                self._counts[label] = self._counts.get(label, 0) + int(own.sum())

    def maps(self) -> dict[str, FloatArray]:
        """Give the mean maps: label -> (S, S), for the labels with a valid target."""
        return {label: total / self._counts[label] for label, total in self._sums.items()}


def class_mean_maps(means: dict[str, FloatArray], labels: Sequence[str], size: int) -> FloatArray:
    """Give each image the map of its TRUE class in ``ClassMeans.maps``, (N, size, size); NaN where it has none."""
    missing = np.full((size, size), np.nan)
    return np.stack([means.get(label, missing) for label in labels]) if labels else np.zeros((0, size, size))
