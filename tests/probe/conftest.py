"""A project of made-up faces whose blobs tell the expression, and whose corner tells the person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from benchmarks.shared.blobs import CENTRES, Blob, write_dataset

NETWORK = {"backbone": "test_resnet", "output_stride": 8, "head": "gap"}


class Project:
    """The current folder as a project; ``write`` names experiments on its data set ``tiny``."""

    def __init__(self) -> None:
        torch.set_num_threads(1)

    def write(self, **experiments: dict[str, Any]) -> None:
        """Write ``params.yaml``."""
        entries = {
            name: {"dataset": "tiny", "base": "none", "model": NETWORK, **own} for name, own in experiments.items()
        }
        params = {
            "datasets": {"tiny": {"adapter": "folder", "root": "pictures"}},
            "train": {"epochs": 1, "batch_size": 8, "image_size": 32, "precision": "fp32"},
            "experiments": entries,
        }
        Path("params.yaml").write_text(yaml.safe_dump(params))

    def data(self, blobs: list[Blob] | None = None) -> Path:
        """Write the data set."""
        return write_dataset(Path("data/tiny"), blobs if blobs is not None else faces())


def faces(people: int = 6, labels: tuple[str, ...] = tuple(CENTRES), valid: int = 6) -> list[Blob]:
    """12 training, ``valid`` choosing and 5 test faces of each expression, of ``people`` persons; none if it is 0."""
    counts = {"train": 12, "valid": valid, "test": 5}
    return [
        Blob(label, split, subject=f"p{number % people}" if people else None)  # type: ignore[arg-type]
        for label in labels
        for split, count in counts.items()
        for number in range(count)
    ]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a data set and an experiment ``plain`` that isn't trained, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_AU_WORKERS", "1")
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    made = Project()
    made.data()
    made.write(plain={})
    return made
