"""Plane geometry of the project's one coordinate frame: x right, y down, pixel i covers [i, i+1), its centre is i+0.5.

A ``matrix`` is (2, 3) float64 and maps source xy to target xy of this frame. A ``box`` is (x0, y0, x1, y1), the
coordinates of its edges.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.floating]
Matrix = NDArray[np.float64]


def fit_similarity(source: ArrayLike, target: ArrayLike) -> Matrix:
    """Fit the least-squares similarity (rotation, uniform scale, shift; never a reflection) from points to points.

    This solves eqs. 40-42 of Umeyama 1991 ("Least-squares estimation of transformation parameters between two point
    patterns") in the plane, where the rotation has a closed form and no singular value decomposition is needed.

    Args:
        source: Points (K, 2) xy, K >= 2.
        target: Their places (K, 2) xy.

    Returns:
        Matrix (2, 3) from source to target.

    Raises:
        ValueError: A shape is another, a value is not finite, or the source points coincide.
    """
    a = np.asarray(source, np.float64)
    b = np.asarray(target, np.float64)
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] != 2 or len(a) < 2:
        raise ValueError(f"need two arrays (K >= 2, 2), got {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("points must be finite")
    a_mean, b_mean = a.mean(0), b.mean(0)
    a, b = a - a_mean, b - b_mean
    variance = float((a**2).sum())
    if variance < 1e-12:
        raise ValueError("source points coincide")
    cosine = float((a * b).sum()) / variance
    sine = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / variance
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return np.concatenate([linear, (b_mean - linear @ a_mean)[:, None]], axis=1)


def apply_matrix(matrix: ArrayLike, points: ArrayLike) -> NDArray[np.float64]:
    """Map points (..., 2) by a matrix (2, 3), or (N, K, 2) by matrices (N, 2, 3) row by row."""
    m = np.asarray(matrix, np.float64)
    p = np.asarray(points, np.float64)
    return p @ np.swapaxes(m[..., :2], -1, -2) + (m[..., 2] if m.ndim == 2 else m[..., None, :, 2])


def invert_matrix(matrix: ArrayLike) -> Matrix:
    """Invert a matrix (2, 3).

    Raises:
        ValueError: The matrix is singular or not finite.
    """
    # Plain numbers: numpy's calls cost more than the arithmetic, and this function runs ten times per face.
    (a, b, x), (c, d, y) = np.asarray(matrix, np.float64).tolist()
    determinant = a * d - b * c
    if not math.isfinite(determinant + x + y) or abs(determinant) < 1e-18:
        raise ValueError("matrix cannot be inverted")
    a, b, c, d = d / determinant, -b / determinant, -c / determinant, a / determinant
    return np.array([[a, b, -(a * x + b * y)], [c, d, -(c * x + d * y)]], np.float64)


def compose(second: ArrayLike, first: ArrayLike) -> Matrix:
    """Compose the matrix that applies ``first`` and then ``second``."""
    a, b = np.asarray(second, np.float64), np.asarray(first, np.float64)
    return np.concatenate([a[:, :2] @ b[:, :2], (a[:, :2] @ b[:, 2] + a[:, 2])[:, None]], axis=1)


def matrix_scale(matrix: ArrayLike) -> float:
    """Compute the target pixels per source pixel: the square root of the factor between areas."""
    (a, b, _), (c, d, _) = np.asarray(matrix, np.float64).tolist()
    return math.sqrt(abs(a * d - b * c))


def box_to_box(source: ArrayLike, target: ArrayLike) -> Matrix:
    """Find the upright similarity that gives a box the centre and the mean side (root of the area) of another box."""
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    scale = math.sqrt(box_area(b) / box_area(a))
    x, y = ((b[:2] + b[2:]) / 2 - scale * (a[:2] + a[2:]) / 2).tolist()
    return np.array([[scale, 0.0, x], [0.0, scale, y]])


def map_box(matrix: ArrayLike, box: ArrayLike) -> NDArray[np.float64]:
    """Map a box by a similarity to an upright box: centre and sides are mapped, a rotation does not enlarge it."""
    a = np.asarray(box, np.float64)
    centre = apply_matrix(matrix, (a[:2] + a[2:]) / 2)
    half = matrix_scale(matrix) * (a[2:] - a[:2]) / 2
    return np.concatenate([centre - half, centre + half])


def box_area(box: ArrayLike) -> float:
    """Compute the area of a box in px^2; 0 if its edges leave nothing inside."""
    x0, y0, x1, y1 = map(float, np.asarray(box, np.float64).tolist())
    return max(x1 - x0, 0.0) * max(y1 - y0, 0.0)


def box_iou(a: ArrayLike, b: ArrayLike) -> float:
    """Compute the intersection over union of two boxes; 0 if both are empty."""
    p, q = np.asarray(a, np.float64), np.asarray(b, np.float64)
    common = box_area(np.concatenate([np.maximum(p[:2], q[:2]), np.minimum(p[2:], q[2:])]))
    union = box_area(p) + box_area(q) - common
    return common / union if union > 0 else 0.0
