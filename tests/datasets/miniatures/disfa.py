"""DISFA: a video of each camera for each person, and a file of intensities for each action unit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.datasets.miniatures.video import STEP, write_clip

UNITS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
PERSONS = ("SN001", "SN002", "SN003", "SN011", "SN013")
SEEN: tuple[dict[int, int], ...] = (
    {},
    {},
    {6: 3, 12: 4},
    {6: 2, 12: 5, 25: 3},
    {1: 2, 2: 3, 5: 2},
    {1: 2, 2: 3, 5: 2, 26: 1},
    {1: 2, 2: 2, 4: 3, 5: 2, 26: 3},
    {9: 4, 17: 1},
    {1: 2, 4: 2, 15: 3},
    {4: 3},
    {6: 3, 12: 3, 9: 2},
    {12: 5},
)
"""Action units of each frame: neutral, happiness, surprise, fear, disgust, sadness, and three that show none."""


def write_person(root: Path, person: str, seen: tuple[Mapping[int, int], ...] = SEEN) -> None:
    """Write the labels of a person."""
    folder = root / "ActionUnit_Labels" / person
    folder.mkdir(parents=True, exist_ok=True)
    for unit in UNITS:
        lines = [f"{number},{one.get(unit, 0)}" for number, one in enumerate(seen, 1)]
        (folder / f"{person}_au{unit}.txt").write_text("\n".join(lines) + "\n")


def write(root: Path) -> None:
    """Write five people of the three published folds."""
    for person in PERSONS:
        write_person(root, person)
        for camera in ("Left", "Right"):
            path = root / f"Videos_{camera}Camera" / f"{camera}Video{person}_comp.avi"
            write_clip(path, range(0, len(SEEN) * STEP, STEP), codec="mjpeg")
    (root / "Landmark_Points/SN001/tmp_frame_lm").mkdir(parents=True)
    (root / "Landmark_Points/SN001/tmp_frame_lm/l0001_lm.mat").write_bytes(b"MATLAB 5.0")
