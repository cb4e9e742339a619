"""Stage ``ingest``: read a data set into ``data/NAME``; ``python stages/ingest.py NAME``."""

from __future__ import annotations

from pathlib import Path

from fer_au.command import run_stage


def main(name: str) -> None:
    """Ingest data set ``name``."""
    from fer_au.datasets import ingest_dataset, load_dataset_config

    ingest_dataset(name, load_dataset_config(name), Path("data") / name)


if __name__ == "__main__":
    run_stage(main, __doc__, "nothing is kept; the next run reads all pictures anew")
