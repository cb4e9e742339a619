"""Stage ``ingest``: read a data set into ``data/<name>``; ``python stages/ingest.py NAME``."""

from __future__ import annotations

import sys
from pathlib import Path

from fer_au.command import stage_main
from fer_au.datasets import ingest_dataset, load_dataset_config


def main(name: str) -> None:
    """Ingest data set ``name``."""
    ingest_dataset(name, load_dataset_config(name), Path("data") / name)


if __name__ == "__main__":
    sys.exit(stage_main(main, __doc__))
