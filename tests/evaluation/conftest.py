from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_au.cues import create_codebook, render_au_maps
from fer_au.datasets import ManifestRow, write_manifest
from fer_au.faces.crops import encode_crop
from fer_au.ibug68 import MEAN_FACE
from fer_au.models import create_model, save_model
from fer_au.shards.finished import FinishedWork
from fer_au.stores import write_store
from fer_au.stores.columns import encode_ids, pack_ragged

SIZE = 112
CROP = 64
LABELS = ("neutral", "happiness", "anger")


TAKE = FinishedWork.take


@pytest.fixture(scope="module", autouse=True)
def repeated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Evaluations are repeated and not fetched: a test that compares two would otherwise compare one with its copy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_AU_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(FinishedWork, "take", lambda *_: False)
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def face() -> NDArray[np.float64]:
    """The mean face's 68 points in the middle of a 112 px crop, (1, 68, 2)."""
    return (MEAN_FACE * 46 + [SIZE / 2, 42])[None]


def _write_dataset(folder: Path, per_class: dict[str, int], motion: bool, labels: tuple[str, ...]) -> Path:
    rng = np.random.default_rng(11)
    rows: list[ManifestRow] = []
    for split, count in per_class.items():
        for label in labels:
            for k in range(count):
                id_ = f"{split}/{label}/{k:02}.png"
                rows.append(ManifestRow(id_, id_, "0" * 64, split, None, label, None, 128, 128, None))  # type: ignore[arg-type]
    rows.sort(key=lambda row: row.id)
    names, count = [row.label for row in rows], len(rows)
    points = MEAN_FACE * 27 + [CROP / 2, 24] + rng.normal(0, 1.5, (count, 1, 2)) + rng.normal(0, 0.4, (count, 68, 2))
    points[1] = np.nan  # the extractor found nothing
    maps, valid = render_au_maps(points, names, CROP, 28)
    folder.mkdir(parents=True)
    write_manifest(folder / "manifest.csv", rows)
    ids = {"id": encode_ids([row.id for row in rows])}
    size = {"image_size": CROP}
    status = np.zeros(count, np.uint8)
    crops = [encode_crop(rng.integers(0, 255, (CROP, CROP, 3), np.uint8)) for _ in rows]
    status[-1], crops[-1] = 2, b""  # rejected by align
    write_store(
        folder / "faces.h5",
        "faces",
        {
            **ids,
            **pack_ragged(crops),
            "matrix": np.tile(np.array([[0.5, 0, 0], [0, 0.5, 0]]), (count, 1, 1)),
            "box": np.zeros((count, 4), np.float32),
            "score": np.zeros(count, np.float32),
            "detector": np.full(count, b"none", "S16"),
            "status": status,
        },
        fingerprint="f",
        attributes=size,
    )
    landmarks = {"points": points.astype(np.float32), "score": np.zeros(count, np.float32), "status": status}
    write_store(folder / "landmarks.h5", "landmarks", {**ids, **landmarks}, fingerprint="l", attributes=size)
    drawn = {**create_codebook("corrected").attributes, "geometry": "corrected"}
    heat = {"map": np.round(maps * 255).astype(np.uint8), "valid": valid}
    write_store(folder / "heatmaps.h5", "heatmaps", {**ids, **heat}, fingerprint="h", attributes=drawn)
    extra = {"motion": np.round(np.kron(maps, np.ones((2, 2)))[:, :64, :64] * 255).astype(np.uint8)} if motion else {}
    if motion:
        extra["motion"] = np.pad(extra["motion"], ((0, 0), (4, 4), (4, 4)))
    write_store(folder / "annotations.h5", "annotations", {**ids, **extra}, fingerprint="a")
    return folder


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise for pictures, real geometry for landmarks and AU maps: 3 classes, 8 to train on, 6 to test on of each."""
    return _write_dataset(tmp_path_factory.mktemp("data") / "tiny", {"train": 8, "test": 6}, True, LABELS)


@pytest.fixture(scope="session")
def make_dataset(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    def make(per_class: dict[str, int], motion: bool = False, labels: tuple[str, ...] = LABELS) -> Path:
        return _write_dataset(tmp_path_factory.mktemp("data") / "other", per_class, motion, labels)

    return make


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained classifier with everything in its config.json that the train stage writes."""
    folder = tmp_path_factory.mktemp("models") / "vanilla"
    model = create_model({"backbone": "test_resnet", "output_stride": 8}, LABELS, seed=0)
    save_model(folder, model, model_meta())
    write_history(folder)
    return folder


def write_history(folder: Path) -> None:
    """Two epochs, as the train stage writes them; the second is that of ``model_meta``."""
    lines = ["epoch,train_accuracy,valid_accuracy", "0,0.25,0.5", "1,0.75,0.625"]
    (folder / "history.csv").write_text("\n".join(lines) + "\n")


def model_meta(**changes: Any) -> dict[str, Any]:
    meta: dict[str, Any] = {
        "experiment": {"dataset": "tiny", "seed": 5, "fold": None},
        "preprocessing": {
            "image_size": CROP,
            "channels": 3,
            "mean": [0.5, 0.5, 0.5],
            "std": [0.25, 0.25, 0.25],
            "align": {},
        },
        "seed": 5,
        "selected_on": "valid",
        "selected_epoch": 1,
        "precision": "fp32",
        "train_images_per_second": 123.4,
    }
    return meta | changes
