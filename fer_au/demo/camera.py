"""Head pose and camera: from head-frame metres to pixels of the picture.

Pixel i covers [i, i+1), x to the right, y down. Pose angles in degrees: yaw > 0 turns the face towards the right edge
of the picture, pitch > 0 lifts the face, roll > 0 tilts the head clockwise as seen in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_au.demo.asset import Floats

# The head turns about the upper neck vertebrae (head frame, metres); below the second height the body stays.
_PIVOT = np.array([0.0, -0.06, -0.085])
_HEAD_ABOVE, _BODY_BELOW = -0.10, -0.19


@dataclass(frozen=True)
class Pose:
    """Head rotation in degrees."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0

    def matrix(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """Compute the rotation (3,3): yaw first, then pitch, then roll."""
        y, p, r = np.radians([self.yaw, -self.pitch, -self.roll])
        turn = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
        nod = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
        tilt = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
        return np.asarray(tilt @ nod @ turn)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks along -z.

    Attributes:
        distance: Distance from the camera to the head frame's origin, metres.
        focal: Focal length as a multiple of the picture's side.
        offset: Place of the origin in the picture, as shares of the side away from the centre (x right, y down).
    """

    distance: float
    focal: float
    offset: tuple[float, float]

    def place(self, posed: Floats) -> Floats:
        """Map head-frame points (N,3) to camera space: the camera is at 0 and looks along -z."""
        return np.asarray(posed - np.array([0, 0, self.distance]), np.float32)

    def project(self, points: Floats, size: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """Project camera-space points (N,3) to xy (N,2) in a picture of ``size`` x ``size`` pixels."""
        scale = size * self.focal / -points[:, 2].astype(np.float64)
        x = size * (0.5 + self.offset[0]) + scale * points[:, 0]
        y = size * (0.5 + self.offset[1]) - scale * points[:, 1]
        return np.stack([x, y], axis=1)


def apply_pose(vertices: Floats, rest: Floats, pose: Pose) -> Floats:
    """Rotate the head about the neck; shoulders stay, the neck follows in between.

    Args:
        vertices: Vertices (N,3), head frame.
        rest: The same vertices (N,3) of the mean head, by which head, neck and body are told apart.
        pose: Rotation of the head.
    """
    # The neck slopes: at its back the border between head and body is higher than under the chin.
    height = rest[:, 1] + 0.25 * np.minimum(rest[:, 2] + 0.04, 0) * (rest[:, 1] < -0.05)
    share = np.clip((height - _BODY_BELOW) / (_HEAD_ABOVE - _BODY_BELOW), 0, 1)
    share = (share * share * (3 - 2 * share))[:, None]
    local = vertices - _PIVOT
    # Written out, not a matrix product: BLAS may round differently with its number of threads.
    matrix = pose.matrix()
    turned = sum(local[:, k : k + 1] * matrix[:, k] for k in range(3))
    return np.asarray(_PIVOT + local + share * (turned - local), np.float32)
