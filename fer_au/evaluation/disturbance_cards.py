"""What each disturbance of test images is called, in which strengths it is done, and what it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fer_au.config.robustness import Disturbance as Name

STRENGTHS = 5
TURN, ZOOM, SHIFT = 25.0, 1.25, 0.15
"""The strongest move: degrees, factor, and share of the side."""

_SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
_ELSEWHERE = "the same cover, shifted to where it hides least of eyes, brows, nose and mouth"


@dataclass(frozen=True)
class Card:
    """Description of one disturbance.

    Attributes:
        unit: What its strengths are, for a reader.
        strengths: The five strengths, from the weakest.
        control: What its control is, for a reader; empty if it has none.
    """

    unit: str
    strengths: tuple[float, ...]
    control: str = ""


CARDS: Mapping[Name, Card] = {
    "moved": Card(
        f"share of a turn by {TURN:g} degrees, a zoom by {ZOOM:g} and a shift by {SHIFT:g} of the side", _SHARES
    ),
    "blurred": Card("sigma, share of the side", (0.004, 0.008, 0.012, 0.018, 0.025)),
    "shrunk": Card("side, pixels", (80, 64, 48, 40, 32)),
    "darkened": Card("stops of exposure", (0.5, 1, 1.5, 2.25, 3)),
    "jpeg": Card("JPEG quality", (70, 40, 25, 15, 10)),
    "eyes_occluded": Card("opacity of the cover", _SHARES, _ELSEWHERE),
    "brows_occluded": Card("opacity of the cover", _SHARES, _ELSEWHERE),
    "nose_occluded": Card("opacity of the cover", _SHARES, _ELSEWHERE),
    "mouth_occluded": Card("opacity of the cover", _SHARES, _ELSEWHERE),
    "background_occluded": Card("opacity of the cover", _SHARES),
    "background_swapped": Card(
        "opacity of the other background", _SHARES, "the background of another face of the same class"
    ),
}
"""Name -> description, in the order of ``config.robustness.DISTURBANCES``."""
