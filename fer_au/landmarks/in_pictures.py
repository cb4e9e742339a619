"""Points of ``landmarks.h5`` in the pictures that the crops were cut from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_au.errors import StoreError
from fer_au.faces.geometry import apply_matrix, invert_matrix
from fer_au.stores.export import FramedPoints
from fer_au.stores.frames import PICTURE
from fer_au.stores.reader import Store

_DECIDES = ("image_size", "template")


def points_in_pictures(landmarks: Store, faces: Store) -> FramedPoints:
    """Map points of crops back into the upright pictures.

    Args:
        landmarks: Open store of landmarks.
        faces: Open store of the faces that the points were found on.

    Returns:
        Points (N, 68, 2) float32 xy in pixels of the pictures; NaN where there are none.

    Raises:
        StoreError: The faces are others.
    """
    landmarks.check_ids(faces.ids, faces.path)
    for name in _DECIDES:
        one, other = landmarks.attributes.get(name), faces.attributes.get(name)
        if one != other:
            raise StoreError(f"{landmarks.path}: {name} is {one}, and {other} in {faces.path}: these are other crops")

    def rows(start: int, stop: int) -> NDArray[np.float32]:
        matrices = faces.rows("matrix", start, stop).astype(np.float64)
        points = landmarks.rows("points", start, stop).astype(np.float64)
        found = np.isfinite(points).all(axis=(1, 2)) & np.isfinite(matrices).all(axis=(1, 2))
        mapped = np.full(points.shape, np.nan, np.float32)
        for row in np.flatnonzero(found).tolist():
            mapped[row] = apply_matrix(invert_matrix(matrices[row]), points[row])
        return mapped

    return FramedPoints(PICTURE, rows)
