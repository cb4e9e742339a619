"""Stage ``align``: detect and align the faces of a data set; ``python stages/align.py NAME``."""

from __future__ import annotations

from pathlib import Path

from fer_au.command import run_stage


def main(name: str) -> None:
    """Align data set ``name``."""
    from functools import partial

    from fer_au.config.data import load_root
    from fer_au.datasets.inspection import restore_pictures
    from fer_au.faces import align_dataset
    from fer_au.faces.settings import ALIGN_SETTINGS

    restore = partial(restore_pictures, name)
    align_dataset(ALIGN_SETTINGS.load(name), Path("data") / name, load_root(name), restore)


if __name__ == "__main__":
    run_stage(main, __doc__, "rows that were computed are kept, and the next run goes on from there")
