"""Creases that come with action units: mesh and smooth shading can't show them, but people look for them.

Each crease group is a darkness map in the skin chart; a picture mixes them by its AU intensities (means of both sides),
on top of the creases of age.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.demo.asset import Floats
from fer_au.demo.chart import CHART_ROWS, load_chart, texel_maps
from fer_au.demo.expressions import Activation

# Crease group -> the AUs that fold it, with their weight; the order is that of the maps' channels.
_FOLDED_BY: dict[str, dict[str, float]] = {
    "forehead": {"AU1": 0.7, "AU2": 0.7},
    "frown": {"AU4": 1.0, "AU9": 0.4},
    "nasolabial": {"AU12": 0.9, "AU10": 0.8, "AU9": 0.5, "AU20": 0.3, "AU15": 0.3, "AU14": 0.4},
    "crows_feet": {"AU6": 1.0, "AU7": 0.35},
    "nose": {"AU9": 1.0},
    "chin": {"AU17": 1.0, "AU15": 0.3},
}
_DEPTH = np.array([0.30, 0.36, 0.32, 0.28, 0.32, 0.22], np.float32)
_BY_AGE = np.array([0.45, 0.30, 0.45, 0.45, 0.05, 0.05], np.float32)


def crease_weights(activation: Activation, age: float) -> Floats:
    """Compute the darkness (6,) of each crease group at its deepest place, 0..1."""
    shown = [
        sum(weight * (activation.left.get(au, 0.0) + activation.right.get(au, 0.0)) / 2 for au, weight in group.items())
        for group in _FOLDED_BY.values()
    ]
    young = np.clip(np.array(shown), 0, 1.2) * (0.6 + 0.6 * age)
    return np.asarray(_DEPTH * np.clip(young + _BY_AGE * age, 0, 1.2), np.float32)


@lru_cache(maxsize=1)
def crease_maps() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Paint two darkness maps (CHART_ROWS, ATLAS, 3) with the six groups as channels (once per process)."""
    chart = load_chart()
    x, y = np.abs(chart.place[..., 0]), chart.place[..., 1]
    front = np.clip((1.5 - chart.angle) / 0.2, 0, 1)
    maps = [_forehead(x, y), _frown(x, y), _nasolabial(x, y), _crows_feet(x, y), _nose(x, y), _chin(x, y)]
    channels = [np.round(255 * np.clip(m * front, 0, 1)).astype(np.uint8) for m in maps]
    return np.stack(channels[:3], axis=2), np.stack(channels[3:], axis=2)


def crease_shade(drawn: Floats, weights: Floats) -> Floats:
    """Compute the skin's brightness factor (S,S) at texel xy drawn in units of the atlas (S,S,>=2)."""
    # Creases are soft: every second pixel is enough.
    x, y = texel_maps(drawn[::2, ::2])
    dark = np.zeros(x.shape, np.float32)
    for picture, share in zip(crease_maps(), (weights[:3], weights[3:]), strict=True):
        sampled = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        # As uint8: the sum of one group is at most 255 * 0.36.
        dark += cv2.transform(sampled, share.reshape(1, 3)).astype(np.float32) * np.float32(1 / 255)
    return np.asarray(cv2.resize(1 - np.clip(dark, 0, 0.6), drawn.shape[1::-1]), np.float32)


def _line(distance: Floats, width: float) -> Floats:
    return np.asarray(np.exp(-0.5 * (distance / width) ** 2), np.float32)


def _forehead(x: Floats, y: Floats) -> Floats:
    bow = 0.004 * np.cos(x / 0.045 * np.pi)
    lines = sum(_line(y - bow - height, 0.0011) for height in (0.034, 0.041, 0.048, 0.055))
    return np.asarray(lines * np.clip((0.046 - x) / 0.015, 0, 1), np.float32)


def _frown(x: Floats, y: Floats) -> Floats:
    between = np.clip((y - 0.002) / 0.006, 0, 1) * np.clip((0.036 - y) / 0.012, 0, 1)
    return np.asarray((_line(x - 0.0075 - 0.06 * (y - 0.015), 0.0014) + 0.35 * _line(x, 0.005)) * between, np.float32)


def _nasolabial(x: Floats, y: Floats) -> Floats:
    t = np.clip((-0.030 - y) / 0.045, 0, 1)  # from the wing of the nose down past the corner of the mouth
    path = 0.0185 + 0.0185 * np.sqrt(t)
    along = np.clip((-0.030 - y) / 0.008, 0, 1) * np.clip((y + 0.080) / 0.015, 0, 1)
    return np.asarray((_line(x - path, 0.0016) + 0.45 * _line(x - path + 0.002, 0.005)) * along, np.float32)


def _crows_feet(x: Floats, y: Floats) -> Floats:
    out, up = x - 0.050, y - 0.000
    radius, angle = np.hypot(out, up), np.arctan2(up, np.maximum(out, 1e-6))
    rays = sum(_line((angle - a) * radius, 0.0008) for a in (-0.65, -0.2, 0.2, 0.6))
    fan = rays * np.clip((radius - 0.003) / 0.003, 0, 1) * np.clip((0.018 - radius) / 0.008, 0, 1) * (out > 0)
    pouch = _line(y + 0.0165 - 4.0 * (x - 0.031) ** 2, 0.0016) * np.clip((0.016 - np.abs(x - 0.031)) / 0.006, 0, 1)
    return np.asarray(fan + 0.8 * pouch, np.float32)


def _nose(x: Floats, y: Floats) -> Floats:
    across = sum(_line(y - height, 0.0011) for height in (0.004, -0.001, -0.006))
    side = sum(_line(y - height - 0.9 * (x - 0.012), 0.0011) for height in (-0.010, -0.016))
    bridge = across * np.clip((0.010 - x) / 0.004, 0, 1)
    flank = side * np.clip((x - 0.006) / 0.003, 0, 1) * np.clip((0.018 - x) / 0.004, 0, 1)
    return np.asarray(bridge + flank, np.float32)


def _chin(x: Floats, y: Floats) -> Floats:
    rng = np.random.default_rng(17)
    grain = cv2.GaussianBlur(rng.standard_normal((CHART_ROWS, x.shape[1])).astype(np.float32), (0, 0), 4.0)
    dimples = np.clip(grain / grain.std() * 0.8, 0, 1)
    spot = np.exp(-0.5 * ((x / 0.012) ** 2 + ((y + 0.100) / 0.007) ** 2))
    fold = _line(y + 0.0885 + 6.0 * x**2, 0.0016) * np.clip((0.016 - x) / 0.006, 0, 1)
    return np.asarray(dimples * spot + 0.8 * fold, np.float32)
