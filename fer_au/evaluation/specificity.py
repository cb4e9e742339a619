"""Ask whether a map fits its own image's target better than those of other images of its class, in bounded memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.evaluation.comparison import comparison_maps
from fer_au.evaluation.inference import spread_rows
from fer_au.evaluation.map_scores import own_target_rank
from fer_au.evaluation.scores import Scores
from fer_au.evaluation.truth import Truth

_OF_A_CLASS = 1000  # the mean's standard error is then below .01 in each class, and its targets take 3 MB


class OwnTargets:
    """Collector of maps for ``own_target_rank``, which compares every image of a class with every other.

    Of a class with more than 1,000 images, 1,000 take part, spread evenly over it.

    Args:
        labels: True labels of a split.
        valid: (N,) images with a target.

    Attributes:
        rows: Positions in the split of the images that take part.
    """

    def __init__(self, labels: Sequence[str], valid: NDArray[np.bool_]) -> None:
        names = np.asarray(labels, dtype=object)
        classes = [np.flatnonzero((names == label) & valid) for label in dict.fromkeys(labels)]
        chosen = [members[spread_rows(len(members), _OF_A_CLASS)] for members in classes if len(members)]
        self.rows: NDArray[np.int64] = np.sort(np.concatenate([np.zeros(0, np.int64), *chosen]))
        self._labels = [labels[row] for row in self.rows]
        self._targets: dict[int, NDArray[np.float32]] = {}
        self._maps: dict[str, list[NDArray[np.float32]]] = {}

    def add(self, start: int, truth: Truth, maps: Mapping[str, NDArray[Any]]) -> None:
        """Take in maps of a block of images; the blocks come in order, some perhaps in several calls.

        Args:
            start: Position of its first image in the split.
            truth: References of the images.
            maps: Metric -> (N, h, w) raw maps of the images.
        """
        inside = self.rows[(self.rows >= start) & (self.rows < start + len(truth.labels))] - start
        self._targets[start] = truth.targets[inside]
        for name, own in maps.items():
            self._maps.setdefault(name, []).append(np.asarray(own[inside], np.float32))  # small, on their own grid

    def scores(self) -> Scores:
        """Compute the scores of the images in ``rows``: metric -> (len(rows),)."""
        targets, names = np.concatenate(list(self._targets.values())), np.asarray(self._labels, dtype=object)
        scores = {name: np.full(len(self.rows), np.nan) for name in self._maps}
        for name, parts in self._maps.items():
            maps = np.concatenate(parts)
            for label in dict.fromkeys(self._labels):  # a class at a time: on the comparison grid, maps are large
                own = np.flatnonzero(names == label)
                compared = comparison_maps(maps[own], targets.shape[-1]).astype(np.float32)
                scores[name][own] = own_target_rank(compared, targets[own], [label] * len(own))
        return scores
