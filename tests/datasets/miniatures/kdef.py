"""KDEF: a folder for each person and session, 35 pictures in each."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from tests.datasets.miniatures.noise import write_noise

EXPRESSIONS = ("AF", "AN", "DI", "HA", "NE", "SA", "SU")
VIEWS = ("FL", "HL", "S", "HR", "FR")


def write(root: Path, persons: int = 10, series: str = "A") -> None:
    """Write the pictures of as many persons, half of them women."""
    for session, number, sex in product(series, range(1, persons // 2 + 1), "FM"):
        folder = f"{session}{sex}{number:02d}"
        for expression, view in product(EXPRESSIONS, VIEWS):
            write_noise(root / folder / f"{folder}{expression}{view}.JPG", size=(18, 24))
