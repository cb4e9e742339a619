"""Stage ``heatmaps``: render the AU map of every face; ``python stages/heatmaps.py NAME``."""

from __future__ import annotations

from pathlib import Path

from fer_au.command import run_stage


def main(name: str) -> None:
    """Render the heatmaps of data set ``name``."""
    from fer_au.config.data import HeatmapsConfig
    from fer_au.config.reading import entry, load_section
    from fer_au.cues import render_dataset

    entry("datasets", name)  # a misspelt name is told as such, not as a missing file
    render_dataset(load_section("heatmaps", HeatmapsConfig), Path("data") / name)


if __name__ == "__main__":
    run_stage(main, __doc__, "nothing is kept; the next run draws all maps anew")
