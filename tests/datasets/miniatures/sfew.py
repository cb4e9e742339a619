"""SFEW 2.0: folders Train, Val and Test, of stills and of crops; Test has no labels."""

from __future__ import annotations

from pathlib import Path

from tests.datasets.miniatures.noise import write_noise

CLASSES = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")


def write(root: Path, behind: str = "") -> None:
    """Write a few pictures of each class; ``behind`` follows the folders' names."""
    for name in CLASSES:
        for number in range(4):
            write_noise(root / f"Train{behind}" / name / f"Film_{number}00000{CLASSES.index(name)}.png")
        write_noise(root / f"Val{behind}" / name / f"Other_00000{CLASSES.index(name)}.png")
    for number in range(3):
        write_noise(root / f"Test{behind}" / f"Hidden_{number}.png")
