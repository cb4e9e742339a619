"""Fit the similarity that aligns a detected face.

``detector`` trusts the detection (its five points, or else only its box); ``dlib5`` and ``dlib68`` find points in the
picture. Points are sought in a small patch of fixed geometry: the face upright, shrunk without aliasing, its box at
one place. The predictor then sees a face of 60 px and a face of 2,000 px alike. Where the points of this first look put
the face elsewhere than the detector did (a rolled head, a box of another size), a second look starts from there. For
all other faces a second look changes nothing that could be measured on rendered faces, and would cost: the predictor
takes half of align's time, because it reads 4 MB of its 100 MB for every face.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_au.assets import DLIB5, DLIB68, Weights, find_weights
from fer_au.faces.detectors import Detection
from fer_au.faces.dlib_points import import_dlib, predict_points
from fer_au.faces.geometry import Matrix, apply_matrix, box_to_box, compose, fit_similarity, invert_matrix
from fer_au.faces.templates import HOG_BOX, Template, five_points
from fer_au.faces.turning import turn_about
from fer_au.faces.warp import warp_crop
from fer_au.ibug68 import LEFT_EYE_INNER, LEFT_EYE_OUTER, MEAN_FACE, RIGHT_EYE_INNER, RIGHT_EYE_OUTER, SUBNASALE

Keypoints = Literal["detector", "dlib5", "dlib68"]

# dlib's five points as indices of the 68, in dlib's order.
_DLIB5_AS_68 = (LEFT_EYE_OUTER, LEFT_EYE_INNER, RIGHT_EYE_OUTER, RIGHT_EYE_INNER, SUBNASALE)

WEIGHTS = {"dlib5": DLIB5, "dlib68": DLIB68}

_PATCH_SIZE = 192
_PATCH_BOX = (44.0, 44.0, 148.0, 148.0)

_SECOND_LOOK = 0.2
"""Largest move of a corner of the face's box, in sides of the box, after which one look is enough."""


def check_keypoints(keypoints: Keypoints) -> None:
    """Find the packages and weights that a choice of keypoints needs.

    Raises:
        MissingDependencyError: dlib or its weights are not installed.
    """
    if keypoints != "detector":
        import_dlib()
        find_weights(WEIGHTS[keypoints])


def turned_box_to_box(box: ArrayLike, target: ArrayLike, roll: float) -> Matrix:
    """Find the similarity of ``box_to_box`` that also sets upright a face turned clockwise by ``roll`` degrees."""
    upright = box_to_box(box, target)
    corners = np.asarray(target, np.float64)
    return compose(turn_about((corners[:2] + corners[2:]) / 2, roll), upright)


def align_matrix(
    image: NDArray[np.uint8], detection: Detection, keypoints: Keypoints, template: Template, size: int
) -> Matrix:
    """Fit the similarity that brings a face to its place in the template.

    Args:
        image: Picture (H, W, 3) uint8 RGB.
        detection: Face in the picture.
        keypoints: Points or box that the similarity is fitted to.
        template: Template with fixed places.
        size: Side of the crop, pixels.

    Returns:
        Matrix (2, 3) source xy -> crop xy.
    """
    if keypoints == "detector":
        if detection.five is not None:
            return fit_similarity(detection.five, template.five(size))
        return turned_box_to_box(detection.box, template.face_box(size), detection.roll)
    points = find_points(image, detection, keypoints)
    if keypoints == "dlib5":
        return fit_similarity(points, template.mean_face(size)[list(_DLIB5_AS_68)])
    return fit_similarity(five_points(points), template.five(size))


def find_points(
    image: NDArray[np.uint8], detection: Detection, keypoints: Literal["dlib5", "dlib68"]
) -> NDArray[np.float64]:
    """Find a face's points in the picture by a dlib predictor, (5, 2) or (68, 2) xy."""
    weights = WEIGHTS[keypoints]
    mean = MEAN_FACE[list(_DLIB5_AS_68)] if keypoints == "dlib5" else MEAN_FACE
    gray = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    to_patch = turned_box_to_box(detection.box, _PATCH_BOX, detection.roll)
    points = _look(weights, gray, to_patch)
    again = compose(box_to_box(HOG_BOX, _PATCH_BOX), fit_similarity(points, mean))
    return points if _moved(to_patch, again) <= _SECOND_LOOK else _look(weights, gray, again)


def _look(weights: Weights, gray: NDArray[np.uint8], to_patch: Matrix) -> NDArray[np.float64]:
    """Find the predictor's points in the patch that a matrix cuts; return them in the picture's frame."""
    patch = warp_crop(gray, to_patch, _PATCH_SIZE)
    return apply_matrix(invert_matrix(to_patch), predict_points(weights, patch, _PATCH_BOX))


def _moved(first: Matrix, second: Matrix) -> float:
    """Measure how far the corners of the face's box move between two matrices at most, in sides of the box."""
    x0, y0, x1, y1 = _PATCH_BOX
    corners = np.array([[x0, y0], [x1, y0], [x0, y1], [x1, y1]])
    there = apply_matrix(compose(second, invert_matrix(first)), corners)
    return float(np.hypot(*(there - corners).T).max()) / (x1 - x0)
