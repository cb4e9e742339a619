"""Stage ``render``: render the synthetic faces of a data set; ``python stages/render.py NAME``."""

from __future__ import annotations

from pathlib import Path

from fer_au.command import run_stage


def main(name: str) -> None:
    """Render what data set ``name`` reads."""
    from fer_au.config.data import DemoConfig
    from fer_au.config.reading import load_entry
    from fer_au.datasets.content import note_rendered
    from fer_au.demo.generate import generate

    root = Path("data") / name / "raw"
    generate(load_entry("render", name, DemoConfig), root)
    note_rendered(name, root)


if __name__ == "__main__":
    run_stage(main, __doc__, "nothing is kept; the next run renders all pictures anew")
