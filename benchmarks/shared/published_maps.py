"""The published AU maps, drawn slowly: one image, one AU, one ellipse at a time, on a full-size canvas.

Written from the published method's table of primitives alone, with none of the project's code, to judge the fast one.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

CODEBOOK = {
    "happiness": [6, 12, 25],
    "sadness": [1, 4, 6, 15, 17],
    "surprise": [1, 2, 5, 26, 27],
    "fear": [1, 2, 4, 5, 20, 25, 26, 27],
    "anger": [4, 5, 7, 10, 17, 23, 24, 25, 26],
    "disgust": [9, 5, 16, 17, 25, 26],
}
BACKGROUND = 1e-4

Ellipse = tuple[int, int, int, int]  # centre x, y, half-axes a, b


def _ellipses(au: int, x: list[int], y: list[int], width: int, height: int) -> list[Ellipse]:
    def half(values: list[int], i: int, j: int, if_zero: int = 0) -> int:
        return max(int((values[j] - values[i]) / 2), 0) or if_zero

    def mid(values: list[int], i: int, j: int) -> int:
        return int((values[i] + values[j]) / 2)

    def lid_tightener(if_zero: int) -> list[Ellipse]:
        left = (mid(x, 36, 39), mid(y, 38, 41), half(x, 36, 39, if_zero), max(int((y[41] - y[38] + 20) / 2), 0))
        right = (mid(x, 42, 45), mid(y, 44, 47), half(x, 42, 45, if_zero), max(int((y[47] - y[44] + 20) / 2), 0))
        return [left, right]

    w8, w10 = round(width / 8), round(width / 10)
    h10, h6 = round(height / 10), round(height / 6)
    mouth = [(mid(x, 48, 54), mid(y, 51, 57), half(x, 48, 54, 5), half(y, 51, 57, 5))]
    corners = [(x[48], y[48], 20, 20), (x[54], y[54], 20, 20)]
    table: dict[int, list[Ellipse]] = {
        1: [(x[20], y[20], w8, h10), (x[23], y[23], w8, h10)],
        2: [(x[18], y[18], w8, h10), (x[25], y[25], w8, h10)],
        4: [(mid(x, 19, 24), mid(y, 19, 24), half(x, 19, 24, 10), half(y, 19, 24, 10))],
        5: [
            (mid(x, 36, 39), mid(y, 38, 41), half(x, 36, 39, 5), half(y, 38, 41, 5)),
            (mid(x, 42, 45), mid(y, 44, 47), half(x, 42, 45, 5), half(y, 44, 47, 5)),
        ],
        6: [(x[41], y[41] + h6, w10, h10), (x[46], y[46] + h6, w10, h10)],
        7: lid_tightener(5),
        9: [(x[31], y[29], 20, 20), (x[35], y[29], 20, 20)],
        10: [(x[48], y[50], 20, 20), (x[52], y[54], 20, 20)],
        12: corners,
        14: [(max(x[48] - 20, 0), y[48], 20, 20), (min(x[54] + 20, width), y[54], 20, 20)],
        15: corners,
        16: [(x[59], y[59], 20, 20), (x[55], y[55], 20, 20)],
        17: [(mid(x, 59, 8), mid(y, 59, 8), half(x, 59, 8, 5), half(y, 59, 8, 5))],
        20: [(mid(x, 48, 6), mid(y, 48, 6), 20, 20), (mid(x, 50, 10), mid(y, 50, 10), 20, 20)],
        23: mouth,
        24: mouth,
        25: [(x[51], y[51], 25, 10), (x[57], y[57], 25, 10)],
        26: mouth,
        27: mouth,
        43: lid_tightener(0),
    }
    return table[au]


def au_map(au: int, points: NDArray[np.float64], size: int) -> NDArray[np.float64] | None:
    """Draw one AU at full size, values 0..255; None if no pixel of it lies in the frame."""
    canvas = np.full((size, size), BACKGROUND)
    x, y = ([int(value) for value in points[:, axis]] for axis in (0, 1))
    for cx, cy, a, b in _ellipses(au, x, y, size, size):
        cv2.ellipse(canvas, (cx, cy), (a, b), 0, 0, 360, 255, -1)
    if not (canvas > BACKGROUND).any():
        return None
    small = cv2.resize(canvas, (28, 28), interpolation=cv2.INTER_LINEAR)
    small = cv2.blur(small, (3, 3))
    return np.asarray(cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR), dtype=np.float64)


def published_map(points: NDArray[np.float64], units: list[int], size: int = 224) -> NDArray[np.float64] | None:
    """Draw the map (size, size) in [0, 1] of one face (68, 2); None where the published code has no valid map."""
    if not np.isfinite(points).all():
        return None
    drawn = [drawing for drawing in (au_map(au, points, size) for au in units) if drawing is not None]
    if not drawn:
        return None
    merged = np.max(drawn, axis=0)
    return np.asarray((merged - merged.min()) / (merged.max() - merged.min()), dtype=np.float64)
