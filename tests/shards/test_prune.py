from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from fer_au.shards.cache import Shard, ShardCache
from fer_au.shards.prune import list_operations, prune

DAY = 24 * 3600.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three shards of two operations, unused for 30, 20 and 1 days, and a leftover of a killed run."""
    for number, (name, days) in enumerate((("align", 30), ("landmarks", 20), ("landmarks", 1))):
        cache = ShardCache(name.encode().hex().ljust(64, "0"), tmp_path)
        keys = np.full((4, 32), number, np.uint8)
        shard = Shard.of(cache.fingerprint, name, keys, {"value": np.full((4, 1000), number, np.float64)})
        cache.write(shard)
        os.utime(cache.path(shard.digest), (0, time.time() - days * DAY))
    leftover = tmp_path / "61" / ".x.h5.abc.tmp"
    leftover.write_bytes(b"half")
    os.utime(leftover, (0, time.time() - 2 * DAY))
    (tmp_path / "61" / ".y.h5.abc.tmp").write_bytes(b"somebody is writing this now")
    return tmp_path


def left(root: Path) -> list[tuple[str, int]]:
    return [(operation.name, len(operation.shards)) for operation in list_operations(root)]


def test_the_cache_says_what_it_holds_longest_unused_first(root: Path) -> None:
    align, landmarks = list_operations(root)
    assert (align.name, align.rows, len(align.shards)) == ("align", 4, 1)
    assert (landmarks.name, landmarks.rows, len(landmarks.shards)) == ("landmarks", 8, 2)
    assert align.size == sum(path.stat().st_size for path in align.shards) > 32_000
    assert list_operations(root / "nowhere") == []


def test_pruning_by_age_size_and_operation(root: Path) -> None:
    size = list_operations(root)[0].size
    count, removed = prune(root, older_than_days=25, dry_run=True)
    assert (count, removed) == (2, size + 4)
    assert left(root) == [("align", 1), ("landmarks", 2)]
    assert prune(root, max_bytes=size + 100) == (3, 2 * size + 4)
    assert left(root) == [("landmarks", 1)]
    assert prune(root, operation="align") == (0, 0)
    assert prune(root, operation=b"land".hex(), older_than_days=10) == (0, 0)
    assert prune(root, operation="landmarks") == (1, size)
    assert left(root) == []
    assert [path.name for path in root.rglob("*") if path.is_file()] == [".y.h5.abc.tmp"]


def test_without_a_criterion_only_leftovers_go(root: Path) -> None:
    assert prune(root) == (1, 4)
    assert left(root) == [("align", 1), ("landmarks", 2)]
