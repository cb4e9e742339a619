"""Turn a picture, so that faces that lean in it stand upright."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_au.faces.geometry import Matrix, compose
from fer_au.faces.warp import to_opencv


def turn_about(centre: ArrayLike, roll: float) -> Matrix:
    """Return the rotation about a point that sets a face upright that is turned clockwise by ``roll`` degrees.

    Args:
        centre: Point (2,) xy that stays where it is.
        roll: Angle in degrees.

    Returns:
        Matrix (2, 3) of a frame to itself.
    """
    cosine, sine = np.cos(np.deg2rad(roll)), np.sin(np.deg2rad(roll))
    linear = np.array([[cosine, sine], [-sine, cosine]])
    middle = np.asarray(centre, np.float64)
    return np.concatenate([linear, (middle - linear @ middle)[:, None]], axis=1)


def turn_upright(picture: NDArray[np.uint8], matrix: Matrix, roll: float) -> tuple[NDArray[np.uint8], Matrix]:
    """Turn a picture about its middle, so that faces turned clockwise by ``roll`` degrees stand upright.

    Args:
        picture: Picture (H, W) or (H, W, 3); its side stays, and beyond its border pixels are repeated.
        matrix: Matrix (2, 3) from some source to the picture.
        roll: Angle in degrees.

    Returns:
        The turned picture, and the matrix from the source to it.
    """
    size = picture.shape[1], picture.shape[0]
    turn = turn_about(np.array(size) / 2, roll)
    flags, border = cv2.INTER_LINEAR, cv2.BORDER_REPLICATE
    turned = cv2.warpAffine(picture, to_opencv(turn), size, flags=flags, borderMode=border)
    return np.asarray(turned, np.uint8), compose(turn, matrix)
