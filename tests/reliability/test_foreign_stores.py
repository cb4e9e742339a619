"""A whole, sound store of another data set or of other settings in place of the right one is refused by its readers."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from PIL import Image

from fer_au.batches import FaceDataset
from fer_au.config.data import AlignConfig, HeatmapsConfig, LandmarksConfig
from fer_au.cues import render_dataset
from fer_au.datasets import ingest_dataset
from fer_au.datasets.folder import FolderConfig
from fer_au.errors import StoreError
from fer_au.faces import align_dataset
from fer_au.landmarks import extract_dataset
from fer_au.results.verifying import verify_artefact
from tests.reliability.workspace import PARAMS

STORES = ("faces", "landmarks", "heatmaps")


def make(root: Path, out: Path, size: int = 64) -> None:
    """Ingest pictures as data set ``out``, and run the data stages."""
    config = FolderConfig.model_validate({**PARAMS["datasets"]["tiny"], "root": root})
    ingest_dataset(out.name, config, out)
    align_dataset(AlignConfig(**{**PARAMS["align"], "size": size}), out, root)
    extract_dataset(LandmarksConfig(**PARAMS["landmarks"]), out)
    render_dataset(HeatmapsConfig(**PARAMS["heatmaps"]), out)


@pytest.fixture(scope="module")
def project(drawn: list[tuple[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data sets of one picture's name each: ``a``; ``other`` settings; and ``mirrored`` pictures."""
    folder = tmp_path_factory.mktemp("project")
    for number, (label, jpeg) in enumerate(drawn[:12]):
        for kind in ("plain", "mirrored"):
            path = folder / f"{kind}/{label}/{number:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture = Image.open(io.BytesIO(jpeg))
            (picture if kind == "plain" else picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)).save(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FER_AU_WORKERS", "1")
        patch.setenv("FER_AU_CACHE", str(folder / "cache"))
        make(folder / "plain", folder / "data/a")
        make(folder / "plain", folder / "data/other", size=48)
        make(folder / "mirrored", folder / "data/mirrored")
    return folder


@pytest.fixture
def data(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(project / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return Path("data/a")


# The maps of the mirrored faces are the same: the extractor puts one mean face into every aligned crop.
@pytest.mark.parametrize(
    ("kind", "origin"),
    [
        (kind, origin)
        for kind in STORES
        for origin in ("other", "mirrored")
        if (kind, origin) != ("heatmaps", "mirrored")
    ],
)
def test_a_store_of_another_data_set_is_not_used(data: Path, kind: str, origin: str) -> None:
    FaceDataset(data, "train")
    assert [verify_artefact(data / f"{name}.h5") for name in STORES] == [[], [], []]
    shutil.copy(data.with_name(origin) / f"{kind}.h5", data)
    with pytest.raises(
        StoreError, match=r"was made from something else than .*; `dvc checkout --force data/a/"
    ) as caught:
        FaceDataset(data, "train")
    assert "\n" not in str(caught.value)
    assert [fault for name in STORES for fault in verify_artefact(data / f"{name}.h5")]


def test_the_stages_between_refuse_stores_of_other_pictures(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("faces", "landmarks"):
        shutil.copy(data.with_name("mirrored") / f"{kind}.h5", data)
    told = r"data/a/{}.h5: was made from something else than the ids, pictures and boxes in data/a/manifest.csv; "
    with pytest.raises(StoreError, match=told.format("faces")):
        extract_dataset(LandmarksConfig(**PARAMS["landmarks"]), data)
    with pytest.raises(StoreError, match=told.format("landmarks")):
        render_dataset(HeatmapsConfig(**PARAMS["heatmaps"]), data)


def test_other_labels_and_splits_need_no_other_crops(data: Path, project: Path) -> None:
    whole = (data / "faces.h5").read_bytes()
    config = FolderConfig.model_validate({**PARAMS["datasets"]["tiny"], "root": project / "plain", "seed": 7})
    ingest_dataset("a", config, data)
    align_dataset(AlignConfig(**PARAMS["align"]), data, project / "plain")
    assert (data / "faces.h5").read_bytes() == whole
    FaceDataset(data, "train")
