"""Does a map follow its own image, or only the class?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.evaluation.arrays import FloatArray, finite_rows, paired_rows


def own_target_rank(maps: NDArray[Any], targets: NDArray[Any], labels: Sequence[str]) -> FloatArray:
    """Probability that an image's map agrees more with its own target than with that of another image of its class.

    Agreement is the cosine; ties count half. Whatever maps an image-independent rule gives (blank, class mean), their
    mean over a class is exactly .5, since every win over a pair is a loss seen from the other side: a score above .5 is
    proof that the attention follows the image.

    Args:
        maps: (N, h, w).
        targets: (N, h, w) on the same grid.
        labels: N true labels.

    Returns:
        (N,) scores in [0, 1]; NaN without another usable image of the class, for a zero target, and for NaNs.

    Raises:
        ValueError: The shapes differ.
    """
    map_rows, target_rows = paired_rows(maps, targets)
    names = np.asarray(labels, dtype=object)
    norms = np.linalg.norm(target_rows, axis=1)
    usable = finite_rows(map_rows) & np.isfinite(norms) & (norms > 0)
    scores = np.full(len(map_rows), np.nan)
    for label in dict.fromkeys(labels):
        rows = np.flatnonzero((names == label) & usable)
        if len(rows) < 2:
            continue
        # A map's own norm scales all its cosines alike and cannot change their order.
        agreement = map_rows[rows] @ (target_rows[rows] / norms[rows, None]).T
        # Images that tie exactly must not be parted by the rounding of the matrix product.
        slack = 1e-12 * np.abs(agreement).max(axis=1, keepdims=True)
        lead = np.diag(agreement)[:, None] - agreement
        wins = (lead > slack).sum(axis=1) + 0.5 * ((np.abs(lead) <= slack).sum(axis=1) - 1)
        scores[rows] = wins / (len(rows) - 1)
    return scores
