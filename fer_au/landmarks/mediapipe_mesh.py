"""Run MediaPipe's face mesh network on pictures: 468 points, and the probability of a face.

Source: Kartynnik et al. 2019, "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs". The network sees
a square region of 192 px with level eyes, values in [0, 1]. MediaPipe takes the region from its own face detector, or,
in a video, from the mesh of the frame before. Here the region comes from any face box, or from the first mesh if that
shows that the region was off.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_au.assets import FACE_MESH, find_weights
from fer_au.faces.geometry import Matrix, apply_matrix, invert_matrix
from fer_au.faces.warp import Image, warp_crop

SIZE = 192
N_MESH = 468
# Outer eye corners, the person's right and left, which are level in the region.
EYE_CORNERS = (33, 263)
# MediaPipe's own margin around the mesh.
_MESH_MARGIN = 1.5
_POINTS, _PRESENCE = "conv2d_21", "conv2d_31"
_LOCAL = threading.local()


@dataclass(frozen=True)
class Mesh:
    """Mesh of a face, as the network found it.

    Attributes:
        points: Points (468, 2) float64 xy of the picture.
        presence: Probability in [0, 1] that the region shows a face.
    """

    points: NDArray[np.float64]
    presence: float


def find_mesh(image: Image, region: Matrix) -> Mesh:
    """Run the network on one region of a picture.

    Args:
        image: Picture (H, W, 3) uint8 RGB.
        region: Matrix (2, 3) from the picture's xy to those of the network's 192 px square.

    Raises:
        MissingDependencyError: The weights are not installed.
    """
    square = warp_crop(image, region, SIZE)
    net = _network()
    net.setInput(np.ascontiguousarray(square.transpose(2, 0, 1)[None], np.float32) / np.float32(255))
    points, logit = net.forward([_POINTS, _PRESENCE])
    flat = np.asarray(points, np.float64).reshape(N_MESH, 3)[:, :2]
    presence = 1 / (1 + np.exp(-float(np.asarray(logit).reshape(()))))
    return Mesh(apply_matrix(invert_matrix(region), flat), float(presence))


def _network() -> cv2.dnn.Net:
    """Load the network of this thread: OpenCV's networks hold their buffers, so threads can't share one."""
    net: cv2.dnn.Net | None = getattr(_LOCAL, "net", None)
    if net is None:
        # OpenCV's newer engine knows only one of the two outputs, and would run twice for both.
        net = cv2.dnn.readNetFromTFLite(str(find_weights(FACE_MESH)), cv2.dnn.ENGINE_CLASSIC)
        _LOCAL.net = net
    return net


def square_region(centre: ArrayLike, side: float, angle: float = 0.0) -> Matrix:
    """Compute the matrix that brings a square of the picture to the network's input.

    Args:
        centre: Centre (2,) xy of the square in the picture.
        side: Side of the square, pixels of the picture.
        angle: Angle of the eye line in the picture, radians, clockwise as seen from the x axis; the line becomes level.

    Returns:
        Matrix (2, 3) from the picture's xy to the input's.
    """
    scale = SIZE / side
    turn = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    shift = SIZE / 2 - turn @ np.asarray(centre, np.float64)
    return np.concatenate([turn, shift[:, None]], axis=1)


def region_of_mesh(points: NDArray[np.float64]) -> Matrix:
    """Compute the region that MediaPipe would look at next: around the mesh, with level eyes.

    Args:
        points: Mesh (468, 2) xy of the picture.

    Returns:
        Matrix (2, 3) from the picture's xy to the network's input.
    """
    low, high = points.min(0), points.max(0)
    across = points[EYE_CORNERS[1]] - points[EYE_CORNERS[0]]
    side = _MESH_MARGIN * float((high - low).max())
    return square_region((low + high) / 2, side, float(np.arctan2(across[1], across[0])))
