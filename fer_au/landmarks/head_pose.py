"""Estimate head poses from 68 points: an average head is turned until its points lie on those of the picture.

Angles in degrees, as the picture shows the head: yaw > 0 turns the face towards the right edge of the picture,
pitch > 0 lifts it, roll > 0 tilts it clockwise. The head is turned by yaw first, then pitch, then roll; all are 0 for
the frontal, upright head of ``head68.csv``. The angles are relative to the line from the camera to the face, not to the
camera's axis: a face at the edge of a wide picture has the pose that its crop shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.ibug68 import BROWS, CHIN, EYES, JAW, LEFT_EYE_OUTER, N_POINTS, NOSE, RIGHT_EYE_OUTER

TABLE = Path(__file__).with_name("head68.csv")

RIGID = BROWS + NOSE + EYES
"""Points that are fitted first; speech and expressions move the mouth more."""

JAW_YAW = 15.0
"""Degrees from which the far half of the jaw is left out: it is hidden, and its points slide along the contour."""

DISTANCE = 1000.0
"""Assumed distance from the camera to the head, mm. Unknown, and of little effect: see ``benchmarks/pose.py``."""

MAX_RESIDUAL = 0.2
"""Points that lie further from the turned head than this share of the inter-ocular distance are of no face."""

_LEAST_SHARE = 1e-6  # of the largest coordinate; less is the rounding of float32
_LEAST_SPREAD = 0.5  # pixels: points that lie closer together than this are one point
_ANGLE_DIGITS, _RESIDUAL_DIGITS = 2, 4  # that are kept: below them processors round differently
_AXES = np.array([1.0, -1.0, -1.0])  # from the head's axes (y up, z to the viewer) to the camera's (y down, z away)

FloatArray = NDArray[np.floating]


@dataclass(frozen=True)
class HeadPoses:
    """Poses of N heads.

    Attributes:
        angles: (N, 3) float32 yaw, pitch and roll in degrees; NaN where the points are missing or of no face.
        residual: (N,) float32 root mean square distance of the fitted points from the turned head's, in inter-ocular
            distances: how well the points suit a head. NaN where ``angles`` are.
    """

    angles: NDArray[np.float32]
    residual: NDArray[np.float32]

    @classmethod
    def unknown(cls, count: int) -> HeadPoses:
        """Make the poses of heads that nothing is known of."""
        return cls(np.full((count, 3), np.nan, np.float32), np.full(count, np.nan, np.float32))

    def put(self, rows: NDArray[np.int64], poses: HeadPoses) -> None:
        """Fill in the poses of some heads."""
        self.angles[rows], self.residual[rows] = poses.angles, poses.residual

    def columns(self) -> dict[str, NDArray[np.float32]]:
        """Name the columns that they are in ``landmarks.h5``."""
        return {"pose": self.angles, "pose_residual": self.residual}


@lru_cache(maxsize=1)
def average_head() -> NDArray[np.float64]:
    """Read the points (68, 3) of the average head: mm, x to the person's left, y up, z out of the face."""
    table = np.loadtxt(TABLE, delimiter=",", skiprows=1, usecols=(1, 2, 3))
    return np.asarray(table.reshape(N_POINTS, 3), np.float64)


def estimate_poses(points: FloatArray, matrices: FloatArray) -> HeadPoses:
    """Estimate the poses of heads in their pictures.

    Args:
        points: (N, 68, 2) xy pixels of the crops; NaN where a face has none.
        matrices: (N, 2, 3) from the pictures to the crops, which may be turned: roll, too, is that of the picture.
    """
    poses = HeadPoses.unknown(len(points))
    for row, found in enumerate(unwarp(points, matrices)):
        if (fitted := estimate_pose(found)) is not None:
            poses.angles[row], poses.residual[row] = (
                fitted[0].round(_ANGLE_DIGITS) + 0.0,
                round(fitted[1], _RESIDUAL_DIGITS),
            )
    return poses


def estimate_pose(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], float] | None:
    """Estimate the pose of one head: by rigid points, and then by the jaw as well, as far as it is seen.

    The jaw's depth settles the pitch, which rigid points alone leave open.

    Args:
        points: Points (68, 2) xy in pixels of the picture.

    Returns:
        Yaw, pitch and roll in degrees, and the residual as in ``HeadPoses``; None if the points are of no face.
    """
    first = fit_head(points, RIGID)
    found = first and fit_head(points, seen_jaw(float(first[0][0])) + RIGID)
    return found if found and found[1] <= MAX_RESIDUAL else None


def seen_jaw(yaw: float) -> tuple[int, ...]:
    """List the points of the jaw that are seen of a head that is turned by ``yaw`` degrees.

    Example:
        >>> seen_jaw(-20)
        (8, 9, 10, 11, 12, 13, 14, 15, 16)
    """
    if abs(yaw) < JAW_YAW:
        return JAW
    return JAW[: CHIN + 1] if yaw > 0 else JAW[CHIN:]


def unwarp(points: FloatArray, matrices: FloatArray) -> NDArray[np.float64]:
    """Map points (N, 68, 2) of crops into their pictures; NaN where a matrix (N, 2, 3) can't be inverted."""
    linear = np.asarray(matrices, np.float64)[:, :, :2]
    shifted = np.asarray(points, np.float64) - np.asarray(matrices, np.float64)[:, None, :, 2]
    (a, b), (c, d) = linear[:, 0].T, linear[:, 1].T
    with np.errstate(invalid="ignore", divide="ignore"):
        inverse = np.array([[d, -b], [-c, a]]) / (a * d - b * c)
        return np.asarray(np.einsum("xyn,nky->nkx", inverse, shifted))


def fit_head(
    points: NDArray[np.float64], fitted: tuple[int, ...], distance: float = DISTANCE, *, refine: bool = False
) -> tuple[NDArray[np.float64], float] | None:
    """Fit the average head to the points (68, 2) of a picture: the global optimum of SQPnP.

    Source: Terzakis and Lourakis, "A Consistently Fast and Globally Optimal Solution to the Perspective-n-Point
    Problem", ECCV 2020.

    Args:
        points: Points xy in pixels.
        fitted: Numbers of the points that are fitted.
        distance: Distance from the camera, mm.
        refine: Whether the solution is refined to the least reprojection error (Levenberg and Marquardt), which takes
            ten times as long and changes no angle that matters.

    Returns:
        Yaw, pitch and roll in degrees, and the residual as in ``HeadPoses``; None if no head that faces the camera
        fits.
    """
    chosen, head = points[list(fitted)], average_head()[list(fitted)] * _AXES
    if not np.isfinite(chosen).all():
        return None
    # Seen from the middle of the face and scaled to the head, so that the camera needs no focal length.
    seen = chosen - chosen.mean(axis=0)
    spread = float(np.sqrt((seen**2).sum(axis=1).mean()))
    if spread < max(_LEAST_SPREAD, _LEAST_SHARE * np.abs(chosen).max()):
        return None
    flat = (head - head.mean(axis=0))[:, :2]
    seen *= float(np.sqrt((flat**2).sum(axis=1).mean())) / spread / distance
    solved, turn, shift = cv2.solvePnP(head, seen, np.eye(3), None, flags=cv2.SOLVEPNP_SQPNP)
    if solved and refine:
        turn, shift = cv2.solvePnPRefineLM(head, seen, np.eye(3), None, turn, shift)
    if not solved or not (np.isfinite(turn).all() and shift[2, 0] > 0):
        return None
    rotation = np.asarray(cv2.Rodrigues(turn)[0])
    placed = head @ rotation.T + shift.T
    error = np.sqrt((((placed[:, :2] / placed[:, 2:]) - seen) ** 2).sum(axis=1).mean())
    eyes = np.linalg.norm(average_head()[LEFT_EYE_OUTER] - average_head()[RIGHT_EYE_OUTER])
    facing = rotation * _AXES[:, None] * _AXES
    return (euler_angles(facing), float(error * shift[2, 0] / eyes)) if facing[2, 2] > 0 else None


def euler_angles(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Split a rotation (3, 3) of the head's axes into yaw, pitch and roll in degrees, as this module counts them."""
    yaw = np.arctan2(-rotation[2, 0], rotation[2, 2])
    pitch = -np.arcsin(np.clip(rotation[2, 1], -1, 1))
    roll = -np.arctan2(-rotation[0, 1], rotation[1, 1])
    return np.asarray(np.degrees([yaw, pitch, roll]))
