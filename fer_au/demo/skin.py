"""Paint the atlas of one person: uneven skin, lips, brows, stubble, clothes; eyes, teeth, tongue."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.demo.asset import Floats
from fer_au.demo.chart import (
    ATLAS,
    CHART_ROWS,
    EYE_SLOT,
    EYE_TEXELS_PER_METRE,
    TEETH_HEIGHT,
    TEETH_SLOT,
    TEETH_WIDTH,
    TONGUE_SLOT,
    Chart,
)
from fer_au.demo.identity import Identity

Picture = NDArray[np.uint8]


def paint_atlas(person: Identity, chart: Chart) -> Picture:
    """Paint the sRGB albedo (ATLAS, ATLAS, 3) of one person."""
    rng = np.random.default_rng([person.seed, 1])
    atlas = np.zeros((ATLAS, ATLAS, 3), np.float32)
    skin = atlas[:CHART_ROWS]
    skin[:] = np.asarray(person.skin, np.float32)
    _tint_skin(skin, person, chart, rng)
    _paint_lips(skin, person, chart)
    _paint_freckles(skin, person, chart, rng)
    _paint_beard(skin, person, chart, rng)
    _paint_shirt(skin, person, chart, rng)
    picture = np.clip(atlas, 0, 255).astype(np.uint8)
    _paint_brows(picture[:CHART_ROWS], person, chart, rng)
    paint_eye(_slot(picture, EYE_SLOT), person, rng)
    _paint_teeth(_slot(picture, TEETH_SLOT), rng)
    _slot(picture, TONGUE_SLOT)[:] = (150, 70, 68)
    return picture


def noise(rng: np.random.Generator, texels: float, shape: tuple[int, int] = (CHART_ROWS, ATLAS)) -> Floats:
    """Make smooth noise of deviation 1 and about the given grain, in texels."""
    small = (max(int(shape[0] / texels), 2), max(int(shape[1] / texels), 2))
    grain = rng.standard_normal(small).astype(np.float32)
    return np.asarray(cv2.resize(grain, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), np.float32)


def blob(chart: Chart, x: float, y: float, width: float, height: float) -> Floats:
    """Make a soft spot on both sides of the face, by frontal place and half-widths in metres."""
    place = chart.place
    front = np.clip(1.6 - chart.angle, 0, 1)
    spread = ((np.abs(place[..., 0]) - x) / width) ** 2 + ((place[..., 1] - y) / height) ** 2
    return np.asarray(np.exp(-0.5 * spread) * front, np.float32)


def _slot(picture: Picture, slot: tuple[int, int, int]) -> Picture:
    left, top, side = slot
    return picture[top : top + side, left : left + side]


def _blend(target: Floats, colour: tuple[float, float, float], share: Floats) -> None:
    target += (np.asarray(colour, np.float32) - target) * share[..., None]


def _tint_skin(skin: Floats, person: Identity, chart: Chart, rng: np.random.Generator) -> None:
    """Tint the skin unevenly by melanin and blood, without which a face looks like a doll."""
    light = 1 - 0.6 * person.darkness
    mottle = 0.020 * noise(rng, 90) + 0.018 * noise(rng, 25) + 0.02 * noise(rng, 7) + 0.018 * noise(rng, 2.2)
    skin *= 1 + mottle[..., None]
    blood = 0.7 * blob(chart, 0.036, -0.036, 0.016, 0.014) + 0.9 * blob(chart, 0.0, -0.034, 0.010, 0.010)
    blood += 0.5 * chart.masks["ears"] + 0.35 * blob(chart, 0.0, -0.105, 0.012, 0.010) + 0.1 * noise(rng, 40)
    skin *= 1 + light * blood[..., None] * np.array([0.02, -0.09, -0.07], np.float32)
    socket = blob(chart, 0.030, -0.012, 0.014, 0.006) * (0.08 + 0.12 * person.age)
    socket += blob(chart, 0.020, 0.004, 0.012, 0.008) * 0.07
    skin *= 1 - socket[..., None] * np.array([0.7, 1.0, 0.85], np.float32)
    lids = cv2.GaussianBlur(chart.masks["eyelids"], (0, 0), 2.0)
    skin *= 1 - lids[..., None] * np.array([0.12, 0.20, 0.18], np.float32)


def _paint_lips(skin: Floats, person: Identity, chart: Chart) -> None:
    mask = np.clip(cv2.GaussianBlur(chart.masks["lips"], (0, 0), 2.5) * 1.3, 0, 1)
    base = np.asarray(person.skin, np.float32)
    red = (
        np.array([0.86, 0.60, 0.60], np.float32) if person.darkness < 0.5 else np.array([0.90, 0.72, 0.74], np.float32)
    )
    colour = base * (1 + (red - 1) * (0.55 + 0.65 * person.lips))
    _blend(skin, (float(colour[0]), float(colour[1]), float(colour[2])), mask * 0.9)
    # The seam between the lips and the cavity behind it are dark red.
    inside = cv2.GaussianBlur(chart.masks["inside_mouth"], (0, 0), 1.5)
    _blend(skin, (70, 26, 26), np.clip(inside, 0, 1))


def _paint_freckles(skin: Floats, person: Identity, chart: Chart, rng: np.random.Generator) -> None:
    spots = np.clip(noise(rng, 3.0) - 1.5, 0, 1) * np.clip(noise(rng, 40) + 0.6, 0, 1)
    where = blob(chart, 0.028, -0.025, 0.024, 0.016)
    _blend(skin, (130, 84, 58), 0.55 * person.freckles * spots * where)
    moles = np.clip(noise(rng, 6.0) - 3.1, 0, 1) * 2 + person.age * 0.3 * np.clip(noise(rng, 9.0) - 2.2, 0, 1)
    _blend(skin, (95, 62, 46), np.clip(moles, 0, 0.7) * (chart.angle < 1.4))


def beard_region(chart: Chart) -> Floats:
    """Compute where a beard grows (jaw, chin, above the upper lip), 0..1 per texel."""
    x, y = np.abs(chart.place[..., 0]), chart.place[..., 1]
    cheek_line = -0.052 - 0.020 * np.cos(np.clip((x - 0.02) / 0.05, 0, 1) * np.pi)
    jaw = (
        np.clip((cheek_line - y) / 0.010, 0, 1)
        * np.clip((y + 0.150) / 0.02, 0, 1)
        * np.clip((1.35 - chart.angle) / 0.15, 0, 1)
    )
    moustache = np.clip((0.027 - x) / 0.006, 0, 1) * np.clip((-0.044 - y) / 0.006, 0, 1) * (y > -0.085)
    free = 1 - np.clip(cv2.GaussianBlur(chart.masks["lips"], (0, 0), 3.0) * 1.5, 0, 1)
    return np.asarray(np.clip(np.maximum(jaw, moustache), 0, 1) * free, np.float32)


def _paint_beard(skin: Floats, person: Identity, chart: Chart, rng: np.random.Generator) -> None:
    if person.beard == 0:
        return
    hairs = np.clip(0.55 + 0.45 * noise(rng, 1.6), 0, 1)
    colour = (person.hair[0] * 0.8, person.hair[1] * 0.8, person.hair[2] * 0.8)
    _blend(skin, colour, beard_region(chart) * person.beard * hairs * 0.85)


def _paint_shirt(skin: Floats, person: Identity, chart: Chart, rng: np.random.Generator) -> None:
    x, y, z = (chart.place[..., k] for k in range(3))
    collar = -0.197 + 0.50 * (-0.02 - z) - 0.25 * np.clip(0.05 - np.abs(x), 0, 1) * (z > -0.06) * (person.seed % 2)
    cloth = np.clip((collar - y) / 0.002, 0, 1)
    folds = 1 + 0.06 * noise(rng, 60) + 0.03 * noise(rng, 2.0)
    colour = np.asarray(person.shirt, np.float32) * folds[..., None]
    edge = np.clip(1 - np.abs(collar - y - 0.003) / 0.003, 0, 1) * 0.3
    skin += (colour * (1 - edge[..., None]) - skin) * cloth[..., None]


# Centre line of the person's left brow on the mean face, inner to outer end: x, y, half-thickness in metres.
_BROW = np.array(
    [
        (0.0115, 0.0155, 0.0028),
        (0.0200, 0.0185, 0.0032),
        (0.0300, 0.0212, 0.0029),
        (0.0400, 0.0222, 0.0022),
        (0.0480, 0.0192, 0.0016),
        (0.0545, 0.0142, 0.0009),
    ]
)


def _paint_brows(skin: Picture, person: Identity, chart: Chart, rng: np.random.Generator) -> None:
    """Paint about 190 hair strokes per brow, upwards at the inner end, sideways at the outer end."""
    count = int(190 * person.brow_weight)
    scale = 8  # fractional bits of OpenCV's line coordinates
    for side in (1, -1):
        along = rng.beta(1.0, 1.15, count) * (len(_BROW) - 1)
        index = np.minimum(along.astype(int), len(_BROW) - 2)
        share = (along - index)[:, None]
        spot = _BROW[index] * (1 - share) + _BROW[index + 1] * share
        offset = rng.uniform(-1, 1, count) * spot[:, 2] * np.sqrt(person.brow_weight)
        direction = np.radians(80 - 85 * along / (len(_BROW) - 1) + rng.normal(0, 10, count))
        length = rng.uniform(0.003, 0.0065, count) * np.clip(spot[:, 2] / 0.003, 0.6, 1.1)
        start = np.stack([spot[:, 0], spot[:, 1] + offset + person.brow_height - 0.001], axis=1)
        end = start + length[:, None] * np.stack([np.cos(direction), np.sin(direction) * 0.6], axis=1)
        start[:, 0] *= side
        end[:, 0] *= side
        layer = np.zeros(skin.shape[:2], np.uint8)
        for a, b in zip(chart.texels_at(start), chart.texels_at(end), strict=True):
            p, q = (np.round(a * scale)).astype(int).tolist(), (np.round(b * scale)).astype(int).tolist()
            cv2.line(layer, p, q, 255, 1, cv2.LINE_AA, 3)
        cover = cv2.GaussianBlur(layer, (0, 0), 0.8).astype(np.float32) / 255
        body = np.clip(cv2.GaussianBlur(layer, (0, 0), 4.0).astype(np.float32) / 255 * 1.2, 0, 1)
        share_of_hair = np.clip(0.65 * cover + 0.40 * body, 0, 0.85)[..., None]
        mixed = skin + (np.asarray(person.brow, np.float32) - skin) * share_of_hair
        skin[:] = np.clip(mixed, 0, 255).astype(np.uint8)


def paint_eye(eye: Picture, person: Identity, rng: np.random.Generator) -> None:
    """Paint sclera, iris with its dark rim, and pupil; the centre of the slot looks straight ahead."""
    side = len(eye)
    axis = (np.arange(side) + 0.5 - side / 2) / EYE_TEXELS_PER_METRE
    radius = np.hypot(*np.meshgrid(axis, axis))
    angle = np.arctan2(*np.meshgrid(axis, axis))
    white = np.array([226, 216, 208], np.float32) - np.clip((radius - 0.007) / 0.008, 0, 1)[..., None] * [30, 55, 58]
    spokes = np.interp(angle, np.linspace(-np.pi, np.pi, 97), np.append(s := rng.standard_normal(96), s[0]))
    iris = (
        np.asarray(person.iris, np.float32)
        * (1 + 0.15 * spokes + 0.5 * np.clip((radius - 0.002) / 0.004, 0, 1) * 0.4)[..., None]
    )
    iris *= np.clip((0.0064 - radius) / 0.0011, 0.30, 1)[..., None]
    share = np.clip((0.0061 - radius) / 0.0004, 0, 1)[..., None]
    pupil = np.clip((0.0024 - radius) / 0.0003, 0, 1)[..., None]
    colour = (white * (1 - share) + iris * share) * (1 - pupil) + 8 * pupil
    eye[:] = np.clip(colour, 0, 255).astype(np.uint8)


def _paint_teeth(slot: Picture, rng: np.random.Generator) -> None:
    side = len(slot)
    x = (np.arange(side) + 0.5) / side * TEETH_WIDTH - TEETH_WIDTH / 2
    y = (np.arange(side // 2) - 4) / (side / 2 - 8) * TEETH_HEIGHT
    shade = np.array([222, 212, 192], np.float32) * rng.uniform(0.92, 1.04)
    for row, width in ((0, 0.0080), (side // 2, 0.0058)):
        position = np.abs(x) / width
        gap = np.exp(-((((position + 0.5) % 1 - 0.5) / 0.05) ** 2))  # a dark line at every tooth border
        falloff = np.clip(1.15 - np.abs(x) / 0.030, 0.2, 1)
        teeth = shade * ((1 - 0.35 * gap) * falloff)[:, None]
        rows = np.broadcast_to(teeth, (side // 2, side, 3)).copy()
        gum_share = np.clip((0.010 - y) / 0.002, 0, 1) if row == 0 else np.clip((y - 0.013) / 0.002, 0, 1)
        rows += (np.array([150, 80, 78], np.float32) - rows) * gum_share[:, None, None]
        slot[row : row + side // 2] = np.clip(rows, 0, 255).astype(np.uint8)
