from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from fer_au.errors import StoreError
from fer_au.stores import Store, encode_ids, pack_ragged, write_store
from fer_au.stores.columns import Array
from fer_au.stores.merge import merge_stores
from fer_au.stores.schemas import SCHEMAS

ROWS = 3000
GOLDEN = Path(__file__).parent / "golden"


def columns(rows: list[int]) -> dict[str, Array]:
    """Faces whose every value follows from their number."""
    numbers = np.array(rows)
    return {
        "id": encode_ids([f"{row:05d}{'x' * (row % 3)}.jpg" for row in rows]),
        "matrix": numbers[:, None, None] * np.ones((2, 3)),
        "box": np.where(numbers[:, None] % 7 == 0, np.nan, numbers[:, None] * np.ones(4)).astype(np.float32),
        "score": numbers.astype(np.float32),
        "detector": np.array([b"a" * (1 + row % 5) for row in rows]),
        "status": (numbers % 3).astype(np.uint8),
        **pack_ragged([bytes([row % 256]) * (row % 11) for row in rows]),
    }


def write(name: str, rows: list[int], **attributes: int) -> Path:
    path = Path(name)
    write_store(path, "faces", columns(rows), fingerprint=name, attributes={"image_size": 256, **attributes})
    return path


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_parts_in_any_order_give_the_store_of_the_whole() -> None:
    whole = list(range(ROWS))
    rng = np.random.default_rng(0)
    mixed = rng.permutation(ROWS).tolist()
    write("whole.h5", whole)
    parts = [write("a.h5", sorted(mixed[:1000])), write("b.h5", mixed[900:2500]), write("c.h5", mixed[2400:])]
    assert merge_stores(parts, Path("merged.h5")) == ROWS
    assert merge_stores(parts[::-1], Path("other.h5")) == ROWS
    assert Path("merged.h5").read_bytes() == Path("other.h5").read_bytes()
    merged = Store.open("merged.h5", "faces")
    assert merged.content_sha256 == Store.open("whole.h5", "faces").content_sha256
    assert merged.verify() == []
    assert merged.attributes == {"image_size": 256}


def test_places_of_lost_faces_may_differ_and_then_the_whole_has_none() -> None:
    parts = [write("a.h5", [1, 2], place=1), write("b.h5", [3], place=2), write("c.h5", [4])]
    for chosen in (parts, parts[::-1], parts[1:]):
        merge_stores(chosen, Path("merged.h5"))
        assert Store.open("merged.h5", "faces").attributes == {"image_size": 256}
    merge_stores([parts[0], parts[0]], Path("merged.h5"))
    assert Store.open("merged.h5", "faces").attributes["place"] == 1


def test_what_only_new_parts_hold_is_left_out_and_unknown_columns_are_refused() -> None:
    def landmarks(name: str, rows: list[int], **more: Array) -> Path:
        held = {"points": np.full((len(rows), 68, 2), rows[0], np.float32), "score": np.ones(len(rows), np.float32)}
        held |= {"id": encode_ids([f"{row:03d}" for row in rows]), "status": np.zeros(len(rows), np.uint8), **more}
        write_store(Path(name), "landmarks", held, fingerprint=name)
        return Path(name)

    poses = {"pose": np.full((2, 3), 9, np.float32), "pose_residual": np.full(2, 0.1, np.float32)}
    old, new = landmarks("old.h5", [0, 1]), landmarks("new.h5", [2, 3], **poses)
    also_new = landmarks("also.h5", [4, 5], **poses)
    for parts in ([old, new], [new, old]):
        merge_stores(parts, Path("both.h5"))
        assert set(Store.open("both.h5", "landmarks").columns) == {"id", "points", "score", "status"}
    merge_stores([new, also_new], Path("both.h5"))
    assert (Store.open("both.h5", "landmarks")["pose"] == 9).all()
    with pytest.raises(StoreError, match="column 'pose' is float32"):
        landmarks("bad.h5", [0, 1], pose=np.zeros((2, 2), np.float32))
    with pytest.raises(StoreError, match="unknown column 'gaze'"):
        landmarks("bad.h5", [0, 1], gaze=np.zeros(2, np.float32))


def test_what_contradicts_is_named() -> None:
    first = write("a.h5", [1, 2, 3])
    changed = columns([3, 4])
    changed["score"] = np.array([5, 4], np.float32)
    write_store(Path("b.h5"), "faces", changed, fingerprint="b", attributes={"image_size": 256})
    with pytest.raises(StoreError, match=r"a\.h5 and b\.h5 have different rows of 00003\.jpg \(column 'score'\)"):
        merge_stores([first, Path("b.h5")], Path("out.h5"))
    with pytest.raises(StoreError, match=r"c\.h5: attribute image_size is 128, but a\.h5 has 256"):
        merge_stores([first, write("c.h5", [7], image_size=128)], Path("out.h5"))
    maps = {"id": encode_ids(["a"]), "map": np.zeros((1, 4, 4), np.uint8), "valid": np.ones(1, bool)}
    write_store(Path("m.h5"), "heatmaps", maps, fingerprint="m")
    with pytest.raises(StoreError, match=r"m\.h5: is fer_au\.heatmaps/1, but a\.h5 is fer_au\.faces/1"):
        merge_stores([first, Path("m.h5")], Path("out.h5"))
    more = columns([9]) | {"why": np.array([b"x"])}
    write_store(Path("d.h5"), "faces", more, fingerprint="d", attributes={"image_size": 256})
    with pytest.raises(StoreError, match=r"d\.h5: its columns are not those of a\.h5 \(only one has why\)"):
        merge_stores([first, Path("d.h5")], Path("out.h5"))
    assert not Path("out.h5").exists()


@pytest.mark.parametrize("kind", sorted(SCHEMAS))
def test_stores_of_a_kind_are_merged_or_refused_with_a_reason(kind: str) -> None:
    """Whatever the attributes say: a store of one model's answers or of one clustering is no part of another."""
    first = GOLDEN / f"{kind}-1.h5"
    second = Path("second.h5")
    store = Store.open_any(first)
    columns_ = {name: store[name] for name in store.columns}
    write_store(second, kind, columns_, fingerprint="another", attributes=store.attributes)
    if kind in ("annotations", "faces", "heatmaps", "landmarks", "truth"):
        assert merge_stores([first, second], Path("out.h5")) == len(store)
        return
    reason = re.escape(SCHEMAS[kind].whole)
    with pytest.raises(StoreError, match=rf"a store of {kind} can't be merged with another: {reason}$"):
        merge_stores([first, second], Path("out.h5"))
    assert SCHEMAS[kind].whole
    assert not Path("out.h5").exists()
