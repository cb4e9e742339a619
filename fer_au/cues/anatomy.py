"""Places of action units on the face, for geometry ``corrected``.

Positions follow the muscle that FACS names for the action unit (Ekman, Friesen and Hager, FACS Manual, 2002): the skin
that it moves, bulges or wrinkles, not the nearest landmark. A spot lies at a weighted mean of landmarks, so that it
follows expression, yaw and face shape, plus an offset in the face's own axes. Offsets and sizes are in units of the
inter-ocular distance (outer eye corner to outer eye corner, about 9 cm on an adult).

Places and spreads were fitted to the true motion of rendered people (``benchmarks/truth.py``: even people for the fit,
odd ones for its figures), and taken over, rounded, as far as FACS describes the same motion.

Spots are written for the image's left half of the face and mirrored by the 68-point swap, which makes the geometry
mirror-equivariant by construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fer_au.ibug68 import MIRROR


@dataclass(frozen=True)
class Spot:
    """One elliptic Gaussian of an action unit.

    Attributes:
        anchor: iBUG-68 landmark (0-based) -> weight; the weights sum to 1.
        spread: Standard deviations along the spot's two axes, in inter-ocular distances.
        shift: From the anchor outwards (away from the midline) and down the face, in inter-ocular distances.
        tilt: Degrees from the outward direction down to the spot's first axis.
        outward: Direction of outwards along the axis from the image-left to the image-right eye: -1 or 1.
    """

    anchor: Mapping[int, float]
    spread: tuple[float, float]
    shift: tuple[float, float] = (0.0, 0.0)
    tilt: float = 0.0
    outward: int = -1

    def mirrored(self) -> Spot:
        """Return the same spot on the other half of the face."""
        anchor = {int(MIRROR[point]): weight for point, weight in self.anchor.items()}
        return Spot(anchor, self.spread, self.shift, self.tilt, -self.outward)


def _pair(
    anchor: Mapping[int, float],
    spread: tuple[float, float],
    shift: tuple[float, float] = (0.0, 0.0),
    tilt: float = 0.0,
) -> tuple[Spot, Spot]:
    spot = Spot(anchor, spread, shift, tilt)
    return spot, spot.mirrored()


def _middle(anchor: Mapping[int, float], spread: tuple[float, float], down: float = 0.0) -> tuple[Spot]:
    return (Spot(anchor, spread, (0.0, down)),)


_MOUTH = {48: 0.25, 54: 0.25, 51: 0.25, 57: 0.25}

SPOTS: Mapping[int, tuple[Spot, ...]] = {
    # Frontalis, medial part: lifts the inner brow; the forehead above it wrinkles.
    1: _pair({20: 0.5, 21: 0.5}, (0.17, 0.095), shift=(0.0, 0.03)),
    # Frontalis, lateral part: lifts the outer brow; the forehead above it wrinkles.
    2: _pair({17: 0.3, 18: 0.4, 19: 0.3}, (0.115, 0.095), shift=(0.0, 0.02)),
    # Corrugator, depressor supercilii, procerus: the brows are lowered and drawn together, the skin above follows, the
    # glabella folds.
    4: (
        *_pair({19: 0.3, 20: 0.4, 21: 0.3}, (0.22, 0.14), shift=(0.05, -0.03)),
        *_middle({21: 0.4, 22: 0.4, 27: 0.2}, (0.16, 0.11)),
    ),
    # Levator palpebrae superioris: the upper lid retracts.
    5: _pair({37: 0.5, 38: 0.5}, (0.13, 0.055), shift=(0.02, -0.025)),
    # Orbicularis oculi, orbital part: the cheek below the orbit rises; crow's feet beside the outer corner.
    6: (
        *_pair({41: 0.5, 31: 0.3, 3: 0.2}, (0.15, 0.14), shift=(0.06, -0.04)),
        *_pair({36: 1.0}, (0.08, 0.09), shift=(0.10, 0.02)),
    ),
    # Orbicularis oculi, palpebral part: the lids tighten; the lower one rises and bulges most.
    7: _pair({36: 0.1, 37: 0.05, 38: 0.05, 39: 0.1, 40: 0.35, 41: 0.35}, (0.13, 0.08), shift=(0.02, 0.07)),
    # Levator labii superioris alaeque nasi: the skin along the side of the nose wrinkles up to its root.
    9: _pair({39: 0.4, 31: 0.35, 29: 0.25}, (0.10, 0.24), shift=(0.05, 0.03)),
    # Levator labii superioris: raises the upper lip and the skin between it and the wing of the nose.
    10: _pair({31: 0.5, 49: 0.25, 50: 0.25}, (0.12, 0.14), shift=(0.03, 0.03)),
    # Zygomaticus minor: deepens the middle of the nasolabial furrow, between the wing of the nose and the cheek.
    11: _pair({31: 0.5, 48: 0.25, 3: 0.25}, (0.14, 0.09), tilt=60.0),
    # Zygomaticus major: pulls the lip corner obliquely up towards the cheekbone.
    12: _pair({48: 0.85, 3: 0.15}, (0.24, 0.14), shift=(-0.02, 0.04), tilt=-52.0),
    # Buccinator: tightens and dimples the cheek just beside the lip corner.
    14: _pair({48: 0.75, 4: 0.25}, (0.17, 0.11), tilt=-60.0),
    # Depressor anguli oris: pulls the lip corner down; the skin around it pouches.
    15: _pair({48: 0.85, 5: 0.15}, (0.13, 0.20), shift=(0.02, -0.06)),
    # Depressor labii inferioris: pulls the lower lip down and sideways; the skin below it flattens.
    16: _pair({58: 0.35, 59: 0.35, 7: 0.3}, (0.10, 0.14), shift=(-0.05, 0.0)),
    # Mentalis: the chin boss wrinkles and pushes the lower lip up.
    17: _middle({57: 0.9, 8: 0.1}, (0.12, 0.12)),
    # Risorius with platysma: stretches the lip corner sideways, slightly down.
    20: _pair({48: 0.7, 5: 0.3}, (0.17, 0.20), shift=(0.0, -0.06)),
    # Orbicularis oris, peripheral part: both lips funnel outwards with the skin around them.
    22: _middle(_MOUTH, (0.22, 0.18)),
    # Orbicularis oris, marginal part: the red of the lips narrows.
    23: _middle(_MOUTH, (0.19, 0.11)),
    # Orbicularis oris: the lips press together.
    24: _middle(_MOUTH, (0.22, 0.12)),
    # Depressor labii inferioris, or mentalis or orbicularis oris relaxing: the lips come apart; the lower one moves
    # most, and the chin with it.
    25: (
        *_middle({51: 0.5, 62: 0.5}, (0.17, 0.09)),
        *_middle({57: 0.75, 8: 0.25}, (0.24, 0.19)),
    ),
    # Masseter, temporalis and internal pterygoid relaxing: the jaw drops with the lower lip.
    26: _middle({62: 0.2, 66: 0.2, 57: 0.35, 8: 0.25}, (0.27, 0.25)),
    # Pterygoids and digastric: the mouth is stretched wide open from the upper lip to the chin.
    27: _middle({51: 0.25, 57: 0.5, 8: 0.25}, (0.32, 0.27)),
    # Levator palpebrae superioris relaxing: the eye closes.
    43: _pair({37: 0.35, 38: 0.35, 40: 0.15, 41: 0.15}, (0.12, 0.07), shift=(0.02, -0.02)),
}
