"""Columns that belong to a store as a whole, with rows of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fer_au.errors import StoreError
from fer_au.stores import Store, encode_ids, write_store
from fer_au.stores.columns import Array
from fer_au.stores.export import export_store
from fer_au.stores.merge import merge_stores

ROWS = 1500  # two blocks of rows


def columns() -> dict[str, Array]:
    rng = np.random.default_rng(0)
    return {
        "id": encode_ids([f"{i:05d}" for i in range(ROWS)]),
        "map": rng.integers(0, 2, (ROWS, 2, 3, 3)).astype(np.uint8),
        "table/centres": rng.random((9, 2, 4), np.float32),
        "table/counts": rng.integers(0, ROWS, (9, 2)),
        "table/attentive": rng.integers(0, 2, 9).astype(np.uint8),
        "table/degenerate": np.zeros(9, np.uint8),
    }


@pytest.fixture
def store(tmp_path: Path) -> Store:
    write_store(tmp_path / "clusters.h5", "clusters", columns(), fingerprint="c" * 64)
    return Store.open(tmp_path / "clusters.h5", "clusters")


def test_tables_have_rows_of_their_own(store: Store) -> None:
    assert len(store) == ROWS
    for name, values in columns().items():
        np.testing.assert_array_equal(store[name], values, strict=True)
    assert store.verify() == []


def test_the_content_hash_covers_tables(store: Store, tmp_path: Path) -> None:
    changed = columns()
    changed["table/centres"][8, 1, 3] += 1
    write_store(tmp_path / "other.h5", "clusters", changed, fingerprint="c" * 64)
    assert Store.open(tmp_path / "other.h5", "clusters").content_sha256 != store.content_sha256


def test_damage_in_a_table_is_found(store: Store) -> None:
    data = bytearray(store.path.read_bytes())
    data[data.index(columns()["table/centres"].tobytes())] ^= 1
    store.path.write_bytes(data)
    assert Store.open_unsealed(store.path).verify() == [f"{store.path}: rows 0..1023 are damaged"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"table/centres": None}, "column 'table/centres' is missing"),
        ({"table/counts": np.zeros((9, 3), np.int64)}, "column 'table/counts' is int64"),
        ({"table/more": np.zeros(9)}, "unknown column 'table/more'"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, change: dict[str, Array | None], message: str) -> None:
    changed = {name: values for name, values in {**columns(), **change}.items() if values is not None}
    with pytest.raises(StoreError, match=message):
        write_store(tmp_path / "clusters.h5", "clusters", changed, fingerprint="c" * 64)


def test_stores_with_tables_are_not_merged(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="can't be merged"):
        merge_stores([store.path, store.path], tmp_path / "merged.h5")


def test_a_csv_leaves_tables_out_and_says_so(store: Store, tmp_path: Path) -> None:
    left = export_store(store, tmp_path / "rows.csv")
    assert left.others == ("table/attentive", "table/centres", "table/counts", "table/degenerate")
    assert left.maps == ("map",)
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    assert len(lines) == ROWS + 1
    assert "table" not in lines[0]
