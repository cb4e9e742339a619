"""The engine of stage `heatmaps` on small stores."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.shared.random_points import random_faces
from fer_au.config.data import HeatmapsConfig
from fer_au.cues import render_au_maps, render_dataset
from fer_au.datasets.manifest import ManifestRow, write_manifest
from fer_au.errors import ConfigError, DataError
from fer_au.expressions import EXPRESSIONS
from fer_au.stores.columns import encode_ids
from fer_au.stores.reader import Store
from fer_au.stores.writer import write_store

SIZE = 256
LABELS = [EXPRESSIONS[i % 7] for i in range(12)]


def make_dataset(folder, labels=LABELS, ids=None, attributes=None):
    names = [f"face{i:03}.png" for i in range(len(labels))]
    rows = [
        ManifestRow(name, name, "0" * 64, "train", None, label, None, 300, 300, None)
        for name, label in zip(names, labels, strict=True)
    ]
    write_manifest(folder / "manifest.csv", rows)
    points = random_faces(len(labels), size=SIZE).astype(np.float32)
    points[2] = np.nan
    columns = {
        "id": encode_ids(names if ids is None else ids),
        "points": points,
        "score": np.ones(len(points), np.float32),
        "status": np.zeros(len(points), np.uint8),
    }
    attributes = {"image_size": SIZE} if attributes is None else attributes
    write_store(folder / "landmarks.h5", "landmarks", columns, fingerprint="test", attributes=attributes)
    return points


def test_maps_are_those_of_render_au_maps_in_255_steps(tmp_path):
    points = make_dataset(tmp_path)
    render_dataset(HeatmapsConfig(size=14), tmp_path)
    store = Store.open(tmp_path / "heatmaps.h5", "heatmaps")
    maps, valid = render_au_maps(points, LABELS, image_size=SIZE, map_size=14)
    assert store.ids == [f"face{i:03}.png" for i in range(12)]
    assert store["map"].dtype == np.uint8
    np.testing.assert_allclose(store["map"] / 255, maps, atol=0.5 / 255 + 1e-6)
    np.testing.assert_array_equal(store["valid"], valid)
    assert not valid[2]
    assert store.verify() == []
    assert (store.attributes["codebook"], store.attributes["geometry"]) == ("corrected", "corrected")


def test_same_inputs_give_the_same_bytes_in_another_folder(tmp_path):
    files = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        make_dataset(tmp_path / name)
        render_dataset(HeatmapsConfig(), tmp_path / name)
        files.append((tmp_path / name / "heatmaps.h5").read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("profile", "fingerprint", "content"),
    [
        (
            "corrected",
            "0b5f0c28fb218852480c1b26bd52461f5784527eeffd9f031a9d23504ca72e95",
            "46c7382855843f6043208253d2d13f86d1e9544f045f8a3d6afac57c3b4d107b",
        ),
        (
            "paper",
            "76b4bb212ea46c1557b3788535cd6493b852e899a5d4eba07163420871cee159",
            "9afa24df4db62095219fbd5fc020adb6f831704c9a2e1c326bacb08254cb730f",
        ),
    ],
)
def test_stores_stay_what_they_were(tmp_path, profile, fingerprint, content):
    make_dataset(tmp_path)
    render_dataset(HeatmapsConfig(codebook=profile, geometry=profile), tmp_path)
    store = Store.open(tmp_path / "heatmaps.h5", "heatmaps")
    assert (store.fingerprint, store.content_sha256) == (fingerprint, content)


def test_a_set_without_any_landmarks_gives_a_store_without_maps(tmp_path):
    make_dataset(tmp_path, ["neutral"] * 3)
    render_dataset(HeatmapsConfig(), tmp_path)
    store = Store.open(tmp_path / "heatmaps.h5", "heatmaps")
    assert not store["valid"].any()
    assert not store["map"].any()


def test_fingerprint_follows_codebook_geometry_size_and_landmarks(tmp_path):
    (tmp_path / "mine.yaml").write_text("expressions: {fear: [1, 2]}")
    configs = [
        HeatmapsConfig(),
        HeatmapsConfig(size=14),
        HeatmapsConfig(codebook="paper"),
        HeatmapsConfig(codebook="paper", geometry="paper"),
        HeatmapsConfig(codebook=str(tmp_path / "mine.yaml")),
    ]
    seen = set()
    for shift in (0, 1):
        make_dataset(tmp_path, LABELS[shift:])
        for config in configs:
            render_dataset(config, tmp_path)
            seen.add(Store.open(tmp_path / "heatmaps.h5", "heatmaps").fingerprint)
    assert len(seen) == 2 * len(configs)


def test_landmarks_of_other_faces_are_refused(tmp_path):
    make_dataset(tmp_path, ids=[f"other{i:03}" for i in range(12)])
    with pytest.raises(DataError, match=r"landmarks\.h5: its rows are not those of manifest\.csv"):
        render_dataset(HeatmapsConfig(), tmp_path)


@pytest.mark.parametrize("attributes", [{}, {"image_size": 0}, {"image_size": "big"}])
def test_landmarks_without_the_crops_size_are_refused(tmp_path, attributes):
    make_dataset(tmp_path, attributes=attributes)
    with pytest.raises(DataError, match="attribute 'image_size' is missing"):
        render_dataset(HeatmapsConfig(), tmp_path)


def test_wrong_codebooks_and_missing_inputs_are_one_line(tmp_path):
    with pytest.raises(ConfigError, match="unknown codebook 'papr'; did you mean paper"):
        render_dataset(HeatmapsConfig(codebook="papr"), tmp_path)
    with pytest.raises(DataError, match=r"manifest\.csv"):
        render_dataset(HeatmapsConfig(), tmp_path)
    make_dataset(tmp_path)
    (tmp_path / "landmarks.h5").unlink()
    with pytest.raises(DataError, match=r"landmarks\.h5"):
        render_dataset(HeatmapsConfig(), tmp_path)
