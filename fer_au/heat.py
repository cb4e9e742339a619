"""Turn maps into pictures: one colour map for the whole page, painted over grey faces, embedded as data URIs.

Every map is stretched to its own minimum and maximum before it is coloured: an attention map has no unit, only its
shape can be compared. The colour map is monotone in lightness, so it also reads in print and for colour-blind readers.
"""

from __future__ import annotations

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Map = NDArray[np.floating]

_QUALITY = 84


def _palette() -> NDArray[np.uint8]:
    """Make (256, 3) RGB colours from the lowest to the highest value."""
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    return np.ascontiguousarray(cv2.applyColorMap(ramp, cv2.COLORMAP_INFERNO)[:, 0, ::-1])


PALETTE = _palette()


def stretch(maps: Map) -> NDArray[np.float32]:
    """Stretch each (..., h, w) map to [0, 1]; a constant or non-finite map becomes zero.

    >>> stretch(np.array([[[2.0, 4.0]], [[7.0, 7.0]]])).tolist()
    [[[0.0, 1.0]], [[0.0, 0.0]]]
    """
    values = np.asarray(maps, np.float32)
    usable = np.isfinite(values).all(axis=(-2, -1), keepdims=True)
    values = np.where(usable, values, np.float32(0))
    low = values.min(axis=(-2, -1), keepdims=True)
    span = values.max(axis=(-2, -1), keepdims=True) - low
    stretched: NDArray[np.float32] = np.where(span > 0, (values - low) / np.where(span > 0, span, 1), 0)
    return stretched.astype(np.float32)


def enlarge(heat: Map, side: int) -> NDArray[np.float32]:
    """Resize one (h, w) map to (side, side), smoothly, with half-integer pixel centres on both grids."""
    grown = cv2.resize(np.asarray(heat, np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    clipped: NDArray[np.float32] = np.clip(grown, np.min(heat), np.max(heat)).astype(np.float32)
    return clipped


def fit(image: Image, side: int) -> Image:
    """Resize an (H, W, 3) RGB crop to (side, side, 3)."""
    shrinks = image.shape[0] > side
    resized = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return np.asarray(resized, np.uint8)


def overlay(face: Image, heat: Map) -> Image:
    """Paint a map over the grey version of a face.

    Args:
        face: (S, S, 3) RGB.
        heat: (h, w) map on any grid, to be stretched to its own range.

    Returns:
        (S, S, 3) RGB: dark grey where the map is low, glowing where it is high; the face stays visible everywhere.
    """
    value = enlarge(stretch(heat), face.shape[0])
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float32)[..., None]
    colour = PALETTE[np.rint(value * 255).astype(np.uint8)].astype(np.float32)
    alpha = (0.30 + 0.42 * value)[..., None]
    mixed = grey * 0.92 * (1 - alpha) + colour * alpha
    painted: Image = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return painted


def data_uri(image: Image) -> str:
    """Encode an RGB image as a WebP data URI."""
    done, buffer = cv2.imencode(".webp", image[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
    if not done:
        raise RuntimeError("OpenCV has no WebP encoder")
    return "data:image/webp;base64," + base64.b64encode(buffer.tobytes()).decode("ascii")


def palette_stops(count: int = 12) -> list[str]:
    """List the CSS colours of the colour bar, from the lowest to the highest value."""
    rows = np.linspace(0, 255, count).round().astype(int)
    return ["#{:02x}{:02x}{:02x}".format(*PALETTE[row]) for row in rows.tolist()]
