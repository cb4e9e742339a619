"""Score maps against targets, one score per image: cosine, centred cosine, area under the ROC curve, own-target rank.

Numpy arrays and torch tensors are taken alike and answered in kind; the arithmetic is float64 numpy. All scores ignore
a positive factor on either side. Undefined scores are NaN: a map or target that holds a NaN, and a target that asks for
nothing. A map that looks nowhere has earned no agreement: it scores like chance, so that a dead network can't drop its
worst images from a mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

FloatArray = NDArray[np.float64]
Maps = TypeVar("Maps", NDArray[Any], "Tensor")

# Of a map's largest magnitude: a smaller range is float32 rounding, not a map.
_ROUNDING = 1e-6


def to_numpy(value: NDArray[Any] | Tensor) -> FloatArray:
    """Copy to float64 on the CPU (bfloat16 has no numpy type, hence the detour by float32)."""
    if isinstance(value, np.ndarray):
        return value.astype(np.float64)
    return cast("FloatArray", value.detach().float().cpu().numpy().astype(np.float64))


def cosine_alignment(maps: Maps, targets: Maps) -> Maps:
    r"""Compute the cosine between each map and its target, :math:`\langle m, t\rangle / (\|m\|\,\|t\|)` over pixels.

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
    map_rows, target_rows = _paired_rows(maps, targets)
    return _answer_in_kind(_row_cosine(map_rows, target_rows), maps)


def centered_cosine(maps: Maps, targets: Maps) -> Maps:
    """Compute the cosine after each map's and each target's own mean is subtracted: Pearson's correlation over pixels.

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
    map_rows, target_rows = _paired_rows(maps, targets)
    return _answer_in_kind(_row_cosine(_center(map_rows), _center(target_rows)), maps)


def map_auc(maps: Maps, targets: Maps, level: float = 0.5) -> Maps:
    """Compute the chance that a pixel inside the thresholded target outranks one outside (area under the ROC curve).

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
    map_rows, target_rows = _paired_rows(maps, targets)
    finite = _finite_rows(map_rows) & _finite_rows(target_rows)
    peak = target_rows.max(axis=1, keepdims=True, initial=-np.inf)
    inside = (target_rows >= level * peak) & (peak > 0)
    positives = inside.sum(axis=1)
    negatives = inside.shape[1] - positives
    ranked = finite & ~_is_constant(map_rows)
    ranks = mid_ranks(np.where(ranked[:, None], map_rows, 0.0))
    wins = np.where(inside, ranks, 0.0).sum(axis=1) - positives * (positives + 1) / 2
    defined = finite & (positives > 0) & (negatives > 0)
    scores = np.full(len(map_rows), np.nan)
    np.divide(wins, positives * negatives, out=scores, where=defined)
    return _answer_in_kind(scores, maps)


def mid_ranks(rows: NDArray[Any]) -> FloatArray:
    """Rank the values of each row from 1; equal ones share the mean of their ranks.

    It is ``scipy.stats.rankdata``, which takes more than half a second to load: a fifth of a small evaluation.

    Args:
        rows: (N, K) finite values.

    Returns:
        (N, K) ranks.
    """
    ranks = np.empty(rows.shape)
    for own, row in zip(ranks, rows, strict=True):
        _, place, counts = np.unique(row, return_inverse=True, return_counts=True)
        own[:] = (counts.cumsum() - (counts - 1) / 2)[place]
    return ranks


def own_target_rank(maps: NDArray[Any], targets: NDArray[Any], labels: Sequence[str]) -> FloatArray:
    """Compute the chance that a map fits its own target better than the target of another image of its class.

    Fit is the cosine; ties count half. Maps that don't depend on the image (blank, class mean) have a mean of exactly
    .5 over a class, since every win over a pair is a loss seen from the other side: a mean above .5 proves that the
    attention follows the image.

    Args:
        maps: (N, h, w).
        targets: (N, h, w) on the same grid.
        labels: N true labels.

    Returns:
        (N,) scores in [0, 1]; NaN without another usable image of the class, for a zero target, and for NaNs.

    Raises:
        ValueError: The shapes differ.
    """
    map_rows, target_rows = _paired_rows(maps, targets)
    names = np.asarray(labels, dtype=object)
    norms = np.linalg.norm(target_rows, axis=1)
    usable = _finite_rows(map_rows) & np.isfinite(norms) & (norms > 0)
    scores = np.full(len(map_rows), np.nan)
    for label in dict.fromkeys(labels):
        rows = np.flatnonzero((names == label) & usable)
        if len(rows) < 2:
            continue
        # A map's own norm scales all its cosines alike and cannot change their order.
        cosines = map_rows[rows] @ (target_rows[rows] / norms[rows, None]).T
        # Images that tie exactly must not be parted by the rounding of the matrix product.
        slack = 1e-12 * np.abs(cosines).max(axis=1, keepdims=True)
        lead = np.diag(cosines)[:, None] - cosines
        wins = (lead > slack).sum(axis=1) + 0.5 * ((np.abs(lead) <= slack).sum(axis=1) - 1)
        scores[rows] = wins / (len(rows) - 1)
    return scores


def _answer_in_kind(scores: FloatArray, like: Maps) -> Maps:
    """Turn scores into a tensor on the device of ``like``; an array stays an array."""
    if isinstance(like, np.ndarray):
        return cast("Maps", scores)
    return like.new_tensor(scores, dtype=_default_float())


def _default_float() -> Any:  # noqa: ANN401 - torch.dtype, and torch must not be imported for numpy callers
    import torch

    return torch.get_default_dtype()


def _paired_rows(maps: NDArray[Any] | Tensor, targets: NDArray[Any] | Tensor) -> tuple[FloatArray, FloatArray]:
    """Flatten maps and targets into rows of pixels, (N, h*w) each.

    Raises:
        ValueError: They are not both (N, h, w) of the same shape.
    """
    if maps.ndim != 3 or tuple(maps.shape) != tuple(targets.shape):
        raise ValueError(
            f"maps and targets must both be (N, h, w): got {tuple(maps.shape)} and {tuple(targets.shape)}; "
            "bring them to one grid first (fer_au.maps.resize_maps)"
        )
    rows = (maps.shape[0], maps.shape[1] * maps.shape[2])
    return to_numpy(maps).reshape(rows), to_numpy(targets).reshape(rows)


def _finite_rows(rows: FloatArray) -> NDArray[np.bool_]:
    """Find the rows of (N, pixels) that hold finite numbers only, (N,)."""
    return np.asarray(np.isfinite(rows).all(axis=1))


def _is_constant(rows: FloatArray) -> NDArray[np.bool_]:
    """Find rows that are constant but for the last digits of float32: a resized blank map is one."""
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
