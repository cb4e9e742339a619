"""TFEID: performer, kind, view, expression and serial number in the name."""

from __future__ import annotations

from pathlib import Path

from tests.datasets.miniatures.noise import write_noise


def write(root: Path, performers: int = 10) -> None:
    """Write one front picture of each expression, and one profile, of each performer."""
    for performer in range(1, performers + 1):
        for letter in "abcdefg":
            write_noise(root / f"{performer:02d}11{letter}01.jpg")
        write_noise(root / f"{performer:02d}13a01.jpg")
