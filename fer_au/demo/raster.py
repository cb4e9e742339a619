"""Draw triangles into pixels: a thin layer over ``cv2.triangleRasterize`` that carries any vertex attributes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from fer_au.demo.asset import Floats, Ints
from fer_au.demo.camera import Camera

FAR = 20.0
_NEAR = 0.05
_SETTINGS = (
    cv2.TriangleRasterizeSettings()
    .setShadingType(cv2.RASTERIZE_SHADING_SHADED)
    .setCullingMode(cv2.RASTERIZE_CULLING_NONE)
)


def empty_depth(size: int) -> Floats:
    """Make an empty depth buffer."""
    return np.full((size, size), FAR, np.float32)


def draw(
    points: Floats,
    triangles: Ints,
    attributes: Floats,
    camera: Camera,
    depth: Floats,
    target: Floats | None = None,
) -> Floats:
    """Draw triangles into buffers, nearest in front.

    Args:
        points: Vertices (N,3) in camera space.
        triangles: Vertex indices (M,3).
        attributes: Values (N,3) in [0, 1], interpolated over each triangle.
        camera: Camera, for its focal length and offset.
        depth: Depth buffer (S,S), changed in place.
        target: Picture (S,S,3) to draw onto, changed in place; None for a new picture of zeros.

    Returns:
        Picture (S,S,3) of the attributes.
    """
    size = len(depth)
    picture = np.zeros((size, size, 3), np.float32) if target is None else target
    # A shifted principal point is a shear of camera space: x and y grow with depth.
    sheared = points.copy()
    sheared[:, 0] -= points[:, 2] * np.float32(camera.offset[0] / camera.focal)
    sheared[:, 1] += points[:, 2] * np.float32(camera.offset[1] / camera.focal)
    cv2.triangleRasterize(
        np.ascontiguousarray(sheared[:, None]),
        np.ascontiguousarray(triangles[:, None]),
        np.ascontiguousarray(attributes[:, None], np.float32),
        picture,
        depth,
        np.eye(4, dtype=np.float32),
        2 * float(np.arctan(0.5 / camera.focal)),
        _NEAR,
        FAR,
        _SETTINGS,
    )
    return picture


@dataclass(frozen=True)
class Surface:
    """Triangles of a mesh, prepared for normals.

    Attributes:
        triangles: (M,3) vertex indices.
        incidence: Sparse matrix (vertices, M), 1 where a triangle has a vertex as a corner.
    """

    triangles: Ints
    incidence: csr_array

    @classmethod
    def of(cls, triangles: Ints, vertices: int) -> Surface:
        """Prepare triangles over that many vertices."""
        face = np.repeat(np.arange(len(triangles)), 3)
        ones = np.ones(triangles.size, np.float32)
        return cls(triangles, csr_array((ones, (triangles.ravel(), face)), shape=(vertices, len(triangles))))

    def face_normals(self, points: Floats) -> Floats:
        """Compute the triangles' normals (M,3), whose length is twice the triangle's area."""
        a, b, c = (points[self.triangles[:, k]] for k in range(3))
        p, q = b - a, c - a
        x = p[:, 1] * q[:, 2] - p[:, 2] * q[:, 1]
        y = p[:, 2] * q[:, 0] - p[:, 0] * q[:, 2]
        return np.stack([x, y, p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]], axis=1)

    def normals(self, faces: Floats) -> Floats:
        """Compute unit vertex normals (N,3), weighted by area, from ``face_normals``."""
        summed = self.incidence @ faces
        length = np.sqrt(np.einsum("ij,ij->i", summed, summed))
        return np.asarray(summed / np.maximum(length, 1e-12)[:, None], np.float32)

    def facing(self, points: Floats, faces: Floats) -> NDArray[np.bool_]:
        """Find the triangles that face the camera, (M,) bool; leaving out the others halves the drawing time."""
        return np.asarray(np.einsum("ij,ij->i", faces, points[self.triangles[:, 0]]) < 0)
