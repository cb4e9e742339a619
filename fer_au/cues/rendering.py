"""AU maps of many faces at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from fer_au.arguments import read_known_labels, read_number, read_whole
from fer_au.array_arguments import read_points
from fer_au.cues.arrays import Array
from fer_au.cues.au import AUCue
from fer_au.cues.codebook import Codebook
from fer_au.cues.cue import FaceBatch
from fer_au.cues.geometries import Geometry

if TYPE_CHECKING:
    import torch


@overload
def render_au_maps(
    points: NDArray[Any],
    labels: Sequence[str | None] | NDArray[np.str_],
    image_size: float = ...,
    map_size: int = ...,
    codebook: str | Path | Codebook = ...,
    geometry: str | Geometry = ...,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]: ...


@overload
def render_au_maps(
    points: torch.Tensor,
    labels: Sequence[str | None] | NDArray[np.str_],
    image_size: float = ...,
    map_size: int = ...,
    codebook: str | Path | Codebook = ...,
    geometry: str | Geometry = ...,
) -> tuple[torch.Tensor, torch.Tensor]: ...


def render_au_maps(
    points: Array,
    labels: Sequence[str | None] | NDArray[np.str_],
    image_size: float = 224,
    map_size: int = 28,
    codebook: str | Path | Codebook = "corrected",
    geometry: str | Geometry = "corrected",
) -> tuple[Array, Array]:
    """Draw the action-unit map of each face: where its expression shows.

    Source: the AU maps of Belharbi et al., FG 2024 (arXiv 2402.00281), in two geometries, see ``cues.corrected`` and
    ``cues.paper``.

    Args:
        points: (N, 68, 2) iBUG-68 xy in pixels of a square crop, pixel i covering [i, i + 1); an array, nested lists,
            or a torch tensor on any device, where the work then stays. No gradient flows through the maps.
        labels: N expression names, read as in label files: ``happy`` is ``happiness``; None where a face has none.
        image_size: Side of the crop that the points lie in, pixels.
        map_size: Side S of the maps; their cells tile the crop.
        codebook: Name, path of a YAML file, or a loaded codebook (quicker than a path if called often).
        geometry: ``corrected``, ``paper``, another registered name, or a geometry.

    Returns:
        maps (N, S, S) float32 in [0, 1], with maximum 1 where valid; and valid (N,) bool. Not valid, with a map of
        zeros: there is no label, or the codebook has no entry for it (neutral), any of the 68 points is not finite (or
        absurdly far away), or no action unit lies in the frame.

    Raises:
        ArgumentError: Points of another shape, or that can't be pixels of a crop of ``image_size``; a label that names
            no expression; more or fewer labels than faces; a size that is not positive.
        ConfigError: Unknown or wrong codebook or geometry, or the geometry can't draw what the codebook lists.

    Example:
        >>> import numpy as np
        >>> from fer_au.ibug68 import MEAN_FACE
        >>> points = 112 + 64 * np.stack([MEAN_FACE, MEAN_FACE])
        >>> maps, valid = render_au_maps(points, ["happiness", "neutral"], image_size=224)
        >>> maps.shape, valid.tolist()
        ((2, 28, 28), [True, False])
        >>> int(maps[0].sum(axis=1).argmax()) > 14  # a smile shows below the middle
        True
    """
    image_size, map_size = read_number("image_size", image_size), read_whole("map_size", map_size)
    points = read_points("points", points, image_size)
    names = read_known_labels("labels", labels, len(points))
    return AUCue(codebook=codebook, geometry=geometry).render(FaceBatch(points, names, image_size, map_size))
