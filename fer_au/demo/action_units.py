"""FACS action units as sums of ARKit face units: the one table between the two vocabularies.

The face units' names and shapes are ARKit's; which unit shows which AU follows the descriptions in the FACS manual
(Ekman, Friesen and Hager 2002). Intensities are 0..1 on each side of the face.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fer_au.demo.asset import FaceUnit, Floats, HeadAsset

# AU -> ARKit units and their share at intensity 1. A name ending in * stands for the Left and the Right unit; units
# without sides are split over the midline, so that every AU can be one-sided.
AU_TO_UNITS: dict[str, dict[str, float]] = {
    "AU1": {"browInnerUp": 1.4},
    "AU2": {"browOuterUp*": 1.1},
    "AU4": {"browDown*": 1.5},
    "AU5": {"eyeWide*": 1.0},
    "AU6": {"cheekSquint*": 1.2, "eyeSquint*": 0.35},
    "AU7": {"eyeSquint*": 1.15},
    "AU9": {"noseSneer*": 1.9, "mouthUpperUp*": 0.15, "eyeSquint*": 0.2},
    "AU10": {"mouthUpperUp*": 0.85},
    "AU12": {"mouthSmile*": 1.25},
    "AU14": {"mouthDimple*": 1.0},
    "AU15": {"mouthFrown*": 1.15},
    "AU16": {"mouthLowerDown*": 0.8},
    "AU17": {"mouthShrugLower": 1.0, "mouthShrugUpper": 0.3},
    "AU20": {"mouthStretch*": 1.0},
    "AU23": {"mouthPress*": 0.25, "mouthRollUpper": 0.75, "mouthRollLower": 0.75},
    "AU24": {"mouthPress*": 0.6, "mouthRollUpper": 0.5, "mouthRollLower": 0.7},
    "AU25": {"mouthLowerDown*": 0.65, "mouthUpperUp*": 0.45, "jawOpen": 0.03},
    "AU26": {"jawOpen": 0.4},
    "AU27": {"jawOpen": 0.45, "mouthFunnel": 0.15},
    "AU43": {"eyeBlink*": 1.0},
}

AU_NAMES: tuple[str, ...] = tuple(AU_TO_UNITS)


@dataclass(frozen=True)
class Limit:
    """Limit of the skin that an AU moves, along one axis of the mean head.

    Attributes:
        axis: 0 for the distance from the midline, 1 for the height; metres.
        inside: Up to here the motion is whole.
        outside: From here on only ``rest`` of it is left; smooth between.
        rest: Share of the motion beyond ``outside``.
    """

    axis: int
    inside: float
    outside: float
    rest: float = 0.0

    def shares(self, places: Floats) -> Floats:
        """Compute the share of the motion that is left at places (N,3) of the mean head, (N,)."""
        along = np.abs(places[:, 0]) if self.axis == 0 else places[:, self.axis]
        t = np.clip((along - self.inside) / (self.outside - self.inside), 0, 1)
        return np.asarray(1 - (1 - self.rest) * t * t * (3 - 2 * t), np.float32)


_LIPS = (Limit(0, 0.016, 0.042), Limit(1, -0.078, -0.100), Limit(1, -0.060, -0.044))

# ARKit's units are made for animation: some move more than the muscle of the AU does. What FACS does not describe is
# left out; heights are those of the mean head (eyes 0, brows .02, wings of the nose -.05, mouth -.07, chin -.1).
AU_LIMITS: dict[str, tuple[Limit, ...]] = {
    # Orbicularis oculi, outer part, lifts the cheek below the eye; the unit drags the face's side down to the jaw.
    "AU6": (Limit(1, -0.025, -0.060), Limit(0, 0.045, 0.068)),
    # The inner part tightens the lids, the lower one most; the unit moves the cheek more than the lid.
    "AU7": (Limit(1, -0.012, -0.034), Limit(0, 0.042, 0.060)),
    # Levator labii superioris alaeque nasi wrinkles the nose; the inner brows follow a little, in the unit they lead.
    "AU9": (Limit(1, 0.000, 0.012, rest=0.2), Limit(0, 0.020, 0.045)),
    # Orbicularis oris works in the lips; the unit moves cheeks and jaw.
    "AU23": _LIPS,
    "AU24": _LIPS,
}

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
                _add_limited(moved, asset, au, asset.units[name[:-1] + "Left"], share * on_left)
                _add_limited(moved, asset, au, asset.units[name[:-1] + "Right"], share * on_right)
            else:
                unit = asset.units[name]
                weight = side_weight(asset.mean[unit.index, 0])
                amounts = np.asarray(share * (weight * on_left + (1 - weight) * on_right), np.float32)
                _add_limited(moved, asset, au, unit, amounts)
    return moved


def _add_limited(moved: Floats, asset: HeadAsset, au: str, unit: FaceUnit, amount: float | Floats) -> None:
    """Add one unit's motion in place, within the limits of the AU that it is a part of."""
    amounts = np.broadcast_to(np.asarray(amount, np.float32), unit.index.shape)
    for limit in AU_LIMITS.get(au, ()):
        amounts = amounts * limit.shares(asset.mean[unit.index])
    moved[unit.index] += amounts[:, None] * unit.offset


def add_unit(moved: Floats, asset: HeadAsset, name: str, amount: float) -> None:
    """Add one ARKit unit in place."""
    if amount:
        unit = asset.units[name]
        moved[unit.index] += np.float32(amount) * unit.offset
