"""What a release wrote, later ones read: one file per schema version, with values that are known."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import h5py
import numpy as np
import pytest

from fer_au.errors import StoreError
from fer_au.shards.cache import ShardCache
from fer_au.stores import Store, write_store
from fer_au.stores.schemas import SCHEMAS
from fer_au.stores.seal import BLOCKS, USER_BLOCK, seal
from fer_au.stores.verify import verify_store
from tests.stores.golden_stores import COLUMNS, FINGERPRINT, IDS, ROWS, attributes_of, columns_of, golden_path


def check(store: Store, schema: str) -> None:
    """Compare everything that a reader can ask for with what was written."""
    assert (store.schema, store.fingerprint, store.attributes) == (schema, FINGERPRINT, attributes_of(schema))
    assert len(store) == ROWS
    expected = columns_of(schema)
    assert set(store.columns) == set(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(store[name], values, strict=True)
        np.testing.assert_array_equal(store.rows(name, 1, 3), values[1:3], strict=True)
    if "id" in expected:
        assert store.ids == IDS
    if "data" in expected:
        assert [store.ragged(row) for row in range(ROWS)] == [b"first", b"\xff\xd8second", b""]
        assert [store.ragged(row, "context") for row in range(ROWS)] == [b"", b"context", b"c"]
    assert store.verify() == []


def test_every_schema_version_has_a_golden_file() -> None:
    assert {schema.name for schema in SCHEMAS.values()} <= COLUMNS.keys()
    assert all(golden_path(schema).stat().st_size < 16_384 for schema in COLUMNS)


@pytest.mark.parametrize("schema", COLUMNS)
def test_what_an_earlier_release_wrote_is_read(schema: str) -> None:
    path = golden_path(schema)
    assert verify_store(path) == []
    check(Store.open_any(path), schema)


def test_the_cache_finds_the_keys_of_an_earlier_releases_shard(tmp_path: Path) -> None:
    cache = ShardCache(FINGERPRINT, tmp_path)
    path = cache.path("0" * 64)
    path.parent.mkdir(parents=True)
    path.write_bytes(golden_path("fer_au.shard/1").read_bytes())
    (found,) = cache.keys().values()
    np.testing.assert_array_equal(found, COLUMNS["fer_au.shard/1"]["key"])
    check(cache.open(path), "fer_au.shard/1")


@pytest.mark.parametrize("schema", COLUMNS)
def test_the_logical_hash_of_a_release_stays(schema: str, tmp_path: Path) -> None:
    """Whatever HDF5 or its layout become: equal columns have an equal content_sha256, for ever."""
    kind = schema.removeprefix("fer_au.").split("/")[0]
    path = tmp_path / "new.h5"
    write_store(path, kind, columns_of(schema), fingerprint=FINGERPRINT, attributes=attributes_of(schema))
    assert Store.open_any(path).content_sha256 == Store.open_any(golden_path(schema)).content_sha256


@pytest.mark.parametrize("schema", COLUMNS)
def test_a_store_that_h5py_wrote_itself_is_read(schema: str, tmp_path: Path) -> None:
    """As releases did that let HDF5 build the file in memory: another layout, the same format."""
    golden = Store.open_any(golden_path(schema))
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("earliest", "v110"), userblock_size=USER_BLOCK) as file:
        file.attrs["schema"] = schema
        file.attrs["fingerprint"] = golden.fingerprint
        file.attrs["content_sha256"] = golden.content_sha256
        file.attrs["fer_au_version"] = "0.1.0"
        file.attrs["rows"] = ROWS
        for key, value in sorted(attributes_of(schema).items()):
            file.attrs[key] = value
        for name, values in sorted(columns_of(schema).items()):
            file.create_dataset(name, data=values, track_times=False)
        with h5py.File(golden.path, "r") as source:
            file.create_dataset(BLOCKS, data=source[BLOCKS][:], track_times=False)
    data = buffer.getvalue()
    path = tmp_path / "older.h5"
    path.write_bytes(seal(hashlib.sha256(data[USER_BLOCK:]).hexdigest()) + data[USER_BLOCK:])
    assert verify_store(path) == []
    check(Store.open_any(path), schema)


def test_a_file_of_a_later_release_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "later.h5"
    path.write_bytes(golden_path("fer_au.landmarks/1").read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = "fer_au.landmarks/2"
    data = path.read_bytes()
    path.write_bytes(seal(hashlib.sha256(data[USER_BLOCK:]).hexdigest()) + data[USER_BLOCK:])
    with pytest.raises(StoreError, match=r"schema is 'fer_au\.landmarks/2', this version reads"):
        Store.open_any(path)
