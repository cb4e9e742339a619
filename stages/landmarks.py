"""Stage ``landmarks``: extract the 68 points of every crop; ``python stages/landmarks.py NAME``."""

from __future__ import annotations

from pathlib import Path

from fer_au.command import run_stage


def main(name: str) -> None:
    """Extract the landmarks of data set ``name``."""
    from fer_au.config.dataset_settings import LANDMARKS
    from fer_au.landmarks import extract_dataset

    extract_dataset(LANDMARKS.load(name), Path("data") / name)


if __name__ == "__main__":
    run_stage(main, __doc__, "rows that were computed are kept, and the next run goes on from there")
