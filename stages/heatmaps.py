"""Stage ``heatmaps``: render the AU map of every face; ``python stages/heatmaps.py NAME``."""

from __future__ import annotations

import sys
from pathlib import Path

from fer_au.command import stage_main
from fer_au.config.data import HeatmapsConfig
from fer_au.config.reading import load_section
from fer_au.cues import render_dataset


def main(name: str) -> None:
    """Render the heatmaps of data set ``name``."""
    render_dataset(load_section("heatmaps", HeatmapsConfig), Path("data") / name)


if __name__ == "__main__":
    sys.exit(stage_main(main, __doc__))
