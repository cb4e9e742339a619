"""JAFFE: grey TIFF files in one folder."""

from __future__ import annotations

from pathlib import Path

from tests.datasets.miniatures.noise import write_noise

PERSONS = ("KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM", "UY", "YM")
EXPRESSIONS = ("NE", "HA", "SA", "SU", "AN", "DI", "FE")


def write(root: Path) -> None:
    """Write one take of each expression of each person."""
    for place, person in enumerate(PERSONS):
        for number, expression in enumerate(EXPRESSIONS):
            name = f"{person}.{expression}1.{place * len(EXPRESSIONS) + number + 1}.tiff"
            write_noise(root / name, grey=True)
