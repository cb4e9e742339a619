from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from fer_au.stores import Item, compute_rows, pack_ragged
from fer_au.stores.cache import cache_root
from fer_au.stores.format import Array


@dataclass(frozen=True)
class Square:
    """Squares numbers, and writes down every number it was asked for."""

    log: Path
    fingerprint: str = "ab" * 32
    name: str = "square"

    def __call__(self, payloads: Sequence[int]) -> dict[str, Array]:
        with self.log.open("a") as file:
            file.write("".join(f"{value}\n" for value in payloads))
        texts = [b"#" * value for value in payloads]
        details = np.array([b"x" * (value % 5) for value in payloads], dtype="S9")
        return {"square": np.array(payloads, np.float32) ** 2, "detail": details, **pack_ragged(texts)}


def items(values: Sequence[int]) -> list[Item]:
    return [Item(f"{value}.jpg", hashlib.sha256(str(value).encode()).hexdigest(), value) for value in values]


@pytest.fixture
def square(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Square:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FER_AU_WORKERS", "1")
    return Square(tmp_path / "asked.txt")


def asked(square: Square) -> list[int]:
    return [int(line) for line in square.log.read_text().split()] if square.log.exists() else []


def check(columns: dict[str, Array], values: Sequence[int]) -> None:
    np.testing.assert_array_equal(columns["square"], np.square(values))
    assert columns["offset"].tolist() == np.cumsum([0, *values]).tolist()
    assert [len(text) for text in columns["detail"].tolist()] == [value % 5 for value in values]


def test_rows_come_in_the_items_order_and_are_computed_once(square: Square) -> None:
    values = [5, 3, 9, 3, 200, 0]
    check(compute_rows(items(values), square, shard_rows=2), values)
    assert asked(square) == [5, 3, 9, 200, 0]
    check(compute_rows(items(values[::-1]), square), values[::-1])
    assert len(asked(square)) == 5


def test_growth_costs_its_growth(square: Square) -> None:
    compute_rows(items(range(100)), square)
    check(compute_rows(items(range(103)), square), range(103))
    assert asked(square)[100:] == [100, 101, 102]


def test_another_fingerprint_shares_nothing(square: Square) -> None:
    compute_rows(items(range(4)), square)
    compute_rows(items(range(4)), Square(square.log, fingerprint="cd" * 32))
    assert len(asked(square)) == 8


def test_a_damaged_shard_is_computed_again(square: Square) -> None:
    compute_rows(items(range(8)), square, shard_rows=4)
    shard = sorted(cache_root().rglob("*.h5"))[0]
    shard.write_bytes(shard.read_bytes()[:-3])
    check(compute_rows(items(range(8)), square), range(8))
    assert len(asked(square)) == 12


def test_a_run_that_stops_keeps_finished_shards(square: Square) -> None:
    class Stops(Square):
        def __call__(self, payloads: Sequence[int]) -> dict[str, Array]:
            if 6 in payloads:
                raise KeyboardInterrupt
            return super().__call__(payloads)

    with pytest.raises(KeyboardInterrupt):
        compute_rows(items(range(10)), Stops(square.log), shard_rows=2)
    check(compute_rows(items(range(10)), square, shard_rows=2), range(10))
    assert asked(square) == [*range(6), *range(6, 10)]


def test_one_and_two_workers_give_equal_rows(square: Square, monkeypatch: pytest.MonkeyPatch) -> None:
    one = compute_rows(items(range(150)), square, shard_rows=16)
    monkeypatch.setenv("FER_AU_WORKERS", "2")
    monkeypatch.setenv("FER_AU_CACHE", str(square.log.parent / "other"))
    two = compute_rows(items(range(150)), square, shard_rows=16)
    assert one.keys() == two.keys()
    for name, column in one.items():
        assert column.dtype == two[name].dtype
        np.testing.assert_array_equal(column, two[name])


def test_no_items_is_no_rows(square: Square) -> None:
    assert compute_rows([], square) == {}
