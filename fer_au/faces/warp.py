"""Warp a picture into an aligned crop, without aliasing and exact to a fraction of a pixel.

OpenCV counts pixel centres from 0 while the project's frame puts the first centre at 0.5 (see ``geometry``), so a
matrix M becomes T(-0.5) M T(+0.5) in OpenCV's numbers, where T shifts both coordinates.

Large faces are shrunk by area averaging first, to twice the crop's resolution (``cv2.resize`` with INTER_AREA, which
maps pixel edges to edges and so is a plain scaling in our frame). Linear interpolation, whose kernel is then about as
wide as a pixel of the crop, does the rest; a face that must be enlarged is interpolated bicubically. On photographs
this comes nearer to the true average over every pixel of the crop than averaging to its exact resolution and
interpolating bicubically (58 against 53 dB), for half the time. Interpolating a large picture directly would skip
pixels and turn texture into noise.

Outside the picture its border pixels are repeated. A constant colour would draw a hard edge from which a network can
learn how tightly a photograph was cut, and so often its data set; mirrored borders would add a second chin.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_au.arguments import read_whole
from fer_au.array_arguments import read_array
from fer_au.errors import ArgumentError
from fer_au.faces.geometry import Matrix, apply_matrix, compose, invert_matrix, matrix_scale
from fer_au.picture_arguments import read_picture

Image = NDArray[np.uint8]

_REACH = 3.0
"""Pixels around a point that interpolation may read, plus one."""

_MARGIN = 4.0
"""Target pixels kept around the needed part of the source: the reach of the kernels and of rounding."""


def to_opencv(matrix: ArrayLike) -> Matrix:
    """Convert a matrix (2, 3) of the project's frame to OpenCV's, whose first pixel centre is at 0."""
    m = np.asarray(matrix, np.float64).copy()
    m[:, 2] += 0.5 * m[:, :2].sum(axis=1) - 0.5
    return m


def warp_crop(image: Image, matrix: ArrayLike, size: int) -> Image:
    """Cut an aligned square crop.

    Args:
        image: Picture (H, W, 3) or (H, W) uint8.
        matrix: Similarity (2, 3) from source xy to crop xy, in the project's frame.
        size: Side of the crop, pixels.

    Returns:
        Crop (size, size, 3) or (size, size) uint8.

    Raises:
        ArgumentError: The matrix is not finite or not invertible, ``size`` is below 1, or the picture something else.
    """
    image, size = read_picture("image", image, grey=True), read_whole("size", size)
    wanted = np.asarray(read_array("matrix", matrix, (2, 3), library="numpy"), np.float64)
    try:
        invert_matrix(wanted)
    except ValueError as error:
        raise ArgumentError(f"matrix: expected a similarity, got {wanted.tolist()}: {error}") from None
    part, remaining = _needed_part(image, wanted, size)
    colour = part.ndim == 3
    part = without_empty_colour(part)
    part, remaining = _shrink(part, remaining)
    inverse = to_opencv(invert_matrix(remaining))
    flags = (cv2.INTER_CUBIC if matrix_scale(remaining) > 1 else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    # Where no border is seen, the border mode changes nothing but the time (by a third).
    border = cv2.BORDER_CONSTANT if _inside(inverse, size, part) else cv2.BORDER_REPLICATE
    warped = cv2.warpAffine(part, inverse, (size, size), flags=flags, borderMode=border)
    if colour and warped.ndim == 2:
        warped = cv2.cvtColor(warped, cv2.COLOR_GRAY2RGB)
    return np.asarray(warped, np.uint8)


def without_empty_colour(image: Image) -> Image:
    """Reduce an RGB picture without colour to one channel: the same pixels for less work.

    Many face data sets hold such pictures.

    Args:
        image: Picture (H, W, 3) or (H, W) uint8.

    Returns:
        Picture (H, W) if the three channels are equal, else the picture as it is.
    """
    if image.ndim == 2:
        return image
    # A few rows suffice to recognise nearly every colour picture.
    few = image[:: max(len(image) // 8, 1)]
    if not (np.array_equal(few[:, :, 0], few[:, :, 1]) and np.array_equal(few[:, :, 0], few[:, :, 2])):
        return image
    red, green, blue = cv2.split(image)
    grey = np.array_equal(red, green) and np.array_equal(red, blue)
    return np.asarray(red, np.uint8) if grey else image


def _needed_part(image: Image, matrix: Matrix, size: int) -> tuple[Image, Matrix]:
    """Cut the part of the source that the crop can see; the border is repeated only where the picture itself ends."""
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], np.float64)
    seen = apply_matrix(invert_matrix(matrix), corners)
    margin = _MARGIN / min(matrix_scale(matrix), 1.0) + 2
    height, width = image.shape[:2]
    low = np.floor(seen.min(0) - margin)
    high = np.ceil(seen.max(0) + margin)
    # A crop wholly outside the picture still sees its nearest border pixel.
    x0, y0 = np.clip(low, 0, (width - 1, height - 1)).astype(int)
    x1, y1 = np.clip(high, (x0 + 1, y0 + 1), (width, height)).astype(int)
    return image[y0:y1, x0:x1], compose(matrix, [[1, 0, x0], [0, 1, y0]])


def _inside(inverse: Matrix, size: int, image: Image) -> bool:
    """Tell whether all pixels of a crop lie inside a picture, at least by the reach of the bicubic kernel."""
    last = size - 1
    x, y = apply_matrix(inverse, [[0, 0], [last, 0], [0, last], [last, last]]).T
    height, width = image.shape[:2]
    return bool(min(x.min(), y.min()) >= _REACH and x.max() < width - _REACH and y.max() < height - _REACH)


def _shrink(image: Image, matrix: Matrix) -> tuple[Image, Matrix]:
    """Shrink a picture by area averaging to twice the resolution of the crop; return it with the remaining matrix."""
    scale = 2 * matrix_scale(matrix)
    if scale >= 1:
        return image, matrix
    height, width = image.shape[:2]
    new_width, new_height = max(round(width * scale), 1), max(round(height * scale), 1)
    small = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_AREA)
    # Rounding the new size shrinks x and y by slightly different factors; the remaining matrix corrects that exactly.
    return np.asarray(small, np.uint8), compose(matrix, [[width / new_width, 0, 0], [0, height / new_height, 0]])
