"""Templates: the places of a face's parts in the aligned crop.

* ``loose``: the five points of the average face, placed so that raised brows, the start of the forehead and the whole
  chin of an open mouth stay inside the frame, so that all action units are visible.
* ``arcface``: the published five-point template of face recognition (Deng et al. 2019, for 112 px), which the AU-cue
  paper aligns RAF-DB with, at twice the size. It cuts off most chins (AU26, AU17).
* ``tight``: for pictures that end at the face. Rotated upright and centred as ``loose`` is, but shrunk and moved until
  none of the crop lies outside the picture; where ``loose`` has room, they are the same.
* ``none``: the data set's own crop (its box, or else the whole picture), made square, unrotated.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fer_au.arguments import read_text
from fer_au.errors import ArgumentError, UnknownNameError
from fer_au.faces.geometry import (
    Matrix,
    apply_matrix,
    box_area,
    box_to_box,
    fit_similarity,
    invert_matrix,
    matrix_scale,
)
from fer_au.ibug68 import LEFT_EYE, LEFT_MOUTH_CORNER, MEAN_FACE, NOSE_TIP, RIGHT_EYE, RIGHT_MOUTH_CORNER
from fer_au.registry import near_names

FloatArray = NDArray[np.floating]

_LOOSE_INTER_OCULAR = 0.40
_LOOSE_EYE_LINE = 0.30

_ARCFACE_SIZE = 112.0
_ARCFACE_FIVE = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)

HOG_BOX = (-0.82, -0.475, 0.82, 1.165)
"""Box of dlib's HOG detector around ``MEAN_FACE``, in its units: the box that dlib's predictors expect."""


_EYES = np.array([list(RIGHT_EYE), list(LEFT_EYE)])
_NOSE_AND_MOUTH = np.array([NOSE_TIP, RIGHT_MOUTH_CORNER, LEFT_MOUTH_CORNER])


def five_points(points: FloatArray) -> FloatArray:
    """Compute the five alignment points from 68: centres of the two eyes, tip of the nose, corners of the mouth.

    Args:
        points: Points (68, 2) xy of the iBUG-68 scheme.

    Returns:
        Points (5, 2) xy; the person's right eye and right mouth corner (left in the picture) come first.
    """
    eyes = points[_EYES].mean(1)
    return np.concatenate([eyes, points[_NOSE_AND_MOUTH]])


@dataclass(frozen=True)
class Template:
    """Places of a face's parts in a square crop of any size.

    Attributes:
        name: Name in ``params.yaml``.
        aligned: Whether faces are rotated upright and brought to their places; otherwise the crop is kept as it is.
        inside: Whether the crop is shrunk and moved until it lies inside the picture, wherever that leaves the face.
    """

    name: str
    aligned: bool
    inside: bool = False

    @property
    def fixed(self) -> bool:
        """Whether a face's parts have the same places in every crop."""
        return self.aligned and not self.inside

    def five(self, size: int) -> FloatArray:
        """Return the places of the five alignment points, (5, 2) xy of a crop of ``size`` pixels; read-only."""
        return _five(self, size)

    def mean_face(self, size: int) -> FloatArray:
        """Compute the average face where the template puts it, (68, 2) xy of a crop of ``size`` pixels."""
        return apply_matrix(self._from_mean_face(size), MEAN_FACE)

    def face_box(self, size: int) -> FloatArray:
        """Compute the HOG detector's box around the average face, (4,) xyxy of a crop of ``size`` pixels."""
        return apply_matrix(self._from_mean_face(size), np.reshape(HOG_BOX, (2, 2))).reshape(4)

    def _from_mean_face(self, size: int) -> Matrix:
        if self.name == "arcface":
            fitted = fit_similarity(five_points(MEAN_FACE), self.five(size))
            # The published points are tilted by 0.3 degrees; boxes are upright, so only scale and shift are kept.
            scale = float(np.hypot(fitted[0, 0], fitted[1, 0]))
            shift = self.five(size).mean(0) - scale * five_points(MEAN_FACE).mean(0)
            return np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        scale = _LOOSE_INTER_OCULAR * size
        return np.array([[scale, 0, size / 2], [0, scale, _LOOSE_EYE_LINE * size]])


@cache  # called for every face
def _five(template: Template, size: int) -> FloatArray:
    if template.name == "arcface":
        # The published numbers count pixel centres from 0 and are scaled as such; +0.5 brings them to this frame.
        five: FloatArray = np.array(_ARCFACE_FIVE) * (size / _ARCFACE_SIZE) + 0.5
    else:
        five = five_points(template.mean_face(size))
    five.flags.writeable = False
    return five


TEMPLATES: dict[str, Template] = {
    "loose": Template("loose", aligned=True),
    "arcface": Template("arcface", aligned=True),
    "tight": Template("tight", aligned=True, inside=True),
    "none": Template("none", aligned=False),
}


def get_template(name: str) -> Template:
    """Return the template of a name.

    Raises:
        UnknownNameError: There is no such template; the message lists near names.
    """
    if read_text("template", name, "the name of a template") not in TEMPLATES:
        raise UnknownNameError(f"unknown align template {name!r}; {near_names(name, TEMPLATES)}")
    return TEMPLATES[name]


def square_box(box: FloatArray) -> FloatArray:
    """Compute the smallest square around a box, with the same centre."""
    centre = (box[:2] + box[2:]) / 2
    half = float((box[2:] - box[:2]).max()) / 2
    return np.concatenate([centre - half, centre + half])


def keep_crop(box: FloatArray, size: int) -> Matrix:
    """Compute the matrix of template ``none``: the square around a box of the source fills the crop.

    Args:
        box: Box (4,) xyxy in the source, pixels.
        size: Side of the crop, pixels.

    Returns:
        Matrix (2, 3) source xy -> crop xy.

    Raises:
        ValueError: The box has no inside.
    """
    if box_area(box) <= 0:
        raise ValueError(f"box {box} has no inside")
    return box_to_box(square_box(box), (0, 0, size, size))


def shrink_inside(matrix: Matrix, size: int, width: int, height: int) -> Matrix:
    """Shrink and move a crop until none of it lies outside its picture; it keeps its rotation.

    Args:
        matrix: Similarity (2, 3) source xy -> crop xy.
        size: Side of the crop, pixels.
        width: Width of the picture, pixels.
        height: Height of the picture, pixels.

    Returns:
        Matrix (2, 3) source xy -> crop xy; the same one, where the crop lies inside.
    """
    rotation = matrix[:, :2] / matrix_scale(matrix)
    reach = float(np.abs(rotation[0]).sum())  # side of the upright box around a turned square of side 1
    wanted = size / matrix_scale(matrix)
    side = min(wanted, min(width, height) / reach)
    half = side * reach / 2
    before = apply_matrix(invert_matrix(matrix), [size / 2, size / 2])
    centre = np.clip(before, half, (width - half, height - half))
    if side == wanted and (centre == before).all():
        return matrix
    linear = rotation * (size / side)
    return np.concatenate([linear, (size / 2 - linear @ centre)[:, None]], axis=1)


def picture_box(width: int, height: int) -> FloatArray:
    """Return the box (4,) xyxy of a whole picture."""
    return np.array([0, 0, width, height], np.float64)


def crop_boxes(images: NDArray[np.uint8]) -> FloatArray:
    """Return the face boxes of crops that were aligned to ``loose``.

    Args:
        images: Crops (N, S, S, 3) uint8.

    Returns:
        Boxes (N, 4) xyxy, pixels of the crops, as the HOG detector draws them.

    Raises:
        ArgumentError: The crops are not square, so they were not aligned by this project: their boxes must be given.
    """
    if images.ndim != 4 or images.shape[1] != images.shape[2]:
        raise ArgumentError(f"images: expected square crops (N, S, S, 3), got {images.shape}; give the face boxes")
    return np.tile(TEMPLATES["loose"].face_box(images.shape[1]), (len(images), 1))


def mean_face_in(box: FloatArray) -> FloatArray:
    """Place the average face into a HOG-like face box (4,) xyxy; return its points, (68, 2) xy."""
    return apply_matrix(box_to_box(HOG_BOX, box), MEAN_FACE)
