"""Maps on another grid, cell by cell in plain Python: what both frames are compared with."""

from __future__ import annotations

import numpy as np


def resize_row(values: list[float], count: int, *, published: bool) -> list[float]:
    """Resize a row of cells.

    A new cell reads the old ones with a triangle as wide as the larger cell, around its own centre. The published code
    makes steps that lead from the centre of the first cell to that of the last, but takes the first from the corner.
    """
    step = len(values) / count
    if published:
        step = (len(values) - 1) / (count - 1) if count > 1 else 0.0
    reach = step if step > 1 else 1.0
    row = []
    for cell in range(count):
        middle = cell * step + step / 2
        total = weight = 0.0
        for place, value in enumerate(values):
            distance = abs(place + 0.5 - middle)
            if distance < reach:
                total += (reach - distance) * value
                weight += reach - distance
        row.append(total / weight)
    return row


def resize_plane(plane: np.ndarray, rows: int, columns: int, *, published: bool) -> np.ndarray:
    """Resize a map, its rows and then its columns."""
    wide = np.array([resize_row(row.tolist(), columns, published=published) for row in plane])
    return np.array([resize_row(column.tolist(), rows, published=published) for column in wide.T]).T


def published_cosine(attention: np.ndarray, target: np.ndarray, pixels: int, *, stretched: bool) -> float:
    """Cosine of a map with an AU map on the picture's pixels, as published; attention is stretched, a CAM is not."""
    shown = resize_plane(attention, pixels, pixels, published=stretched)
    shown = shown - min(float(shown.min()), 0.0)
    wanted = resize_plane(target, pixels, pixels, published=False)
    return float((shown * wanted).sum() / np.sqrt((shown**2).sum() * (wanted**2).sum()))
