"""Stage ``align``: detect and align the faces of a data set; ``python stages/align.py NAME``."""

from __future__ import annotations

from pathlib import Path

from fer_au.command import run_stage


def main(name: str) -> None:
    """Align data set ``name``."""
    from fer_au.config.data import AlignConfig
    from fer_au.config.reading import entry, load_section
    from fer_au.faces import align_dataset

    root = Path(str(entry("datasets", name).get("root", "")))
    align_dataset(load_section("align", AlignConfig), Path("data") / name, root)


if __name__ == "__main__":
    run_stage(main, __doc__, "rows that were computed are kept, and the next run goes on from there")
