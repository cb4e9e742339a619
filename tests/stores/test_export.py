from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from fer_au.errors import StoreError
from fer_au.stores import Store, encode_ids, pack_ragged, write_store
from fer_au.stores.export import LeftOut, export_store
from fer_au.stores.schemas import SCHEMAS
from tests.stores.golden_stores import columns_of, golden_path


@pytest.fixture
def landmarks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    points = rng.normal(128, 40, (1500, 68, 2)).astype(np.float32)
    points[7] = np.nan
    columns = {
        "id": encode_ids([f"å, {row}" for row in range(1500)]),
        "points": points,
        "score": rng.random(1500, np.float32),
        "status": np.zeros(1500, np.uint8),
    }
    write_store(Path("landmarks.h5"), "landmarks", columns, fingerprint="f", attributes={})
    return Store.open("landmarks.h5", "landmarks")


def test_npz_holds_every_column_without_pickles(landmarks: Store) -> None:
    assert export_store(landmarks, Path("out.npz")) == LeftOut()
    first = Path("out.npz").read_bytes()
    with np.load("out.npz", allow_pickle=False) as arrays:
        assert sorted(arrays) == ["id", "points", "points_frame", "score", "status"]
        assert arrays["id"][3] == "å, 3"
        np.testing.assert_array_equal(arrays["points"], landmarks["points"])
        assert arrays["points_frame"].item() == "crop"
    export_store(landmarks, Path("out.npz"))
    assert Path("out.npz").read_bytes() == first


def test_csv_reads_back_to_the_last_bit(landmarks: Store) -> None:
    assert export_store(landmarks, Path("out.csv")) == LeftOut()
    with Path("out.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0])[:4] == ["id", "x0", "y0", "x1"]
    assert list(lines[0])[-4:] == ["y67", "score", "status", "points_frame"]
    assert {line["points_frame"] for line in lines} == {"crop"}
    assert [line["id"] for line in lines] == landmarks.ids
    assert lines[7]["x0"] == ""
    found = np.array([[line[f"{a}{k}"] or "nan" for k in range(68) for a in "xy"] for line in lines], np.float32)
    np.testing.assert_array_equal(found.reshape(-1, 68, 2), landmarks["points"])


def test_crops_and_maps_are_left_out_of_a_csv_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    columns = {"id": encode_ids(["a", "b"]), "motion": np.zeros((2, 2, 2), bool), **pack_ragged([b"1", b"22"])}
    write_store(Path("annotations.h5"), "annotations", columns, fingerprint="f")
    store = Store.open("annotations.h5", "annotations")
    assert export_store(store, Path("out.csv")) == LeftOut(maps=("motion",), others=("data",))
    assert Path("out.csv").read_text() == "id\na\nb\n"
    assert export_store(store, Path("out.csv"), maps=True) == LeftOut(others=("data",))
    assert Path("out.csv").read_text() == "id,motion_0_0,motion_0_1,motion_1_0,motion_1_1\na,0,0,0,0\nb,0,0,0,0\n"
    with pytest.raises(StoreError, match=r"out\.parquet: unknown format '\.parquet'; name it \.npz or \.csv"):
        export_store(store, Path("out.parquet"))


@pytest.mark.parametrize("schema", [schema.name for schema in SCHEMAS.values()])
def test_a_csv_of_any_kind_has_points_and_vectors_and_no_map(schema: str, tmp_path: Path) -> None:
    store, columns = Store.open_any(golden_path(schema)), columns_of(schema)
    left_out = export_store(store, tmp_path / "out.csv")
    assert set(left_out.maps) == {"map", "motion", "cam/gradcam"} & set(columns)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert len(rows) == len(store)
    assert head[0] == ("id" if "id" in columns else "key_0")
    assert ("x67" in head) == ("points" in columns)
    assert ("matrix_1_2" in head) == ("matrix" in columns)
