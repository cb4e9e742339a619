"""Share of a crop that lies outside its picture, where border pixels are repeated and no face is to be seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.faces.geometry import apply_matrix

MUCH_OUTSIDE = 0.1
"""Median share above which the frame doesn't fit the pictures of a data set, and ``align`` says what to do."""


@dataclass(frozen=True)
class Outside:
    """What a data set's crops see beyond their pictures.

    Attributes:
        median: Median share of a crop that lies outside its picture; NaN if there is no crop.
        above: Share of the crops of which more than a tenth lies outside.
    """

    median: float
    above: float

    @classmethod
    def of(cls, shares: NDArray[Any]) -> Outside:
        """Sum up the column ``outside`` of ``faces.h5``; rows without a crop are NaN and left out."""
        known = shares[np.isfinite(shares)]
        if not len(known):
            return cls(math.nan, 0.0)
        return cls(float(np.median(known)), float((known > MUCH_OUTSIDE).mean()))

    @property
    def text(self) -> str:
        """The share in words, for one line."""
        known = not math.isnan(self.median)
        return f"{100 * self.median:.0f} % of a crop outside its picture (median)" if known else "no crop"

    @property
    def sentence(self) -> str:
        """The shares in words, for the report."""
        if math.isnan(self.median):
            return ""
        rest = f"; of {100 * self.above:.0f} % of the crops, more than a tenth" if self.above else ""
        much = " The frame doesn't fit these pictures: see align.template." if self.median > MUCH_OUTSIDE else ""
        return f"Outside its picture lies {100 * self.median:.0f} % of a crop (median){rest}.{much}"

    def advice(self, dataset: str, template: str) -> str:
        """Say what to do where much lies outside; empty where it does not, or where no template sees less."""
        if not self.median > MUCH_OUTSIDE or template == "tight":
            return ""
        if template == "none":
            why = "the square around them, which template none takes, is wider than they are"
        else:
            why = f"the pictures end nearer to the faces than template {template!r} looks"
        return (
            f"of half of the crops, {100 * self.median:.0f} % or more lies outside the pictures, where border pixels "
            f"are repeated: {why}. Template `tight` stays inside: `datasets.{dataset}.align: {{template: tight}}` in "
            "params.yaml"
        )


def outside_shares(matrices: NDArray[np.floating], sizes: NDArray[np.floating], size: int) -> NDArray[np.float32]:
    """Compute which share of each crop lies outside its picture, exactly.

    The crop is a square that may be turned. Its part inside the picture is the area within its outline after every
    point of the outline was moved to the nearest point of the picture, since no move passes a point inside. The area
    is that of the shoelace formula, once each edge has a corner wherever it crosses a line of the picture's border.

    Args:
        matrices: Matrices (N, 2, 3) source xy -> crop xy; a row that is not finite has no crop.
        sizes: Width and height of each picture, (N, 2) pixels.
        size: Side of the crops, pixels.

    Returns:
        Shares (N,) in [0, 1]; NaN in rows without a crop.
    """
    shares = np.full(len(matrices), np.nan, np.float32)
    there = np.flatnonzero(np.isfinite(matrices).all(axis=(1, 2)))
    corners = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float64)
    outline = apply_matrix(_inverse(matrices[there]), np.broadcast_to(corners, (len(there), 4, 2)))
    limits = np.asarray(sizes[there], np.float64)
    inside = _area(np.clip(_with_crossings(outline, limits), 0, limits[:, None]))
    shares[there] = np.clip(1 - inside / _area(outline), 0, 1)
    return shares


def _inverse(matrices: NDArray[np.floating]) -> NDArray[np.float64]:
    linear = np.linalg.inv(matrices[:, :, :2])
    return np.concatenate([linear, -linear @ matrices[:, :, 2:]], axis=2)


def _with_crossings(outline: NDArray[np.float64], limits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add to each edge of polygons (N, K, 2) the points where it crosses the four lines of the picture's border."""
    along = np.roll(outline, -1, axis=1) - outline
    with np.errstate(divide="ignore", invalid="ignore"):
        places = np.concatenate([-outline / along, (limits[:, None] - outline) / along], axis=2)
    # An edge that runs along a border line crosses it nowhere; its own corner stands in.
    places = np.sort(np.clip(np.nan_to_num(places, nan=0.0, posinf=0.0, neginf=0.0), 0, 1), axis=2)
    points = outline[:, :, None] + places[..., None] * along[:, :, None]
    return np.concatenate([outline[:, :, None], points], axis=2).reshape(-1, 4 * 5, 2)


def _area(polygons: NDArray[np.float64]) -> NDArray[np.float64]:
    following = np.roll(polygons, -1, axis=1)
    crossed = polygons[:, :, 0] * following[:, :, 1] - polygons[:, :, 1] * following[:, :, 0]
    return np.asarray(np.abs(crossed.sum(axis=1)) / 2)
