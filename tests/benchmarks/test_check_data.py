"""The made-up set of the benchmark is one that check-data can use: pictures of which no two are the same."""

from __future__ import annotations

from pathlib import Path

from benchmarks.check_data import walk, write_set
from tests.datasets.official import survey


def test_it_writes_different_pictures_in_class_folders(tmp_path: Path) -> None:
    root = tmp_path / "set"
    size = write_set(root, 70)
    paths = [path for path in root.rglob("*") if path.is_file()]
    assert len(paths) == 70
    assert size == sum(path.stat().st_size for path in paths)
    found = survey("folder", root, valid_fraction=0.0)
    assert len({row.sha256 for row in found.rows}) == 70
    assert found.rejects == ()
    assert {row.split for row in found.rows} == {"train", "test"}
    assert len({row.label for row in found.rows}) == 7
    assert min(walk(root)) >= 0
