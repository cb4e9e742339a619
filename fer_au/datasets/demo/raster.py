"""Triangles to pixels: a thin layer over ``cv2.triangleRasterize`` that carries any vertex attributes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.datasets.demo.asset import Floats, Ints
from fer_au.datasets.demo.camera import Camera

FAR = 20.0
_NEAR = 0.05
_SETTINGS = (
    cv2.TriangleRasterizeSettings()
    .setShadingType(cv2.RASTERIZE_SHADING_SHADED)
    .setCullingMode(cv2.RASTERIZE_CULLING_NONE)
)


def empty_depth(size: int) -> Floats:
    """A depth buffer with nothing in it."""
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
        points: (N,3) in camera space.
        triangles: (M,3) vertex indices.
        attributes: (N,3) values in [0, 1], interpolated over each triangle.
        camera: Gives focal length and offset.
        depth: (S,S) depth buffer, changed in place.
        target: (S,S,3) picture to draw onto, changed in place; a new one of zeros if absent.

    Returns:
        The (S,S,3) picture of attributes.
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


def facing(points: Floats, triangles: Ints) -> NDArray[np.bool_]:
    """Which triangles (M,) turn their front to the camera; culling the others halves the drawing time."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return np.asarray(np.einsum("ij,ij->i", np.cross(b - a, c - a), a) < 0)


def vertex_normals(points: Floats, triangles: Ints) -> Floats:
    """Area-weighted unit normals (N,3)."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    faces = np.cross(b - a, c - a)
    normals = np.zeros((len(points), 3))
    for axis in range(3):
        for corner in range(3):
            normals[:, axis] += np.bincount(triangles[:, corner], faces[:, axis], len(points))
    length = np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return np.asarray(normals / length, np.float32)
