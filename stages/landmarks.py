"""Stage ``landmarks``: extract the 68 points of every crop; ``python stages/landmarks.py NAME``."""

from __future__ import annotations

import sys
from pathlib import Path

from fer_au.command import stage_main
from fer_au.config.data import LandmarksConfig
from fer_au.config.reading import load_section
from fer_au.landmarks import extract_dataset


def main(name: str) -> None:
    """Extract the landmarks of data set ``name``."""
    extract_dataset(load_section("landmarks", LandmarksConfig), Path("data") / name)


if __name__ == "__main__":
    sys.exit(stage_main(main, __doc__))
