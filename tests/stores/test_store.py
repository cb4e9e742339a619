from __future__ import annotations

import hashlib
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from fer_au.atomic import write_atomically
from fer_au.errors import StoreError
from fer_au.stores import Store, encode_ids, fingerprint, pack_ragged, write_store
from fer_au.stores.columns import Array
from fer_au.stores.seal import USER_BLOCK, seal
from fer_au.stores.writer import store_bytes

ROWS = 2500


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def landmark_columns(rows: int = ROWS) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    return {
        "id": encode_ids([f"å/{row}.jpg" for row in range(rows)]),
        "points": rng.random((rows, 68, 2), np.float32),
        "score": np.full(rows, np.nan, np.float32),
        "status": np.zeros(rows, np.uint8),
    }


def write_landmarks(path: Path = Path("landmarks.h5")) -> Path:
    write_store(path, "landmarks", landmark_columns(), fingerprint="f" * 64, attributes={"image_size": 256})
    return path


def test_what_is_written_is_read_back() -> None:
    store = Store.open(write_landmarks(), "landmarks")
    for name, column in landmark_columns().items():
        np.testing.assert_array_equal(store[name], column)
    assert store.ids[7] == "å/7.jpg"
    assert store.index["å/7.jpg"] == 7
    assert store.attributes == {"image_size": 256}
    assert (len(store), store.fingerprint, store.verify()) == (ROWS, "f" * 64, [])


def test_equal_inputs_give_equal_bytes() -> None:
    first = write_landmarks().read_bytes()
    second = write_landmarks(Path("other") / "name.h5").read_bytes()
    assert first == second


def test_the_logical_hash_depends_on_columns_only() -> None:
    write_landmarks()
    write_store(Path("b.h5"), "landmarks", landmark_columns(), fingerprint="e" * 64)
    changed = landmark_columns()
    changed["status"][3] = 1  # type: ignore[call-overload]
    write_store(Path("c.h5"), "landmarks", changed, fingerprint="f" * 64)
    a, b, c = (Store.open(name, "landmarks").content_sha256 for name in ("landmarks.h5", "b.h5", "c.h5"))
    assert a == b
    assert a != c


def test_rows_of_bytes_come_back_one_by_one() -> None:
    rows = [b"one", b"", b"three"]
    columns: dict[str, Array] = {
        "id": encode_ids(["a", "b", "c"]),
        "matrix": np.zeros((3, 2, 3)),
        "box": np.zeros((3, 4), np.float32),
        "score": np.zeros(3, np.float32),
        "detector": np.array([b"x"] * 3),
        "status": np.zeros(3, np.uint8),
        **pack_ragged(rows),
        **pack_ragged(rows[::-1], "context"),
    }
    write_store(Path("faces.h5"), "faces", columns, fingerprint="0")
    store = Store.open("faces.h5", "faces")
    assert [store.ragged(row) for row in range(3)] == rows
    assert [store.ragged(row, "context") for row in range(3)] == rows[::-1]
    assert store.verify() == []


@pytest.mark.parametrize("position", [0, 30, 400, 600, 5000, -1])
def test_a_flipped_byte_anywhere_is_refused(position: int) -> None:
    path = write_landmarks()
    data = bytearray(path.read_bytes())
    data[position] ^= 0x40
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"landmarks\.h5: (damaged|not a fer_au store)"):
        Store.open(path, "landmarks")


def reseal(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(seal(hashlib.sha256(data[USER_BLOCK:]).hexdigest()) + data[USER_BLOCK:])


def test_verify_names_the_damaged_rows() -> None:
    path = write_landmarks()
    with h5py.File(path, "r+") as file:
        file["points"][1500, 3, 1] += 1
    reseal(path)
    assert Store.open(path, "landmarks").verify() == ["landmarks.h5: rows 1024..2047 are damaged"]


def test_another_schema_or_version_is_refused() -> None:
    path = write_landmarks()
    with pytest.raises(StoreError, match=r"schema is 'fer_au\.landmarks/1', this version reads 'fer_au\.faces/1'"):
        Store.open(path, "faces")
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = "fer_au.landmarks/2"
    reseal(path)
    with pytest.raises(StoreError, match="landmarks/2"):
        Store.open(path, "landmarks")


def test_links_to_elsewhere_are_never_followed() -> None:
    path = write_landmarks()
    with h5py.File(path, "r+") as file:
        del file["score"]
        file["score"] = h5py.ExternalLink("secret.h5", "/score")
    reseal(path)
    with pytest.raises(StoreError, match="score is a link to elsewhere"):
        Store.open(path, "landmarks")


def test_something_else_is_named() -> None:
    Path("x.h5").write_bytes(b"<html>")
    with pytest.raises(StoreError, match=r"x\.h5: not a fer_au store"):
        Store.open("x.h5", "landmarks")
    with pytest.raises(StoreError, match=r"none\.h5: No such file"):
        Store.open("none.h5", "landmarks")
    with pytest.raises(StoreError, match="no column 'map'"):
        Store.open(write_landmarks(), "landmarks")["map"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": np.zeros((ROWS, 68, 3), np.float32)}, "column 'points' is float32"),
        ({"points": np.zeros((ROWS, 68, 2), np.int32)}, "column 'points' is int32"),
        ({"score": np.zeros(3, np.float32)}, "column 'score' has 3 rows, expected 2500"),
        ({"extra": np.zeros(ROWS)}, "unknown column 'extra'"),
    ],
)
def test_columns_that_do_not_fit_the_schema_are_not_written(change: dict[str, Array], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        write_store(Path("bad.h5"), "landmarks", landmark_columns() | change, fingerprint="0")
    assert not Path("bad.h5").exists()
    columns = landmark_columns()
    del columns["status"]
    with pytest.raises(StoreError, match="column 'status' is missing"):
        write_store(Path("bad.h5"), "landmarks", columns, fingerprint="0")


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_one_line(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_landmarks()
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full) if call == "fsync" else patch.setattr(Path, "replace", full)
        with pytest.raises(StoreError, match=r"landmarks\.h5: cannot write: No space left on device"):
            write_atomically(path, b"new")
    assert path.read_bytes() == before
    assert list(Path().glob(".*.tmp")) == []


def test_no_times_or_paths_are_inside() -> None:
    from fer_au.stores.schemas import SCHEMAS

    data = store_bytes(SCHEMAS["landmarks"], landmark_columns(3), "0", {})
    assert str(Path.cwd()).encode() not in data
    assert os.uname().nodename.encode() not in data


def test_fingerprints_are_stable_and_sensitive() -> None:
    base = fingerprint("align", 1, {"b": 1, "a": "x"})
    assert base == fingerprint("align", 1, {"a": "x", "b": 1})
    assert len({base, fingerprint("align", 2, {"b": 1, "a": "x"}), fingerprint("align", 1, {"b": 2, "a": "x"})}) == 3
