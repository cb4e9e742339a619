from __future__ import annotations

import hashlib
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from fer_au.code.rows import row_key
from fer_au.shards import compute_rows
from fer_au.shards.assemble import CachedRows, Field, assemble_store
from fer_au.shards.cache import cache_root
from fer_au.shards.sound import find_shard_fault
from fer_au.stores import Store, encode_ids, pack_ragged
from fer_au.stores.columns import Array


@dataclass(frozen=True)
class Square:
    """Squares numbers, and writes down every number it was asked for."""

    log: Path
    fingerprint: str = "ab" * 32
    modules: tuple[str, ...] = ()
    name: str = "square"
    shard_rows: int = 64

    def __call__(self, payloads: Sequence[int]) -> dict[str, Array]:
        with self.log.open("a") as file:
            file.write("".join(f"{value}\n" for value in payloads))
        texts = [b"#" * value for value in payloads]
        details = np.array([b"x" * (value % 5) for value in payloads], dtype="S9")
        return {"square": np.array(payloads, np.float32) ** 2, "detail": details, **pack_ragged(texts)}

    def wrong(self, shard: Store) -> str:
        fields = {"square": Field("<f4"), "detail": Field("S9")}
        return find_shard_fault(shard, fields, ("data",))

    def faults(self, columns: Mapping[str, Array]) -> int:
        return int((columns["square"] == 9).sum())


def compute(values: Sequence[int], operation: Square) -> CachedRows:
    keys = b"".join(hashlib.sha256(str(value).encode()).digest() for value in values)
    return compute_rows(
        np.frombuffer(keys, np.uint8).reshape(-1, 32), lambda rows: [values[row] for row in rows], operation
    )


@pytest.fixture
def square(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Square:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FER_AU_WORKERS", "1")
    return Square(tmp_path / "asked.txt")


def asked(square: Square) -> list[int]:
    return [int(line) for line in square.log.read_text().split()] if square.log.exists() else []


def check(rows: CachedRows, values: Sequence[int]) -> None:
    assert len(rows) == len(values)
    seen = []
    for items, columns in rows.pieces("square", "detail"):
        seen += items.tolist()
        np.testing.assert_array_equal(columns["square"], np.square([values[item] for item in items]))
        assert [len(text) for text in columns["detail"].tolist()] == [values[item] % 5 for item in items]
    assert sorted(seen) == list(range(len(values)))
    assert rows.lengths("data").tolist() == list(values)


def test_every_item_has_its_row_and_is_computed_once(square: Square) -> None:
    values = [5, 3, 9, 3, 200, 0]
    check(compute(values, replace(square, shard_rows=2)), values)
    assert asked(square) == [5, 3, 9, 200, 0]
    check(compute(values[::-1], square), values[::-1])
    assert len(asked(square)) == 5


def test_growth_costs_its_growth(square: Square) -> None:
    compute(range(100), square)
    check(compute(range(103), square), range(103))
    assert asked(square)[100:] == [100, 101, 102]


def test_another_fingerprint_shares_nothing(square: Square) -> None:
    compute(range(4), square)
    compute(range(4), replace(square, fingerprint="cd" * 32))
    assert len(asked(square)) == 8


@pytest.mark.parametrize("where", [5, 700, -3], ids=["seal", "keys", "columns"])
def test_a_damaged_shard_is_computed_again(square: Square, where: int, capfd: pytest.CaptureFixture[str]) -> None:
    small = replace(square, shard_rows=4)
    compute(range(8), small)
    shard = sorted(cache_root().rglob("*.h5"))[0]
    data = bytearray(shard.read_bytes())
    data[where] ^= 1
    shard.chmod(0o644)
    shard.write_bytes(data)
    check(compute(range(8), small), range(8))
    assert len(asked(square)) == 12
    # A shard whose head names no keys is passed over without a word: it is nothing that was ever needed.
    assert ("; set aside as " in capfd.readouterr().err) == (where != 5)
    shard.write_bytes(b"")
    check(compute(range(8), small), range(8))


def test_a_run_that_stops_keeps_finished_shards(square: Square) -> None:
    class Stops(Square):
        def __call__(self, payloads: Sequence[int]) -> dict[str, Array]:
            if 6 in payloads:
                raise KeyboardInterrupt
            return super().__call__(payloads)

    with pytest.raises(KeyboardInterrupt):
        compute(range(10), Stops(square.log, shard_rows=2))
    check(compute(range(10), replace(square, shard_rows=2)), range(10))
    assert asked(square) == [*range(6), *range(6, 10)]


def assembled(rows: CachedRows, path: Path) -> bytes:
    """Every second row of an output of rows, one blank row between, and two at the end."""
    n = len(rows)
    assemble_store(
        path,
        "annotations",
        rows=2 * n + 1,
        source=rows,
        at=np.arange(n, dtype=np.int64) * 2,
        fields={"square": Field("<f4", (), -1), "detail": Field("S9", (), b"none")},
        ragged=("data",),
        columns={"id": encode_ids([f"{row:05d}" for row in range(2 * n + 1)])},
        fingerprint="f",
        attributes={"size": 3},
    )
    return path.read_bytes()


def test_a_store_is_assembled_with_blank_rows_where_none_were_computed(square: Square, tmp_path: Path) -> None:
    values = [5, 3, 9, 3, 200, 0]
    assembled(compute(values, replace(square, shard_rows=2)), tmp_path / "a.h5")
    store = Store.open(tmp_path / "a.h5", "annotations")
    assert store.verify() == []
    assert store["square"].tolist() == [25, -1, 9, -1, 81, -1, 9, -1, 40000, -1, 0, -1, -1]
    assert store["detail"].tolist()[:4] == [b"", b"none", b"xxx", b"none"]
    assert [len(store.ragged(row)) for row in range(13)] == [5, 0, 3, 0, 9, 0, 3, 0, 200, 0, 0, 0, 0]
    assert store.ragged(4) == b"#" * 9
    assert store.attributes == {"size": 3}


def test_bytes_do_not_depend_on_workers_shards_order_or_what_was_cached(
    square: Square, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = list(range(150))
    one = assembled(compute(values, replace(square, shard_rows=16)), tmp_path / "one.h5")
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "other"))
    monkeypatch.setenv("FER_AU_WORKERS", "2")
    compute(values[::-3], replace(square, shard_rows=7))
    assert assembled(compute(values, replace(square, shard_rows=16)), tmp_path / "two.h5") == one
    assert len(list((tmp_path / "other").rglob("*.h5"))) > 9


def test_no_items_is_no_rows(square: Square, tmp_path: Path) -> None:
    rows = compute([], square)
    assert len(rows) == 0
    assembled(rows, tmp_path / "none.h5")
    assert Store.open(tmp_path / "none.h5", "annotations")["detail"].tolist() == [b"none"]


def test_what_is_made_in_the_cache_has_the_permissions_of_its_folder(square: Square, tmp_path: Path) -> None:
    root = tmp_path / "cache"
    for bits, folder, file in ((0o2775, 0o2775, 0o444), (0o700, 0o700, 0o400)):
        root.mkdir(exist_ok=True)
        root.chmod(bits)
        operation = replace(square, fingerprint=f"{bits:o}".ljust(64, "0"))
        assert len(compute(range(3), operation)) == 3
        shards = [path for path in root.rglob("*.h5") if path.parent.name == row_key(operation)]
        assert [stat.S_IMODE(path.stat().st_mode) for path in shards] == [file]
        assert {stat.S_IMODE(path.stat().st_mode) for path in shards[0].parents[:2]} == {folder}
