"""Places of the 68 iBUG points on the mesh, by the table ``landmarks68.csv``.

Each point is a weighted sum of vertices. The table was fitted by ``tools/fit_demo_landmarks.py``; it is symmetric. The
jaw points (0-16) are fixed places on the skin, chosen on near-frontal heads: on a turned head the visible contour of
the far cheek lies further out than these points.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from fer_au.demo.asset import Floats, Ints

TABLE = Path(__file__).with_name("landmarks68.csv")


@dataclass(frozen=True)
class LandmarkTable:
    """68 points on the mesh.

    Attributes:
        vertices: (68,K) vertex indices.
        weights: (68,K), rows sum to 1.
    """

    vertices: Ints
    weights: Floats


@lru_cache(maxsize=1)
def load_landmarks() -> LandmarkTable:
    """Read the bundled table."""
    with TABLE.open(encoding="ascii", newline="") as file:
        rows = list(csv.DictReader(file))
    vertices = [[int(row[f"vertex_{k}"]) for k in "abc"] for row in rows]
    weights = [[float(row[f"weight_{k}"]) for k in "abc"] for row in rows]
    return LandmarkTable(np.array(vertices, np.int32), np.array(weights, np.float32))


def landmark_points(table: LandmarkTable, vertices: Floats) -> Floats:
    """Compute the 68 points (68,3) on given vertices (V,3)."""
    return np.asarray((vertices[table.vertices] * table.weights[..., None]).sum(axis=1), np.float32)
