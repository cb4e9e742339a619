"""Score maps beside their references on the same grid: the whole set of scores that attention gets, whoever drew it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.evaluation.map_scores import FloatArray
from fer_au.evaluation.paper_cosine import PaperCosine
from fer_au.evaluation.scores import (
    Scores,
    map_agreement,
    map_faults,
    map_places,
    masked,
    motion_agreement,
    of_attention,
    of_truth,
)
from fer_au.evaluation.truth import Truth
from fer_au.resizing import resize_maps


def full_scores(
    maps: NDArray[Any], drawn: Mapping[str, NDArray[Any]], truth: Truth, cosine: PaperCosine, prefix: str = ""
) -> tuple[Scores, dict[str, NDArray[Any]]]:
    """Score maps and their references: agreement with the AU maps, places on the face, faults, and true motion.

    Args:
        maps: (N, h, w) raw maps on their own grid.
        drawn: References as ``baselines.reference_maps`` draws them, (N, S, S).
        truth: References of the N faces.
        cosine: How ATT-COS is taken.
        prefix: Before the names of all scores.

    Returns:
        The scores; and the maps that got them, the references reduced to the grid, by the prefix of their names.
    """
    grid = grid_of(maps)
    references = {f"{prefix}{name}.": reduced(own, grid) for name, own in drawn.items()}
    scores = of_attention(attention_scores(maps, truth, cosine) | _motion_auc(motion_agreement(maps, truth)), prefix)
    for (name, own), fine in zip(references.items(), drawn.values(), strict=True):
        agreement = cosine_scores(cosine.of_reference(fine, grid, truth.targets), truth) | map_agreement(own, truth)
        motion = motion_agreement(own, truth)
        scores |= of_attention(agreement | _regions(own, truth) | _motion_auc(motion), name)
        if not prefix:
            scores |= of_truth(motion, name.removesuffix("."))
    if truth.motion is not None:
        best = motion_agreement(reduced(truth.motion, grid), truth)
        scores[f"{prefix}ceiling.att_auc_motion"] = best["auc"]
        scores |= of_truth(best, "ceiling") if not prefix else {}
    return scores, {prefix: maps, **references}


def attention_scores(maps: NDArray[Any], truth: Truth, cosine: PaperCosine) -> Scores:
    """Score raw maps on their own grid: agreement with the AU maps, places on the face, and faults."""
    agreement = cosine_scores(cosine.of_attention(maps, truth.targets), truth) | map_agreement(maps, truth)
    return agreement | map_places(maps, truth) | map_faults(maps)


def cosine_scores(cosine: FloatArray, truth: Truth) -> Scores:
    """Name cosines with the AU maps, of the images that have one."""
    return {"cos": masked(cosine, truth.valid)}


def reduced(maps: NDArray[Any], grid: tuple[int, int]) -> FloatArray:
    """Reduce maps (N, S, S) to a layer's grid: what such a layer could at best draw where its cells truly lie."""
    return resize_maps(np.asarray(maps, np.float64), grid)


def grid_of(maps: NDArray[Any]) -> tuple[int, int]:
    """Give the rows and columns of maps (N, h, w)."""
    return int(maps.shape[1]), int(maps.shape[2])


def grid_text(maps: NDArray[Any]) -> str:
    """Write the grid of maps (N, h, w).

    Example:
        >>> grid_text(np.zeros((5, 7, 14)))
        '7x14'
    """
    return "x".join(map(str, grid_of(maps)))


def _regions(maps: NDArray[Any], truth: Truth) -> Scores:
    return {name: values for name, values in map_places(maps, truth).items() if name.startswith("region.")}


def _motion_auc(motion: Scores) -> Scores:
    return {f"{name}_motion": values for name, values in motion.items() if name == "auc"}
