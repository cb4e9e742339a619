"""AU maps of many faces at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from fer_au.cues.arrays import Array, as_float32, constant, full_precision, is_tensor, namespace, zeros
from fer_au.cues.codebook import Codebook, load_codebook
from fer_au.cues.geometries import Geometry, create_geometry
from fer_au.errors import ConfigError, DataError

if TYPE_CHECKING:
    import torch

_POINTS = 68
BLOCK = 512  # faces per drawing: bounds memory, and keeps the work in the processor's cache
_FARTHEST = 1e6  # pixels; a landmark beyond is as useless as a missing one, and its square may overflow


@overload
def render_au_maps(
    points: NDArray[Any],
    labels: Sequence[str] | NDArray[np.str_],
    image_size: float = ...,
    map_size: int = ...,
    codebook: str | Path | Codebook = ...,
    geometry: str | Geometry = ...,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]: ...


@overload
def render_au_maps(
    points: torch.Tensor,
    labels: Sequence[str] | NDArray[np.str_],
    image_size: float = ...,
    map_size: int = ...,
    codebook: str | Path | Codebook = ...,
    geometry: str | Geometry = ...,
) -> tuple[torch.Tensor, torch.Tensor]: ...


def render_au_maps(
    points: Array,
    labels: Sequence[str] | NDArray[np.str_],
    image_size: float = 224,
    map_size: int = 28,
    codebook: str | Path | Codebook = "corrected",
    geometry: str | Geometry = "corrected",
) -> tuple[Array, Array]:
    """Draw the action-unit map of each face: where its expression shows.

    Source: the AU maps of Belharbi et al., FG 2024 (arXiv 2402.00281), in two geometries, see ``cues.corrected`` and
    ``cues.paper``.

    Args:
        points: (N, 68, 2) iBUG-68 xy in pixels of a square crop, pixel i covering [i, i + 1); a numpy array, or a torch
            tensor on any device, where the work then stays. No gradient flows through the maps.
        labels: N canonical expression names.
        image_size: Side of the crop in pixels.
        map_size: Side S of the maps; their cells tile the crop.
        codebook: Name, path of a YAML file, or a loaded codebook (quicker than a path if called often).
        geometry: ``corrected``, ``paper``, another registered name, or a geometry.

    Returns:
        maps (N, S, S) float32 in [0, 1], with maximum 1 where valid; and valid (N,) bool. Not valid, with a map of
        zeros: the codebook has no entry for the label (neutral), any of the 68 points is not finite (or absurdly far
        away), or no action unit lies in the frame.

    Raises:
        DataError: ``points`` and ``labels`` do not fit together, or a size is not positive.
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
    book = codebook if isinstance(codebook, Codebook) else load_codebook(codebook)
    drawer = create_geometry(geometry) if isinstance(geometry, str) else geometry
    check_drawable(book, drawer)
    with full_precision(points):
        checked, usable = checked_points(points, len(labels), image_size, map_size)
        return _render(checked, usable, np.asarray(labels, dtype=np.str_), image_size, map_size, book, drawer)


def checked_points(points: Array, count: int, image_size: float, map_size: int) -> tuple[Array, Array]:
    """Check what every cue is drawn from.

    Args:
        points: (N, 68, 2), numpy or torch.
        count: Number of labels.
        image_size: Side of the crop.
        map_size: Side of the maps.

    Returns:
        The points in float32, zero where they are of no use, and usable (N,) bool: all coordinates are finite and not
        absurdly far away.

    Raises:
        DataError: Shapes or numbers do not fit together, or a size is not positive.
    """
    points = points if is_tensor(points) else np.asarray(points)
    if points.ndim != 3 or tuple(points.shape[1:]) != (_POINTS, 2):
        raise DataError(f"points have the shape {tuple(points.shape)}, expected (N, {_POINTS}, 2)")
    if count != len(points):
        raise DataError(f"{len(points)} faces but {count} labels")
    if image_size <= 0 or map_size < 1:
        raise DataError(f"image_size {image_size} and map_size {map_size} must be positive")
    points = as_float32(points)
    xp = namespace(points)
    # NaN compares false, so this finds missing, infinite and absurd coordinates alike.
    usable = (xp.abs(points) <= _FARTHEST).reshape(len(points), 2 * _POINTS).all(1)
    return xp.where(usable[:, None, None], points, xp.zeros_like(points)), usable


def check_drawable(codebook: Codebook, geometry: Geometry) -> None:
    """Make sure that a geometry can draw every action unit of a codebook.

    Raises:
        ConfigError: It can't; the message names the action units.
    """
    if missing := sorted(codebook.action_units - geometry.action_units):
        names = ", ".join(f"AU{unit}" for unit in missing)
        raise ConfigError(f"geometry {geometry.name!r} can't draw {names} of codebook {codebook.name!r}")


def _render(
    points: Array,
    usable: Array,
    labels: NDArray[np.str_],
    image_size: float,
    map_size: int,
    book: Codebook,
    geometry: Geometry,
) -> tuple[Array, Array]:
    xp = namespace(points)
    maps = zeros((len(points), map_size, map_size), points)
    valid = zeros((len(points),), points, "bool")
    for expression, units in book.expressions.items():
        rows = np.flatnonzero(labels == expression)
        for block in (rows[i : i + BLOCK] for i in range(0, len(rows), BLOCK)):
            index = constant(block, points)
            drawn, seen = geometry.draw(points[index], units, image_size, map_size)
            seen &= usable[index]
            maps[index] = xp.where(seen[:, None, None], drawn, xp.zeros_like(drawn))
            valid[index] = seen
    return maps, valid
