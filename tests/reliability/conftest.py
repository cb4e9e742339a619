"""120 small pictures of 24 rendered people, ingested once, and what the stages make of them undisturbed."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from PIL import Image

from fer_au.config.data import AlignConfig, DemoConfig, HeatmapsConfig, LandmarksConfig
from fer_au.cues import render_dataset
from fer_au.datasets import ingest_dataset
from fer_au.datasets.folder import FolderConfig
from fer_au.demo.generate import generate
from fer_au.faces import align_dataset
from fer_au.landmarks import extract_dataset
from tests.reliability.workspace import PARAMS, Workspace

PICTURES = 120
STORES = ("faces.h5", "landmarks.h5", "heatmaps.h5")


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bytes]]:
    """24 rendered faces: label and JPEG."""
    folder = tmp_path_factory.mktemp("drawn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_AU_WORKERS", "1")
        generate(DemoConfig(identities=4, images=6, size=96, test_fraction=0.25), folder)
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        return [(row["label"], (folder / row["path"]).read_bytes()) for row in csv.DictReader(file)]


def vary(jpeg: bytes, number: int) -> bytes:
    """The same face in other bytes: shifted by a few pixels and encoded anew."""
    picture = Image.open(io.BytesIO(jpeg)).convert("RGB")
    buffer = io.BytesIO()
    left, top = number % 5, number // 5 % 5
    picture.crop((left, top, left + 91, top + 91)).save(buffer, "JPEG", quality=70 + number // 25 % 25)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def ingested(drawn: list[tuple[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``pictures`` and ``data/tiny``, and the undisturbed results in ``data/tiny-done``."""
    folder = tmp_path_factory.mktemp("ingested")
    for number in range(PICTURES):
        label, jpeg = drawn[number % len(drawn)]
        path = folder / f"pictures/{label}/{number:03d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(vary(jpeg, number))
    config = FolderConfig.model_validate({**PARAMS["datasets"]["tiny"], "root": folder / "pictures"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_AU_WORKERS", "1")
        ingest_dataset("tiny", config, folder / "data/tiny")
    return folder


@pytest.fixture(scope="session")
def undisturbed(ingested: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The stores as one process makes them in one go, with shards as they are: name -> bytes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    workspace = Workspace(folder / "lab", ingested)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workspace.folder)
        patch.setenv("FER_AU_WORKERS", "1")
        patch.setenv("FER_AU_CACHE", str(workspace.cache))
        align_dataset(AlignConfig(**PARAMS["align"]), workspace.data, ingested / "pictures")
        extract_dataset(LandmarksConfig(**PARAMS["landmarks"]), workspace.data)
        render_dataset(HeatmapsConfig(**PARAMS["heatmaps"]), workspace.data)
    return {name: (workspace.data / name).read_bytes() for name in STORES}


@pytest.fixture
def workspace(ingested: Path, tmp_path: Path) -> Workspace:
    """A fresh workspace with an empty cache."""
    return Workspace(tmp_path / "lab", ingested)


@pytest.fixture
def aligned(workspace: Workspace, undisturbed: dict[str, bytes]) -> Workspace:
    """A workspace where align has run, with an empty cache."""
    (workspace.data / "faces.h5").write_bytes(undisturbed["faces.h5"])
    return workspace
