from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fer_au.config.data import DemoConfig
from fer_au.datasets import ingest_dataset
from fer_au.datasets.demo import DemoAdapterConfig
from fer_au.demo.generate import generate
from fer_au.faces.geometry import fit_similarity, map_box
from fer_au.faces.templates import HOG_BOX
from fer_au.ibug68 import MEAN_FACE


@pytest.fixture(scope="session")
def rendered(tmp_path_factory) -> Path:
    """``data/demo`` of a tiny rendered set: 3 people, 5 pictures each, ingested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_AU_WORKERS", "1")
        folder = tmp_path_factory.mktemp("rendered")
        generate(DemoConfig(identities=3, images=5, test_fraction=0.3), folder / "raw")
        ingest_dataset("demo", DemoAdapterConfig(adapter="demo", root=folder / "raw"), folder)
    return folder


@pytest.fixture
def dataset(rendered, tmp_path, monkeypatch) -> Path:
    """A private copy of the rendered set, with a cache of its own and one worker."""
    monkeypatch.setenv("FER_AU_WORKERS", "1")
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(rendered, tmp_path / "data"))


@pytest.fixture(scope="session")
def hog_box_of():
    """The HOG-like box of a face whose 68 points are known: the average face is fitted to them."""

    def box(points):
        return map_box(fit_similarity(MEAN_FACE, points), HOG_BOX)

    return box
