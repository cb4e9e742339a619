"""Extractor ``mediapipe``: Google's face mesh, its 468 points brought to the 68 of iBUG.

The map from 468 to 68 is the table ``mediapipe68.csv``: each point is a convex combination of at most four mesh points
near it (on the midline: four and their mirror partners), fitted on rendered faces by ``tools/fit_mediapipe_map.py`` and
exactly mirror-symmetric.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fer_au.assets import FACE_MESH, Weights
from fer_au.faces.geometry import Matrix, apply_matrix, compose, invert_matrix
from fer_au.faces.warp import Image
from fer_au.fingerprints import file_digest
from fer_au.ibug68 import N_POINTS
from fer_au.landmarks.extractors import EXTRACTORS, ExtractorCard, FloatArray, Found, SingleExtractor
from fer_au.landmarks.mediapipe_mesh import N_MESH, SIZE, Mesh, find_mesh, region_of_mesh, square_region

TABLE = Path(__file__).with_name("mediapipe68.csv")

MIN_PRESENCE = 0.5
"""Lowest face presence, the network's own probability, at which a face has points."""

# The first region in sides of the HOG box: where the mesh's own region lies on average.
_BOX_SCALE = 1.75
# A second look pays where a corner of the region moves further than this share of the region's side.
_REFINE_ABOVE = 0.1

CARD = ExtractorCard(
    name="mediapipe",
    summary="MediaPipe Face Mesh: 468 points by a small CNN, brought to the 68 of iBUG; about 6 ms per face.",
    origin="Google; Kartynnik et al. 2019, Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs. The "
    "map to 68 points is this project's, fitted on its rendered faces.",
    licence="Apache-2.0, code and weights.",
    training_data="Undisclosed, and not public: who was photographed, and how the points were made, can't be checked.",
    limits="Made for faces that look at a camera from arm's length. The jaw is a place on the surface, not the visible "
    "outline: on turned heads it lies inside the cheek. Closed or covered eyes and strong expressions are pulled "
    "towards the average.",
    install=FACE_MESH.install,
)


@EXTRACTORS.register("mediapipe")
class MediaPipe(SingleExtractor):
    """Finds the mesh of each face, from the face's box, as 68 points; the score is the network's face presence."""

    card = CARD
    version = 1
    weights: ClassVar[Mapping[str, Weights]] = {"weights": FACE_MESH}

    def constants(self) -> Mapping[str, object]:
        """Return the limits and the digest of the map to 68 points."""
        return {"map": file_digest(TABLE), "constants": [MIN_PRESENCE, _BOX_SCALE, _REFINE_ABOVE]}

    def find(self, image: Image, box: FloatArray) -> Found:
        """Find the points of one face; the score is in [0, 1]."""
        mesh = settle(image, first_region(box))
        return (load_map() @ mesh.points if mesh.presence >= MIN_PRESENCE else None), mesh.presence


def first_region(box: FloatArray) -> Matrix:
    """Return the network's region for a HOG-like face box xyxy."""
    side = float((box[2:] - box[:2]).mean())
    return square_region((box[:2] + box[2:]) / 2, _BOX_SCALE * side)


def settle(image: Image, region: Matrix) -> Mesh:
    """Find the mesh of a face; look again from the mesh's own region if the given region was off."""
    mesh = find_mesh(image, region)
    better = region_of_mesh(mesh.points)
    if mesh.presence >= MIN_PRESENCE and _corner_shift(region, better) > _REFINE_ABOVE:
        return find_mesh(image, better)
    return mesh


def _corner_shift(old: Matrix, new: Matrix) -> float:
    """Measure how far a region's corners move at most, in sides of the new one."""
    corners = np.array([[0, 0], [SIZE, 0], [0, SIZE], [SIZE, SIZE]], np.float64)
    moved = apply_matrix(compose(new, invert_matrix(old)), corners)
    return float(np.linalg.norm(moved - corners, axis=1).max()) / SIZE


@lru_cache(maxsize=1)
def load_map() -> NDArray[np.float64]:
    """Read the matrix (68, 468) from mesh points to iBUG points; its rows sum to 1."""
    matrix = np.zeros((N_POINTS, N_MESH))
    with TABLE.open(encoding="ascii", newline="") as file:
        for row in csv.DictReader(file):
            matrix[int(row["point"]), int(row["mesh_point"])] = float(row["weight"])
    for weights in matrix:
        weights /= math.fsum(weights)  # the same for a row and its mirror image: the order of terms doesn't matter
    matrix.flags.writeable = False
    return matrix
