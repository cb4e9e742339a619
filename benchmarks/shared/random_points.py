"""Synthetic 68-point faces: a symmetric neutral shape in units of the inter-ocular distance, posed and moved at random.

The proportions are round figures of an average adult; put on the five-point template of face.evoLVe (eye centres,
nose tip, mouth corners for a 112 px square), they meet it within half a pixel at 112 px.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

# One half of the face, x from the midline towards the image's left (negative), y down from the eye line.
_JAW = [(-0.83, 0.02), (-0.82, 0.22), (-0.79, 0.42), (-0.74, 0.62), (-0.65, 0.82), (-0.52, 0.99), (-0.36, 1.12)]
_JAW += [(-0.18, 1.21), (0.0, 1.24)]
_BROW = [(-0.64, -0.19), (-0.54, -0.27), (-0.41, -0.29), (-0.28, -0.27), (-0.15, -0.22)]
_NOSE_BRIDGE = [(0.0, -0.02), (0.0, 0.12), (0.0, 0.26), (0.0, 0.40)]
_NOSTRILS = [(-0.17, 0.50), (-0.09, 0.53), (0.0, 0.55)]
_EYE = [(-0.5, 0.0), (-0.41, -0.055), (-0.28, -0.055), (-0.19, 0.01), (-0.28, 0.05), (-0.41, 0.05)]
_OUTER_LIP_TOP = [(-0.286, 0.80), (-0.18, 0.745), (-0.07, 0.715), (0.0, 0.73)]
_OUTER_LIP_BOTTOM = [(0.0, 0.90), (-0.08, 0.895), (-0.18, 0.865)]
_INNER_LIP_TOP = [(-0.25, 0.80), (-0.08, 0.785), (0.0, 0.79)]
_INNER_LIP_BOTTOM = [(0.0, 0.81), (-0.08, 0.805)]

# Depth towards the viewer, for yaw: how far each group of points stands out of the plane of the outer eye corners.
_DEPTH = {"jaw": -0.35, "brow": 0.12, "bridge": 0.25, "nostrils": 0.25, "eye": 0.05, "mouth": 0.2}

# Index permutation of a mirror image, written out here so that no test leans on the code under test.
MIRROR = np.concatenate(
    [
        np.r_[16:-1:-1, 26:16:-1, 27:31, 35:30:-1],
        np.array([45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]),
        np.r_[54:47:-1, 59:54:-1, 64:59:-1, 67:64:-1],
    ]
)


def _mirrored(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(-x, y) for x, y in points]


def neutral_shape() -> Points:
    """Make the neutral shape, (68, 2): symmetric, origin between the eyes, outer eye corners at -0.5 and 0.5."""
    right_eye = _mirrored(_EYE)
    lip = _OUTER_LIP_TOP + _mirrored(_OUTER_LIP_TOP[-2::-1]) + _mirrored(_OUTER_LIP_BOTTOM[:0:-1]) + _OUTER_LIP_BOTTOM
    inner = _INNER_LIP_TOP + _mirrored(_INNER_LIP_TOP[-2::-1]) + _mirrored(_INNER_LIP_BOTTOM[:0:-1]) + _INNER_LIP_BOTTOM
    rows = _JAW + _mirrored(_JAW[-2::-1]) + _BROW + _mirrored(_BROW[::-1]) + _NOSE_BRIDGE
    rows += _NOSTRILS + _mirrored(_NOSTRILS[-2::-1])
    rows += _EYE + [right_eye[i] for i in (3, 2, 1, 0, 5, 4)] + lip + inner
    return np.array(rows, dtype=np.float64)


def _depths() -> NDArray[np.float64]:
    counts = (("jaw", 17), ("brow", 10), ("bridge", 4), ("nostrils", 5), ("eye", 12), ("mouth", 20))
    depth = np.concatenate([np.full(count, _DEPTH[name]) for name, count in counts])
    depth[30] += 0.15  # the tip of the nose
    depth[8] = 0.05  # the chin stands further out than the rest of the jaw
    return depth


def _move(shape: Points, rng: np.random.Generator) -> Points:
    """Move brows and lids and open the mouth at random, equally on both sides but for a little asymmetry."""
    shape = shape.copy()
    for brow, inner in ((slice(17, 22), 21), (slice(22, 27), 22)):
        shape[brow, 1] += rng.uniform(-0.1, 0.05)
        shape[inner, 1] += rng.uniform(-0.04, 0.04)
    lid = rng.uniform(-0.04, 0.04)
    shape[[37, 38, 43, 44], 1] -= lid
    shape[[40, 41, 46, 47], 1] += 0.3 * lid
    opening = rng.uniform(0.0, 0.25)
    shape[[65, 66, 67], 1] += opening
    shape[[55, 56, 57, 58, 59], 1] += opening * np.array([0.8, 1.0, 1.0, 1.0, 0.8])
    shape[[48, 54, 60, 64], 1] += 0.3 * opening
    shape[5:12, 1] += 0.4 * opening
    widening = rng.uniform(-0.03, 0.06)
    shape[[48, 49, 59, 60], 0] -= widening
    shape[[53, 54, 55, 64], 0] += widening
    return shape


def on_template(shape: Points, size: float = 224.0) -> Points:
    """Put shapes (..., 68, 2) on the published five-point template scaled to a ``size`` px square."""
    eyes_y, scale, middle = 51.6, 51.0, 56.0  # at 112 px: eye line, inter-ocular distance, midline
    return np.asarray((shape * scale + np.array([middle, eyes_y])) * (size / 112.0))


def random_faces(count: int, seed: int = 0, size: float = 224.0, roll: float = 4.0, noise: float = 1.0) -> Points:
    """Draw faces (count, 68, 2): roll within +-``roll`` degrees, yaw within 20, motion, and noise in px at 224 px."""
    rng = np.random.default_rng(seed)
    neutral, depth = neutral_shape(), _depths()
    faces = np.empty((count, 68, 2))
    for i in range(count):
        shape = _move(neutral, rng)
        yaw, angle = np.radians(rng.uniform(-20, 20)), np.radians(rng.uniform(-roll, roll))
        x = shape[:, 0] * np.cos(yaw) + depth * np.sin(yaw)
        # The alignment takes the eyes and the mouth back to the middle of the template.
        x -= x[[36, 39, 42, 45, 48, 54]].mean()
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        centred = np.stack([x, shape[:, 1] - 0.4], axis=1) @ turn.T
        faces[i] = on_template(centred + np.array([0.0, 0.4]))
    faces += rng.normal(0.0, noise, faces.shape)
    return faces * (size / 224.0)


def mirrored(points: Points, size: float) -> Points:
    """Mirror the landmarks with their images."""
    flipped = points[:, MIRROR].copy()
    flipped[..., 0] = size - flipped[..., 0]
    return flipped


def cosine(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Compute the cosines of flattened maps (N, h, w)."""
    x, y = (np.asarray(m, dtype=np.float64).reshape(len(m), -1) for m in (a, b))
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return np.asarray((x * y).sum(1) / np.maximum(norms, 1e-12))
