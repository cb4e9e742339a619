"""Score maps against targets, one score per image: cosine, centred cosine, area under the ROC curve, ranks.

Numpy arrays, torch tensors and nested lists are taken alike. Tensors are answered by tensors on the device of the maps,
all else by numpy; the arithmetic is float64 numpy. All scores ignore a positive factor on either side. Undefined scores
are NaN: a map or target that holds a NaN, and a target that asks for nothing. A map that looks nowhere has earned no
agreement: it scores like chance, so that a dead network can't drop its worst images from a mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fer_au.arguments import read_number
from fer_au.array_arguments import answer_in_kind, in_main_memory, read_array
from fer_au.errors import ArgumentError

if TYPE_CHECKING:
    from torch import Tensor

FloatArray = NDArray[np.float64]
Maps = TypeVar("Maps", NDArray[Any], "Tensor")

# Of a map's largest magnitude: a smaller range is float32 rounding, not a map.
_ROUNDING = 1e-6


def to_numpy(value: NDArray[Any] | Tensor) -> FloatArray:
    """Copy to float64 on the CPU."""
    return in_main_memory(value).astype(np.float64)


def cosine_alignment(maps: Maps, targets: Maps) -> Maps:
    r"""Compute the cosine between each map and its target, :math:`\langle m, t\rangle / (\|m\|\,\|t\|)` over pixels.

    The score of the AU-cue paper (Belharbi et al., FG 2024: ATT-COS and CAM-COS). An all-ones map already scores about
    .5 against AU maps, so read it beside the baselines, or use ``centered_cosine``. Measured as the mean over
    expressions on 1,372 photographs of FER-2013, by the points found in them: .51 and .53 with geometry ``corrected``
    in the crops ``loose`` and ``arcface``, .44 and .46 with geometry ``paper``.

    Args:
        maps: (N, h, w), non-negative (see ``fer_au.maps.shift_non_negative`` for signed maps).
        targets: (N, h, w) on the same grid.

    Returns:
        (N,) scores, in [0, 1] for non-negative maps and [-1, 1] otherwise; 0 for a zero map, NaN for a zero target.

    Raises:
        ArgumentError: They are no maps, or their shapes differ.

    Example:
        >>> import numpy as np
        >>> target = np.array([[[1.0, 0.0], [0.0, 0.0]]])
        >>> cosine_alignment(np.ones((1, 2, 2)), target)
        array([0.5])
    """
    maps, targets = read_pair(maps, targets)
    return answer_in_kind(_row_cosine(_rows(maps), _rows(targets)), maps)


def centered_cosine(maps: Maps, targets: Maps) -> Maps:
    """Compute the cosine after each map's and each target's own mean is subtracted: Pearson's correlation over pixels.

    A blank map has nothing left and scores 0, so the score is corrected for chance; it ignores offsets and gains.

    Args:
        maps: (N, h, w), any sign.
        targets: (N, h, w) on the same grid.

    Returns:
        (N,) scores in [-1, 1]; 0 for a constant map, NaN for a constant target.

    Raises:
        ArgumentError: They are no maps, or their shapes differ.

    Example:
        >>> import numpy as np
        >>> target = np.array([[[1.0, 0.0], [0.0, 0.0]]])
        >>> centered_cosine(np.ones((1, 2, 2)), target)
        array([0.])
        >>> centered_cosine(3 * target + 1, target)
        array([1.])
    """
    maps, targets = read_pair(maps, targets)
    return answer_in_kind(_row_cosine(_center(_rows(maps)), _center(_rows(targets))), maps)


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
        ArgumentError: They are no maps, or their shapes differ.
    """
    level = read_number("level", level, most=1)
    maps, targets = read_pair(maps, targets)
    map_rows, target_rows = _rows(maps), _rows(targets)
    finite = _finite_rows(map_rows) & _finite_rows(target_rows)
    peak = target_rows.max(axis=1, keepdims=True, initial=-np.inf)
    inside = (target_rows >= level * peak) & (peak > 0)
    positives = inside.sum(axis=1)
    negatives = inside.shape[1] - positives
    ranked = finite & ~_is_constant(map_rows)
    ranks = rank_sums(np.where(ranked[:, None], map_rows, 0.0), inside)
    wins = ranks - positives * (positives + 1) / 2
    defined = finite & (positives > 0) & (negatives > 0)
    scores = np.full(len(map_rows), np.nan)
    np.divide(wins, positives * negatives, out=scores, where=defined)
    return answer_in_kind(scores, maps)


def own_target_rank(maps: NDArray[Any], targets: NDArray[Any], labels: Sequence[str]) -> FloatArray:
    """Compute the chance that a map fits its own target better than the target of another image of its class.

    Fit is the cosine; ties count half. Maps that don't depend on the image (blank, class mean) have a mean of exactly
    .5 over a class, since every win over a pair is a loss seen from the other side. A mean above .5 shows that the map
    follows the face's geometry, and no more: a plain mask of the face scores about .65. ``ClassFit`` asks for what a
    mask can't know.

    Args:
        maps: (N, h, w).
        targets: (N, h, w) on the same grid.
        labels: N true labels.

    Returns:
        (N,) scores in [0, 1]; NaN without another usable image of the class, for a zero target, and for NaNs.

    Raises:
        ArgumentError: They are no maps, or their shapes differ.
    """
    map_rows, target_rows = (_rows(one) for one in read_pair(maps, targets))
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


def rank_sums(rows: FloatArray, chosen: NDArray[np.bool_]) -> FloatArray:
    """Sum the ranks of the chosen values of each row, (N,); ranks count from 1, and equal values share their mean.

    Places in the order of a row are ranks but for runs of equal values, which are put right afterwards. That is quicker
    than ``scipy.stats.rankdata``, which is slow to load, too.
    """
    count, width = rows.shape
    order = rows.argsort(axis=1) + np.arange(count)[:, None] * width
    ordered, hits = np.take(rows, order), np.take(chosen, order)
    places = hits * np.arange(1, width + 1)
    sums: FloatArray = places.sum(axis=1).astype(np.float64)
    tied = np.zeros(rows.shape, np.int8)  # with the value before; never across rows
    tied[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    if tied.any():
        edges = np.diff(tied.ravel(), prepend=0, append=0)
        begin, end = np.flatnonzero(edges == 1) - 1, np.flatnonzero(edges == -1)
        number, summed = (np.concatenate([[0], one.ravel().cumsum()]) for one in (hits, places))
        mean = (begin % width + (end - 1) % width) / 2 + 1
        errors = (number[end] - number[begin]) * mean - (summed[end] - summed[begin])
        sums += np.bincount(begin // width, errors, count)
    return sums


class ClassFit:
    """Find whether maps fit their own expression best, among the targets of all expressions on the same face.

    Fit is the centred cosine. A map that tells no classes apart, whatever it knows of the face, has a mean rank of 1/K
    and a mean AUC of .5 over expressions that are equally frequent.

    Args:
        choices: (N, K, h, w) targets of K expressions, drawn on each of N faces.
        own: (N,) position of the true expression among them; below 0 for none.
    """

    def __init__(self, choices: NDArray[Any], own: NDArray[np.int64]) -> None:
        self._shape = (choices.shape[0], *choices.shape[2:])
        self._own = own
        count, classes = choices.shape[:2]
        unit = _center(to_numpy(choices).reshape(count * classes, choices.shape[2] * choices.shape[3]))
        norms = np.linalg.norm(unit, axis=1)
        np.divide(unit, norms[:, None], out=unit, where=norms[:, None] > 0)
        self._unit = unit.reshape(count, classes, unit.shape[1])
        drawn = (np.isfinite(norms) & (norms > 0)).reshape(count, classes).all(axis=1)
        self._defined = drawn & (own >= 0) & (classes > 1)

    def __call__(self, maps: NDArray[Any]) -> tuple[FloatArray, FloatArray]:
        """Score maps (N, h, w).

        Returns:
            Rank (N,): 1 where the own target fits best, 0 where another does, and equal shares among targets that tie;
            and AUC (N,): share of the other targets that the own one beats, ties counted half. Both NaN without an own
            target, with fewer than two targets, where a target is constant, and for NaNs.

        Raises:
            ValueError: The shapes don't fit.
        """
        if maps.shape != self._shape:
            raise ValueError(f"maps {maps.shape} don't fit targets of {self._shape}")
        rows = _center(to_numpy(maps).reshape(len(maps), -1))
        # A map's own norm scales all its cosines alike and cannot change their order.
        fits = (self._unit @ rows[:, :, None])[:, :, 0]
        defined = self._defined & np.isfinite(rows).all(axis=1)
        rank, auc = np.full(len(maps), np.nan), np.full(len(maps), np.nan)
        if defined.any():
            fits = fits[defined]
            lead = np.take_along_axis(fits, self._own[defined, None], axis=1) - fits
            slack = 1e-12 * np.abs(fits).max(axis=1, keepdims=True)
            ties = (np.abs(lead) <= slack).sum(axis=1)  # the own one among them
            rank[defined] = np.where((lead < -slack).any(axis=1), 0.0, 1 / ties)
            auc[defined] = ((lead > slack).sum(axis=1) + (ties - 1) / 2) / (fits.shape[1] - 1)
        return rank, auc


def read_pair(maps: Maps, targets: Maps) -> tuple[Maps, Maps]:
    """Read maps and targets, (N, h, w) each.

    Raises:
        ArgumentError: They are no maps, or their shapes differ.
    """
    maps, targets = (read_array(name, value, ("N", "h", "w")) for name, value in (("maps", maps), ("targets", targets)))
    if tuple(maps.shape) != tuple(targets.shape):
        raise ArgumentError(
            f"maps and targets must both be (N, h, w): got {tuple(maps.shape)} and {tuple(targets.shape)}; "
            "bring them to one grid first (fer_au.resizing.resize_maps)"
        )
    return maps, targets


def _rows(maps: NDArray[Any] | Tensor) -> FloatArray:
    """Flatten maps into rows of pixels, (N, h*w)."""
    return to_numpy(maps).reshape(maps.shape[0], maps.shape[1] * maps.shape[2])


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
