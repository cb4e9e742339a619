"""FACS action units as sums of ARKit face units: the one table between the two vocabularies.

The face units' names and shapes are ARKit's; which unit shows which AU follows the descriptions in the FACS manual
(Ekman, Friesen and Hager 2002). Intensities are 0..1 on each side of the face.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fer_au.demo.asset import Floats, HeadAsset

# AU -> ARKit units and their share at intensity 1. A name ending in * stands for the Left and the Right unit; units
# without sides are split over the midline, so that every AU can be one-sided.
AU_TO_UNITS: dict[str, dict[str, float]] = {
    "AU1": {"browInnerUp": 1.4},
    "AU2": {"browOuterUp*": 1.1},
    "AU4": {"browDown*": 1.5},
    "AU5": {"eyeWide*": 1.0},
    "AU6": {"cheekSquint*": 1.0, "eyeSquint*": 0.35},
    "AU7": {"eyeSquint*": 1.1},
    "AU9": {"noseSneer*": 1.6, "browDown*": 0.35, "eyeSquint*": 0.2},
    "AU10": {"mouthUpperUp*": 0.85},
    "AU12": {"mouthSmile*": 1.25},
    "AU14": {"mouthDimple*": 1.0},
    "AU15": {"mouthFrown*": 1.15},
    "AU16": {"mouthLowerDown*": 0.8},
    "AU17": {"mouthShrugLower": 1.0, "mouthShrugUpper": 0.3},
    "AU20": {"mouthStretch*": 1.0},
    "AU23": {"mouthPress*": 0.6, "mouthRollUpper": 0.45, "mouthRollLower": 0.45},
    "AU24": {"mouthPress*": 1.1, "mouthRollLower": 0.4, "mouthRollUpper": 0.2},
    "AU25": {"mouthLowerDown*": 0.5, "mouthUpperUp*": 0.4, "jawOpen": 0.08},
    "AU26": {"jawOpen": 0.4},
    "AU27": {"jawOpen": 0.45, "mouthFunnel": 0.15},
    "AU43": {"eyeBlink*": 1.0},
}

AU_NAMES: tuple[str, ...] = tuple(AU_TO_UNITS)

# Half-width of the blend between the sides of an unsided unit, metres.
_MIDLINE = 0.008


def side_weight(x: Floats) -> Floats:
    """Compute the share of the left side at horizontal places ``x`` (metres): 0 right, 1 left, smooth between."""
    t = np.clip(x / _MIDLINE, -1, 1)
    return np.asarray(0.5 + 0.75 * t - 0.25 * t**3, np.float32)


def displace(asset: HeadAsset, left: Mapping[str, float], right: Mapping[str, float]) -> Floats:
    """Compute the displacement of every vertex by AU intensities.

    Args:
        asset: Head mesh.
        left: AU name -> intensity on the person's left side, 0..1.
        right: AU name -> intensity on the person's right side, 0..1.

    Returns:
        Displacements (V,3), metres of the head frame.
    """
    moved = np.zeros_like(asset.mean)
    for au, shares in AU_TO_UNITS.items():
        on_left, on_right = left.get(au, 0.0), right.get(au, 0.0)
        if on_left == 0 and on_right == 0:
            continue
        for name, share in shares.items():
            if name.endswith("*"):
                add_unit(moved, asset, name[:-1] + "Left", share * on_left)
                add_unit(moved, asset, name[:-1] + "Right", share * on_right)
            else:
                unit = asset.units[name]
                weight = side_weight(asset.mean[unit.index, 0])
                amount = share * (weight * on_left + (1 - weight) * on_right)
                moved[unit.index] += amount[:, None] * unit.offset
    return moved


def add_unit(moved: Floats, asset: HeadAsset, name: str, amount: float) -> None:
    """Add one ARKit unit in place."""
    if amount:
        unit = asset.units[name]
        moved[unit.index] += np.float32(amount) * unit.offset
