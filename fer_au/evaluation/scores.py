"""Score the maps of a block of images against their references, one number per image, and name the scores.

Every map is scored in the same way, whoever drew it: a layer, the head, a CAM or a baseline. It comes raw and on its
own grid. The cosine needs a non-negative map, so it is taken of the shifted one; shares of regions are taken of the
rectified one, since an offset would add mass everywhere; all other scores ignore an offset.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.cues.regions import REGIONS
from fer_au.evaluation.baselines import least_shares
from fer_au.evaluation.comparison import comparison_maps, mass_maps
from fer_au.evaluation.map_scores import (
    FloatArray,
    centered_cosine,
    map_auc,
)
from fer_au.evaluation.regions import region_shares
from fer_au.evaluation.truth import Truth

Scores = dict[str, FloatArray]
"""Score name -> (N,) scores, one per image, NaN where undefined."""

AGREEMENT = ("cos", "ccos", "auc", "class_rank", "class_auc")
FAULTS = ("nan", "zero", "constant")
_ROUNDING = 1e-6  # of a map's largest magnitude


def masked(scores: FloatArray, keep: NDArray[np.bool_]) -> FloatArray:
    """Copy scores, with NaN (undefined) where ``keep`` is False."""
    return np.where(keep, scores, np.nan)


def map_agreement(maps: NDArray[Any], truth: Truth) -> Scores:
    """Score raw maps against the AU maps: ``ccos``, ``auc``, ``class_rank`` and ``class_auc``.

    The fifth of ``AGREEMENT``, the cosine, has a choice of its own: see ``PaperCosine``.

    Args:
        maps: (N, h, w) raw maps on their own grid.
        truth: References of the N images; those without an AU map have no score.
    """
    compared = comparison_maps(maps, truth.size)
    targets = truth.targets.astype(np.float64)
    rank, auc = truth.class_fit(compared)
    scores = {
        "ccos": centered_cosine(compared, targets),
        "auc": map_auc(compared, targets),
        "class_rank": rank,
        "class_auc": auc,
    }
    return {name: masked(values, truth.valid) for name, values in scores.items()}


def map_places(maps: NDArray[Any], truth: Truth) -> Scores:
    """Compute the shares of a raw map on the regions: ``region.*`` and ``side_region.*``, of all faces with landmarks.

    Arguments as for ``map_agreement``.
    """
    return region_shares(mass_maps(maps, truth.size), truth.coverage)


def map_faults(maps: NDArray[Any]) -> Scores:
    """Find degenerate maps: ``maps.nan``, ``maps.zero`` (no value above 0) and ``maps.constant``, 1 or 0 per image.

    A map has the first of these faults only.
    """
    rows = np.asarray(maps, np.float64).reshape(len(maps), -1)
    broken = np.asarray(~np.isfinite(rows).all(axis=1))
    rows = np.where(broken[:, None], 0.0, rows)
    high, low = rows.max(axis=1, initial=-np.inf), rows.min(axis=1, initial=np.inf)
    zero = ~broken & np.asarray(high <= 0)
    constant = ~broken & ~zero & np.asarray(high - low <= _ROUNDING * np.maximum(np.abs(high), np.abs(low)))
    return {
        f"maps.{name}": flags.astype(np.float64) for name, flags in zip(FAULTS, (broken, zero, constant), strict=True)
    }


def motion_agreement(maps: NDArray[Any], truth: Truth) -> Scores:
    """Score raw maps against the true motion: ``auc`` and ``ccos``, of expressive faces; nothing if it is unknown."""
    if truth.motion is None:
        return {}
    compared = comparison_maps(maps, truth.size)
    scores = {"auc": map_auc(compared, truth.motion), "ccos": centered_cosine(compared, truth.motion)}
    return {name: masked(values, truth.valid) for name, values in scores.items()}


def floor_scores(truth: Truth, grid: tuple[int, int]) -> Scores:
    """Compute the least ``region.background`` that attention on that grid can have, however it is trained."""
    background = truth.coverage.sum(axis=1)[:, REGIONS.index("background")]
    return {"floor.region.background": least_shares(background, grid)}


def of_attention(scores: Mapping[str, FloatArray], prefix: str = "") -> Scores:
    """Name the scores of a layer, a head or a reference: ``<prefix>att_<score>``, ``<prefix>region.<region>``.

    Example:
        >>> sorted(of_attention({"cos": np.zeros(1), "region.eyes": np.zeros(1)}, "layer.3."))
        ['layer.3.att_cos', 'layer.3.region.eyes']
    """
    return {f"{prefix}{name if 'region.' in name else f'att_{name}'}": values for name, values in scores.items()}


def of_cam(scores: Mapping[str, FloatArray], cam: str) -> Scores:
    """Name the scores of a CAM: ``cam_<score>.<cam>``.

    Example:
        >>> sorted(of_cam({"cos": np.zeros(1), "region.eyes": np.zeros(1)}, "gradcam"))
        ['cam_cos.gradcam', 'cam_region.eyes.gradcam']
    """
    return {f"cam_{name}.{cam}": values for name, values in scores.items()}


def of_truth(scores: Mapping[str, FloatArray], name: str) -> Scores:
    """Name the scores of a map against the true motion: ``truth.<map>.<score>``."""
    return {f"truth.{name}.{score}": values for score, values in scores.items()}
