"""Hair and lashes, which are drawn over the head with soft edges.

Head hair is a shell, the scalp lifted along its normals; long hair adds a curtain behind the ears. A texture with
strands and a coverage channel makes its edges irregular.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.demo.asset import Floats, HeadAsset, Ints
from fer_au.demo.chart import ATLAS, AXIS_Z, CHART_ROWS, TEXELS_PER_METRE, TOP, Chart
from fer_au.demo.identity import Identity
from fer_au.demo.raster import Surface
from fer_au.demo.skin import noise

# Height of the hairline (metres above the eyes) by azimuth in degrees: forehead, temple, sideburn, ear, nape.
_LINE_ANGLE = np.array([0, 20, 38, 50, 60, 68, 74, 84, 88, 100, 112, 125, 180], float)
_LINE_HEIGHT = np.array([66, 67, 62, 50, 34, 12, -6, -8, 10, 16, -30, -62, -75], float) / 1000
_THICKNESS = {"bald": 0.0, "shaved": 0.0015, "short": 0.009, "medium": 0.018, "voluminous": 0.038, "long": 0.015}
_CURTAIN_SLOT = (0, CHART_ROWS, ATLAS - 256, ATLAS - CHART_ROWS)  # left, top, width, height in the hair texture
_LASH_SLOT = (ATLAS - 256, CHART_ROWS, 256, ATLAS - CHART_ROWS)
_CURTAIN_GRID = (56, 14)  # columns around the head, rows downwards


@dataclass(frozen=True)
class Overlay:
    """Geometry drawn over the head for one person.

    Attributes:
        base: (H,) vertex of the head mesh that each overlay vertex moves with (shell, lashes), or -1.
        lift: (H,) metres along that vertex's normal.
        free: (H,3) head-frame places of vertices that move with none (the curtain).
        surface: Triangles of the overlay.
        rest: (H,3) places on the mean head, which decide how a turn of the neck moves them.
        texels: (H,2) texel xy in the hair texture.
        texture: (ATLAS, ATLAS, 4) uint8: sRGB albedo and coverage.
    """

    base: Ints
    lift: Floats
    free: Floats
    surface: Surface
    rest: Floats
    texels: Floats
    texture: NDArray[np.uint8]

    def place(self, head: Floats, normals: Floats, free: Floats) -> Floats:
        """Compute the overlay's vertices (H,3) on a head (V,3) with its normals; ``free`` has the head's pose."""
        riding = head[self.base] + self.lift[:, None] * normals[self.base]
        return np.asarray(np.where(self.base[:, None] >= 0, riding, free), np.float32)


def hairline(angle: Floats, recede: float) -> Floats:
    """Compute the hairline's height at azimuths (radians, no sign), metres; it recedes at the temples first."""
    degrees = np.degrees(angle)
    line = np.interp(degrees, _LINE_ANGLE, _LINE_HEIGHT)
    temple = np.exp(-(((degrees - 34) / 16) ** 2))
    return np.asarray(line + recede * (0.020 * temple + 0.014 * np.clip(1 - degrees / 60, 0, 1)), np.float32)


def inside_hair(chart: Chart, recede: float) -> Floats:
    """Compute each texel's distance (CHART_ROWS, ATLAS) from the hairline, metres, positive where hair grows."""
    grows = (chart.place[..., 1] > hairline(chart.angle, recede)) & (chart.masks["ears"] < 0.3) & chart.covered
    grows[: int((TOP - 0.10) * TEXELS_PER_METRE)] = True  # the crown, where the chart has holes
    inner = cv2.distanceTransform(grows.astype(np.uint8), cv2.DIST_L2, 5)
    outer = cv2.distanceTransform((~grows).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray((inner - outer) / TEXELS_PER_METRE, np.float32)


def build_overlay(asset: HeadAsset, shape: Floats, person: Identity, chart: Chart) -> Overlay:
    """Build hair and lashes of one person; ``shape`` is the person's neutral head (V,3)."""
    rng = np.random.default_rng([person.seed, 2])
    inside = inside_hair(chart, person.recede)
    shell_base, shell_triangles, lift = _shell(asset, person, chart, inside)
    lash_base, lash_triangles, lash_texels = _lashes(asset)
    base = [shell_base, lash_base]
    triangles = [shell_triangles, lash_triangles + len(shell_base)]
    texels = [chart.texels[shell_base], lash_texels]
    lifts = [lift[shell_base], np.zeros(len(lash_base), np.float32)]
    free = np.zeros((len(shell_base) + len(lash_base), 3), np.float32)
    if person.style == "long":
        points, curtain_triangles, curtain_texels = _curtain(shape, rng)
        triangles.append(curtain_triangles + len(free))
        free = np.concatenate([free, points])
        base.append(np.full(len(points), -1, np.int32))
        lifts.append(np.zeros(len(points), np.float32))
        texels.append(curtain_texels)
    every = np.concatenate(base).astype(np.int32)
    return Overlay(
        base=every,
        lift=np.concatenate(lifts).astype(np.float32),
        free=free,
        surface=Surface.of(np.concatenate(triangles).astype(np.int32), len(free)),
        rest=np.where(every[:, None] >= 0, asset.mean[every], free).astype(np.float32),
        texels=np.concatenate(texels).astype(np.float32),
        texture=_paint_hair(person, chart, inside, rng),
    )


def _shell(asset: HeadAsset, person: Identity, chart: Chart, distance: Floats) -> tuple[Ints, Ints, Floats]:
    """Find the scalp's vertices, their triangles (renumbered) and the lift of every vertex of the head."""
    skin = asset.is_part("skin")
    column, row = np.clip(np.round(chart.texels).astype(int), 0, [ATLAS - 1, CHART_ROWS - 1]).T
    inside = distance[row, column]
    # Flat at the hairline: a shell that stood off there would let the background show between hair and face.
    grown = np.clip((inside - 0.003) / 0.035, 0, 1)
    lift = (
        _THICKNESS[person.style]
        * grown
        * grown
        * (3 - 2 * grown)
        * (0.5 + 0.75 * np.clip(asset.mean[:, 1] / 0.1, 0, 1))
    )
    use = skin & (inside > -0.012) & (asset.masks["ears"] < 0.3) & (asset.mean[:, 1] > -0.09)
    if person.style == "bald":
        use[:] = False
    triangles = asset.triangles[use[asset.triangles].all(axis=1)]
    base, renumbered = np.unique(triangles, return_inverse=True)
    return base.astype(np.int32), renumbered.reshape(-1, 3).astype(np.int32), lift.astype(np.float32)


def _lashes(asset: HeadAsset) -> tuple[Ints, Ints, Floats]:
    """Build the strips of lashes; across a strip the texture goes from root to tip."""
    use = asset.is_part("lashes")
    triangles = asset.triangles[use[asset.triangles].all(axis=1)]
    base, renumbered = np.unique(triangles, return_inverse=True)
    lids = asset.mean[asset.is_part("skin") & (np.abs(asset.mean[:, 1]) < 0.012) & (asset.mean[:, 2] > 0)]
    gap = np.linalg.norm(asset.mean[base][:, None] - lids[None], axis=2).min(axis=1)
    left, top, width, height = _LASH_SLOT
    column = left + width * np.clip((np.abs(asset.mean[base, 0]) - 0.012) / 0.045, 0.02, 0.98)
    lower = asset.mean[base, 1] < -0.002
    row = top + np.where(lower, height * 0.55, 4) + np.clip(gap / 0.007, 0, 1) * height * 0.4
    return (
        base.astype(np.int32),
        renumbered.reshape(-1, 3).astype(np.int32),
        np.column_stack([column, row]).astype(np.float32),
    )


def _curtain(shape: Floats, rng: np.random.Generator) -> tuple[Floats, Ints, Floats]:
    """Build a sheet of long hair around the sides and the back of the head, falling onto the shoulders."""
    columns, rows = _CURTAIN_GRID
    start = np.radians(rng.uniform(66, 80))
    theta = np.linspace(start, 2 * np.pi - start, columns)
    t = np.linspace(0, 1, rows)[:, None]
    bottom = rng.uniform(-0.27, -0.13)
    wide = np.abs(shape[(np.abs(shape[:, 1]) < 0.02), 0]).max() + 0.010
    y = 0.112 + (bottom - 0.112) * t + 0.01 * np.sin(theta * 3) * t
    dome = np.sqrt(np.clip(1 - (np.maximum(y - 0.01, 0) / 0.112) ** 2, 0.02, 1))  # closes over the crown
    bulge = dome * (1 + 0.06 * np.sin(np.pi * np.clip(t * 1.2, 0, 1)) + rng.uniform(-0.05, 0.15) * t)
    wave = 1 + 0.025 * np.sin(theta * rng.integers(9, 15) + 5 * t + rng.uniform(0, 6))
    x = wide * bulge * wave * np.sin(theta)
    z = AXIS_Z - 0.012 + (0.112 * bulge * wave) * np.cos(theta) * np.where(np.cos(theta) > 0, 0.75, 1.0)
    points = np.stack([x, y, z], axis=2).reshape(-1, 3)
    cell = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (part.ravel() for part in (cell[:-1, :-1], cell[:-1, 1:], cell[1:, 1:], cell[1:, :-1]))
    triangles = np.concatenate([np.stack([a, c, b], 1), np.stack([a, d, c], 1)])
    left, top, width, height = _CURTAIN_SLOT
    across = left + 4 + (width - 8) * np.broadcast_to(np.linspace(0, 1, columns), (rows, columns))
    down = top + 4 + (height - 8) * np.broadcast_to(t, (rows, columns))
    return (
        points.astype(np.float32),
        triangles.astype(np.int32),
        np.stack([across, down], axis=2).reshape(-1, 2).astype(np.float32),
    )


def _paint_hair(person: Identity, chart: Chart, inside: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Paint strands along the direction of growth, thinned out at roots and edges."""
    texture = np.zeros((ATLAS, ATLAS, 4), np.float32)
    curly = person.style == "voluminous" or (person.darkness > 0.6 and person.style in ("short", "medium"))
    strands = _strands(rng, (ATLAS, ATLAS), curly)
    texture[..., :3] = np.asarray(person.hair, np.float32) * (1 + 0.28 * strands)[..., None]
    # Single hairs reach out of the edge along their growth; the edge itself wanders by a few millimetres.
    ragged = 0.0022 * strands[:CHART_ROWS] + 0.0012 * noise(rng, 2) + 0.002 * noise(rng, 40)
    cover = np.clip((inside + ragged + 0.003) / 0.007, 0, 1)
    cover = cover * cover * (3 - 2 * cover)
    if person.style == "shaved":
        cover *= 0.55 + 0.15 * noise(rng, 1.6)
    texture[:CHART_ROWS, :, 3] = 255 * np.clip(cover, 0, 1)
    _curtain_cover(texture, strands)
    _paint_lashes(texture, person, rng)
    return np.clip(texture, 0, 255).astype(np.uint8)


def _strands(rng: np.random.Generator, shape: tuple[int, int], curly: bool) -> Floats:
    if curly:
        return np.asarray(0.6 * noise(rng, 6, shape) + 0.6 * noise(rng, 2.5, shape), np.float32)
    fine = rng.standard_normal((shape[0] // 24, shape[1])).astype(np.float32)
    coarse = rng.standard_normal((shape[0] // 40, shape[1] // 6)).astype(np.float32)
    flow = [cv2.resize(grain, shape[::-1], interpolation=cv2.INTER_CUBIC) for grain in (fine, coarse)]
    return np.asarray(0.55 * flow[0] + 0.6 * flow[1], np.float32)


def _curtain_cover(texture: Floats, strands: Floats) -> None:
    left, top, width, height = _CURTAIN_SLOT
    across = np.minimum(np.arange(width), np.arange(width)[::-1])[None, :] / 8.0
    down = np.arange(height)[::-1][:, None] / 30.0
    grain = strands[top : top + height, left : left + width]
    # Strands end at different places, but none leaves a hole behind its end.
    cover = np.minimum(across, down * np.clip(1 + 0.7 * grain, 0.3, 2))
    texture[top : top + height, left : left + width, 3] = 255 * np.clip(cover, 0, 1)


def _paint_lashes(texture: Floats, person: Identity, rng: np.random.Generator) -> None:
    left, top, width, height = _LASH_SLOT
    slot = texture[top : top + height, left : left + width]
    slot[..., :3] = np.minimum(np.asarray(person.brow, np.float32) * 0.5, 40)
    hairs = np.clip(
        0.5 + 0.5 * cv2.resize(rng.standard_normal((1, width // 3)).astype(np.float32), (width, height)), 0, 1
    )
    down = np.arange(height)[:, None] / height
    strength = 1.0 if person.female else 0.7
    upper = np.clip(1.0 - down / 0.38, 0, 1) * (0.35 + 0.65 * hairs)
    lower = np.clip(1.0 - (down - 0.55) / 0.22, 0, 1) * 0.35 * hairs
    slot[..., 3] = 255 * strength * np.where(down < 0.5, upper, lower)
