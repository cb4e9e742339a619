"""Stage ``render``: render the synthetic faces of a data set; ``python stages/render.py NAME``."""

from __future__ import annotations

import sys
from pathlib import Path

from fer_au.command import stage_main
from fer_au.config.reading import load_entry
from fer_au.demo.generate import DemoConfig, generate


def main(name: str) -> None:
    """Render what data set ``name`` reads."""
    generate(load_entry("render", name, DemoConfig), Path("data") / name / "raw")


if __name__ == "__main__":
    sys.exit(stage_main(main, __doc__))
