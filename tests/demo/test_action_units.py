"""Each action unit of the demo moves the skin that FACS says it moves, in the direction that FACS says."""

from __future__ import annotations

import numpy as np
import pytest

from fer_au.demo.action_units import AU_LIMITS, AU_NAMES, displace
from fer_au.demo.asset import Floats, HeadAsset

# AU -> height of the largest motion on the mean head (mm; eyes 0, brows 20, nose wings -50, mouth -70, chin -100), its
# distance from the midline, and where it goes: up, down, out.
FACS = {
    "AU1": ((8, 30), (0, 32), "up"),
    "AU2": ((5, 30), (30, 60), "up"),
    "AU4": ((8, 30), (0, 45), "down"),
    "AU5": ((-2, 15), (15, 48), "up"),
    "AU6": ((-45, -10), (20, 55), "up"),
    "AU7": ((-16, -2), (15, 48), "up"),
    "AU9": ((-50, 0), (5, 28), "up"),
    "AU10": ((-75, -45), (0, 30), "up"),
    "AU12": ((-78, -55), (18, 45), "up"),
    "AU14": ((-80, -58), (18, 48), "out"),
    "AU15": ((-85, -60), (18, 45), "down"),
    "AU16": ((-108, -70), (0, 25), "down"),
    "AU17": ((-108, -70), (0, 15), "up"),
    "AU20": ((-85, -60), (18, 48), "out"),
    "AU23": ((-85, -60), (0, 26), ""),
    "AU24": ((-85, -60), (0, 26), ""),
    "AU25": ((-110, -62), (0, 25), ""),
    "AU26": ((-112, -70), (0, 25), "down"),
    "AU27": ((-112, -70), (0, 25), "down"),
    "AU43": ((-4, 14), (15, 48), "down"),
}


def visible_motion(asset: HeadAsset, au: str) -> tuple[Floats, Floats]:
    """Places (N,3) in mm and motions (N,3) of the front skin, on the side of the person's left."""
    moved = displace(asset, {au: 1.0}, {au: 1.0}) * 1000
    seen = asset.is_part("skin") & (asset.masks["inside_mouth"] < 0.5) & (asset.mean[:, 0] >= 0)
    return asset.mean[seen] * 1000, moved[seen]


def test_every_au_of_the_demo_is_in_the_table() -> None:
    assert set(FACS) == set(AU_NAMES)


@pytest.mark.parametrize("au", FACS)
def test_the_largest_motion_is_where_and_whither_facs_puts_it(asset: HeadAsset, au: str) -> None:
    places, motion = visible_motion(asset, au)
    (low, high), (inner, outer), whither = FACS[au]
    peak = int(np.linalg.norm(motion, axis=1).argmax())
    assert low <= places[peak, 1] <= high, places[peak]
    assert inner <= abs(places[peak, 0]) <= outer, places[peak]
    x, y = motion[peak, 0], motion[peak, 1]
    goes = {"up": y > abs(x), "down": y < -abs(x), "out": x > abs(y), "": True}
    assert goes[whither], motion[peak]


@pytest.mark.parametrize(
    ("au", "still", "most"),
    [
        ("AU9", (10, 40), 0.35),  # the brows follow, they don't lead
        ("AU6", (-110, -62), 0.05),  # no mouth, no jaw
        ("AU7", (-110, -36), 0.05),  # no lower cheek
        ("AU23", (-130, -100), 0.05),  # no chin
        ("AU24", (-130, -100), 0.05),
        ("AU23", (-42, 40), 0.05),  # nothing above the upper lip
        ("AU24", (-42, 40), 0.05),
    ],
)
def test_an_au_leaves_alone_what_its_muscle_does_not_move(
    asset: HeadAsset, au: str, still: tuple[float, float], most: float
) -> None:
    places, motion = visible_motion(asset, au)
    length = np.linalg.norm(motion, axis=1)
    elsewhere = (places[:, 1] >= still[0]) & (places[:, 1] <= still[1])
    assert length[elsewhere].max() <= most * length.max()


@pytest.mark.parametrize("au", AU_LIMITS)
def test_limits_are_smooth(asset: HeadAsset, au: str) -> None:
    places = asset.mean
    for limit in AU_LIMITS[au]:
        shares = limit.shares(places)
        assert shares.min() >= limit.rest - 1e-6
        assert shares.max() <= 1
        along = np.abs(places[:, 0]) if limit.axis == 0 else places[:, 1]
        order = np.argsort(along)
        steps = np.abs(np.diff(shares[order])) - 2 * np.diff(along[order]) / abs(limit.outside - limit.inside)
        assert steps.max() <= 1e-5  # no jump
