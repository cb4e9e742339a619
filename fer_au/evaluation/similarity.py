"""How well maps agree with targets, one score per image: cosine, centred cosine, area under the ROC curve.

All three ignore a positive factor on either side. Undefined scores are NaN: a map or target that holds a NaN,
and a target that asks for nothing. A map that looks nowhere has earned no agreement: it scores like chance, so that
a dead network can't drop its worst images from a mean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from fer_au.evaluation.arrays import FloatArray, Maps, answer_in_kind, finite_rows, paired_rows

# Of a map's largest magnitude: a smaller range is float32 rounding, not a map.
_ROUNDING = 1e-6


def cosine_alignment(maps: Maps, targets: Maps) -> Maps:
    r"""Cosine between each map and its target, :math:`\langle m, t\rangle / (\|m\|\,\|t\|)` over pixels.

    The score of the AU-cue paper (Belharbi et al., FG 2024: ATT-COS and CAM-COS). An all-ones map already scores about
    .47 against AU maps: read it beside the baselines, or use ``centered_cosine``.

    Args:
        maps: (N, h, w), non-negative (see ``fer_au.maps.shift_non_negative`` for signed maps).
        targets: (N, h, w) on the same grid.

    Returns:
        (N,) scores, in [0, 1] for non-negative maps and [-1, 1] otherwise; 0 for a zero map, NaN for a zero target.

    Raises:
        ValueError: The shapes differ.

    Example:
        >>> import numpy as np
        >>> target = np.array([[[1.0, 0.0], [0.0, 0.0]]])
        >>> cosine_alignment(np.ones((1, 2, 2)), target)
        array([0.5])
    """
    map_rows, target_rows = paired_rows(maps, targets)
    return answer_in_kind(_row_cosine(map_rows, target_rows), maps)


def centered_cosine(maps: Maps, targets: Maps) -> Maps:
    """Cosine after each map's and each target's own mean is subtracted: Pearson's correlation over pixels.

    A blank map has nothing left and scores 0, so the score is corrected for chance; it ignores offsets and gains.

    Args:
        maps: (N, h, w), any sign.
        targets: (N, h, w) on the same grid.

    Returns:
        (N,) scores in [-1, 1]; 0 for a constant map, NaN for a constant target.

    Raises:
        ValueError: The shapes differ.

    Example:
        >>> import numpy as np
        >>> target = np.array([[[1.0, 0.0], [0.0, 0.0]]])
        >>> centered_cosine(np.ones((1, 2, 2)), target)
        array([0.])
        >>> centered_cosine(3 * target + 1, target)
        array([1.])
    """
    map_rows, target_rows = paired_rows(maps, targets)
    return answer_in_kind(_row_cosine(_center(map_rows), _center(target_rows)), maps)


def map_auc(maps: Maps, targets: Maps, level: float = 0.5) -> Maps:
    """Probability that a pixel inside the thresholded target outranks one outside (area under the ROC curve).

    Mann-Whitney's form with mid-ranks, so ties count half; pixels are inside from ``level`` times the target's maximum.
    The usual score of gaze prediction (AUC-Judd, Bylinskii et al., TPAMI 2019), with an area in place of fixations.

    Args:
        maps: (N, h, w); only the order of a map's values matters.
        targets: (N, h, w) non-negative, on the same grid.
        level: Share of the target's maximum from which a pixel counts as inside.

    Returns:
        (N,) scores in [0, 1]; .5 for a constant map, NaN where no pixel is inside or none outside.

    Raises:
        ValueError: The shapes differ.
    """
    map_rows, target_rows = paired_rows(maps, targets)
    finite = finite_rows(map_rows) & finite_rows(target_rows)
    peak = target_rows.max(axis=1, keepdims=True, initial=-np.inf)
    inside = (target_rows >= level * peak) & (peak > 0)
    positives = inside.sum(axis=1)
    negatives = inside.shape[1] - positives
    ranked = finite & ~_is_constant(map_rows)
    ranks = rankdata(np.where(ranked[:, None], map_rows, 0.0), axis=1)
    wins = np.where(inside, ranks, 0.0).sum(axis=1) - positives * (positives + 1) / 2
    defined = finite & (positives > 0) & (negatives > 0)
    scores = np.full(len(map_rows), np.nan)
    np.divide(wins, positives * negatives, out=scores, where=defined)
    return answer_in_kind(scores, maps)


def _is_constant(rows: FloatArray) -> NDArray[np.bool_]:
    """Rows that are constant but for the last digits of float32: a resized blank map is one."""
    spread = rows.max(axis=1, initial=-np.inf) - rows.min(axis=1, initial=np.inf)
    return np.asarray(spread <= _ROUNDING * np.abs(rows).max(axis=1, initial=0.0))


def _center(rows: FloatArray) -> FloatArray:
    """Subtract row means; constant rows become exactly zero."""
    centred: FloatArray = rows - rows.mean(axis=1, keepdims=True)
    centred[_is_constant(rows)] = 0.0
    return centred


def _row_cosine(map_rows: FloatArray, target_rows: FloatArray) -> FloatArray:
    map_norm = np.linalg.norm(map_rows, axis=1)
    target_norm = np.linalg.norm(target_rows, axis=1)
    scores = np.zeros(len(map_rows))
    np.divide(
        (map_rows * target_rows).sum(axis=1), map_norm * target_norm, out=scores, where=map_norm * target_norm > 0
    )
    undefined = ~np.isfinite(map_norm) | ~np.isfinite(target_norm) | (target_norm == 0)
    scores[undefined] = np.nan
    np.clip(scores, -1.0, 1.0, out=scores)
    return scores
