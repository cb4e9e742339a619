"""Texture chart: the head unrolled onto a cylinder, with the place on the head of each texel.

Painting needs the inverse: each texel knows its place on the mean head, so brows, lips or freckles are functions of
metres on the face, not of pixels. The chart is the upper part of a square atlas; eyes, teeth and tongue share the band
below it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fer_au.demo.asset import Floats, HeadAsset, load_asset
from fer_au.demo.camera import Camera
from fer_au.demo.raster import draw, empty_depth

ATLAS = 1024
CHART_ROWS = 768
# The cylinder: its axis, its nominal radius (a texel is the same size in both directions), its upper edge; metres.
AXIS_Z = -0.08
RADIUS = 0.09
TOP = 0.125
TEXELS_PER_METRE = ATLAS / (2 * np.pi * RADIUS)

# Slots of the band: (left, top, side) in texels.
EYE_SLOT = (0, 768, 256)
TEETH_SLOT = (256, 768, 256)
TONGUE_SLOT = (512, 768, 256)
EYE_TEXELS_PER_METRE = 110 / 0.0157
TEETH_WIDTH, TEETH_HEIGHT = 0.075, 0.024


def azimuth(points: Floats) -> Floats:
    """Compute angles about the vertical axis, radians: 0 in front, positive on the person's left, +-pi at the back."""
    return np.asarray(np.arctan2(points[..., 0], points[..., 2] - AXIS_Z))


def chart_texels(points: Floats) -> Floats:
    """Compute the texel xy (N,2) of places on the mean head's skin."""
    column = ATLAS / 2 + TEXELS_PER_METRE * RADIUS * azimuth(points)
    row = (TOP - points[..., 1]) * TEXELS_PER_METRE
    return np.asarray(np.stack([column, row], axis=-1), np.float32)


def texel_maps(drawn: Floats) -> tuple[Floats, Floats]:
    """Make the maps for ``cv2.remap`` of texel xy drawn in units of the atlas (S,S,>=2)."""
    x, y = (drawn[..., k] * np.float32(ATLAS) - np.float32(0.5) for k in range(2))
    return x, y


@dataclass(frozen=True)
class Chart:
    """Place and masks of each texel of the chart.

    Attributes:
        texels: (V,2) texel xy of every vertex of the asset, all parts.
        place: (CHART_ROWS, ATLAS, 3) head-frame metres on the mean head.
        angle: (CHART_ROWS, ATLAS) azimuth without its sign, radians.
        covered: Whether the texel shows skin.
        masks: ``lips eyelids inside_mouth ears`` per texel, 0..1.
        frontal: (256, 256, 2) texel xy by frontal place; see ``texels_at``.
    """

    texels: Floats
    place: Floats
    angle: Floats
    covered: NDArray[np.bool_]
    masks: dict[str, Floats]
    frontal: Floats

    def texels_at(self, places: Floats) -> Floats:
        """Find the texel xy (N,2) of frontal places xy (N,2) in metres on the face."""
        cells = np.clip((np.asarray(places) * [1, -1] + 0.128) * 1000, 0, 255).astype(int)
        return np.asarray(self.frontal[cells[:, 1], cells[:, 0]])


@lru_cache(maxsize=1)
def load_chart() -> Chart:
    """Unroll the bundled head (once per process)."""
    asset = load_asset()
    texels = np.zeros((len(asset.mean), 2), np.float32)
    skin = asset.is_part("skin")
    texels[skin] = chart_texels(asset.mean[skin])
    for side in ("eye_left", "eye_right"):
        texels[asset.is_part(side)] = _eye_texels(asset, side)
    teeth = asset.is_part("teeth_upper", "teeth_lower")
    texels[teeth] = _teeth_texels(asset, teeth)
    left, top, side_length = TONGUE_SLOT
    texels[asset.is_part("tongue", "lashes")] = (left + side_length / 2, top + side_length / 2)

    triangles = asset.triangles[skin[asset.triangles].all(axis=1)]
    columns = texels[:, 0][triangles]
    triangles = triangles[np.ptp(columns, axis=1) < ATLAS / 2]  # not those across the seam at the back
    distance = np.hypot(asset.mean[:, 0], asset.mean[:, 2] - AXIS_Z)
    flat = np.column_stack([texels / ATLAS - 0.5, -(1.0 - distance)]).astype(np.float32)
    flat[:, 1] *= -1
    flat[:, :2] *= -flat[:, 2:]  # undo the perspective of the rasteriser

    low, span = asset.mean.min(axis=0), np.ptp(asset.mean, axis=0)
    camera = Camera(distance=0.0, focal=1.0, offset=(0.0, 0.0))
    depth = empty_depth(ATLAS)
    place = draw(flat, triangles, (asset.mean - low) / span, camera, depth)[:CHART_ROWS] * span + low
    covered = depth[:CHART_ROWS] < 10
    names = tuple(asset.masks)
    masks: dict[str, Floats] = {}
    for group in (names[:3], names[3:]):
        values = np.zeros((len(flat), 3), np.float32)
        for k, name in enumerate(group):
            values[:, k] = asset.masks[name]
        layer = draw(flat, triangles, values, camera, empty_depth(ATLAS))[:CHART_ROWS]
        masks |= {name: np.ascontiguousarray(layer[..., k]) for k, name in enumerate(group)}
    return Chart(
        texels,
        place.astype(np.float32),
        np.abs(azimuth(place)),
        covered,
        masks,
        _frontal_lookup(asset, texels, triangles),
    )


def _eye_texels(asset: HeadAsset, side: str) -> Floats:
    vertices = asset.mean[asset.is_part(side)]
    local = (vertices - (vertices.min(axis=0) + vertices.max(axis=0)) / 2) * EYE_TEXELS_PER_METRE
    left, top, length = EYE_SLOT
    return np.stack([left + length / 2 + local[:, 0], top + length / 2 - local[:, 1]], axis=1)


def _teeth_texels(asset: HeadAsset, teeth: NDArray[np.bool_]) -> Floats:
    vertices = asset.mean[teeth]
    upper = asset.is_part("teeth_upper")[teeth]
    texels = np.zeros((len(vertices), 2), np.float32)
    left, top, length = TEETH_SLOT
    texels[:, 0] = left + length * (0.5 + vertices[:, 0] / TEETH_WIDTH)
    for row, group in ((top, upper), (top + length // 2, ~upper)):
        height = vertices[group, 1].max() - vertices[group, 1]
        texels[group, 1] = row + 4 + height / TEETH_HEIGHT * (length / 2 - 8)
    return texels


def _frontal_lookup(asset: HeadAsset, texels: Floats, triangles: NDArray[np.int32]) -> Floats:
    """Find the texel xy seen at each millimetre of a frontal view of the mean face (256 mm square)."""
    far = 10.0
    points = asset.mean - np.array([0, 0, far], np.float32)
    values = np.column_stack([texels / ATLAS, np.zeros(len(texels))])
    camera = Camera(distance=0.0, focal=far / 0.256, offset=(0.0, 0.0))
    return draw(points, triangles, values, camera, empty_depth(256))[..., :2] * ATLAS
