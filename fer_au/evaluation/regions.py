"""Measure where on the face a map lies: its share on eyes, brows, nose, mouth, rest of the face and background.

The regions (see ``fer_au.cues.regions``) are disjoint and cover the picture, so the shares of a map sum to 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_au.cues.regions import REGIONS as REGIONS
from fer_au.cues.regions import region_coverage
from fer_au.evaluation.map_scores import FloatArray, to_numpy

if TYPE_CHECKING:
    from torch import Tensor


def region_attention(
    maps: NDArray[Any] | Tensor, points: NDArray[Any] | Tensor, image_size: float | tuple[float, float]
) -> dict[str, FloatArray]:
    """Compute the share of each map's mass that lies in each region.

    Definition of the csci5527 project, sum(H M) / sum(H), with M made a partition. Negative values hold no mass; no
    offset is subtracted, since that would add or remove mass everywhere. An all-ones map gives each region's area.

    Args:
        maps: (N, h, w); bring coarse maps to the comparison grid first, or a cell straddles several regions.
        points: (N, 68, 2) xy in pixels of the image that the maps span.
        image_size: Side of the square image in pixels, or (width, height).

    Returns:
        Region -> (N,) shares in [0, 1]; they sum to 1. NaN for a map without mass and for non-finite maps or points.

    Raises:
        ValueError: The shapes don't fit.

    Example:
        >>> import numpy as np
        >>> from fer_au.ibug68 import MEAN_FACE
        >>> points = 56 + 32 * MEAN_FACE[None]
        >>> looks_up = np.zeros((1, 28, 28))
        >>> looks_up[:, :14] = 1
        >>> shares = region_attention(looks_up, points, image_size=112)
        >>> bool(shares["brows"][0] > 0), bool(shares["mouth"][0] > 0)
        (True, False)
    """
    if maps.ndim != 3 or len(points) != len(maps):
        raise ValueError(f"maps must be (N, h, w) with N sets of points: got {tuple(maps.shape)}, {len(points)} sets")
    coverage = region_coverage(to_numpy(points), image_size, (int(maps.shape[1]), int(maps.shape[2])))
    return region_shares(maps, coverage)


def region_shares(maps: NDArray[Any] | Tensor, coverage: FloatArray) -> dict[str, FloatArray]:
    """Compute ``region_attention`` with regions drawn by ``region_coverage`` before (for many maps of one image)."""
    values = to_numpy(maps)
    mass = np.where(np.isnan(values), np.nan, np.maximum(values, 0.0))
    total = mass.sum(axis=(1, 2))
    shares = np.full((len(mass), len(REGIONS)), np.nan)
    np.divide(np.einsum("nhw,nrhw->nr", mass, coverage), total[:, None], out=shares, where=total[:, None] > 0)
    return {region: shares[:, index] for index, region in enumerate(REGIONS)}
