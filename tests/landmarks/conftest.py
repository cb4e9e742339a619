from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from fer_au.config.data import AlignConfig, DemoConfig
from fer_au.datasets import ingest_dataset
from fer_au.datasets.demo import DemoAdapterConfig
from fer_au.demo.generate import generate
from fer_au.faces import align_dataset, decode_crop
from fer_au.faces.geometry import apply_matrix
from fer_au.stores import Store


@pytest.fixture(scope="session")
def aligned(tmp_path_factory) -> Path:
    """``data/demo`` of a tiny rendered set: 3 people, 5 pictures each, ingested and aligned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_AU_WORKERS", "1")
        patch.setenv("FER_AU_CACHE", str(tmp_path_factory.mktemp("cache")))
        folder = tmp_path_factory.mktemp("aligned")
        generate(DemoConfig(identities=3, images=5, test_fraction=0.3), folder / "raw")
        ingest_dataset("demo", DemoAdapterConfig(adapter="demo", root=folder / "raw"), folder)
        align_dataset(AlignConfig(), folder, folder / "raw")
    return folder


@pytest.fixture
def dataset(aligned, tmp_path, monkeypatch) -> Path:
    """A private copy of the aligned set, with a cache of its own and one worker."""
    monkeypatch.setenv("FER_AU_WORKERS", "1")
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(aligned, tmp_path / "data"))


@pytest.fixture(scope="session")
def crops(aligned) -> tuple[np.ndarray, np.ndarray]:
    """Aligned crops (15, 256, 256, 3) and their true points (15, 68, 2)."""
    faces = Store.open(aligned / "faces.h5", "faces")
    images = np.stack([decode_crop(faces, row) for row in range(len(faces))])
    points = Store.open(aligned / "annotations.h5", "annotations")["points"]
    return images, apply_matrix(faces["matrix"], points)
