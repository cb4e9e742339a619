"""A cache that one may only read: what it has is taken, and what it lacks is kept in the workspace's own."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from fer_au.errors import StoreError
from fer_au.shards import cache as cache_module
from fer_au.shards.finished import FinishedWork
from tests.cli.conftest import Call, call
from tests.shards.test_cache import Square, asked, check, compute, square

__all__ = ["call", "square"]


@pytest.fixture
def refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the lab's cache refuse every write with the last of these error numbers, as another user's folder does."""
    numbers: list[int] = []
    prepare = cache_module.prepare_folder

    def refused(root: Path, folder: Path) -> int:
        if numbers and root == tmp_path / "cache":
            raise StoreError(f"{folder}: cannot write: no") from OSError(numbers[-1], os.strerror(numbers[-1]))
        return prepare(root, folder)

    monkeypatch.setattr(cache_module, "prepare_folder", refused)
    cache_module._say_which.cache_clear()
    return numbers


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_rows_of_the_lab_are_taken_and_new_ones_kept_here(
    square: Square, tmp_path: Path, refuse: list[int], number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    compute(range(4), square)
    before = files(tmp_path / "cache")
    refuse.append(number)
    for values in (range(6), range(6), range(8)):
        check(compute(values, square), values)
    assert asked(square) == [*range(8)]
    assert files(tmp_path / "cache") == before
    assert len(files(tmp_path / ".fer_au/cache")) == 2
    assert capfd.readouterr().err.count("can only be read (FER_AU_CACHE); what is computed is kept in ") == 1
    refuse.clear()
    check(compute(range(8), square), range(8))
    assert asked(square) == [*range(8)]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_cache_without_room_is_still_refused(square: Square, refuse: list[int], number: int) -> None:
    refuse.append(number)
    with pytest.raises(StoreError, match="the cache must have room and let you write"):
        compute(range(4), square)
    assert not asked(square)


def test_finished_work_is_found_in_either(square: Square, tmp_path: Path, refuse: list[int], call: Call) -> None:
    (tmp_path / "model").write_bytes(b"weights")
    theirs, mine = FinishedWork("training", {"lr": 1}), FinishedWork("training", {"lr": 2})
    theirs.keep({"model": tmp_path / "model"})
    refuse.append(errno.EACCES)
    mine.check_writable()
    mine.keep({"model": tmp_path / "model"})
    for work in (theirs, mine):
        assert work.take({"model": tmp_path / "out"})
        assert (tmp_path / "out").read_bytes() == b"weights"
        (tmp_path / "out").unlink()
    assert mine.folder.is_relative_to(tmp_path / ".fer_au/cache")
    # What is damaged in a cache that can only be read is done again once, not each time.
    shutil.copytree(mine.folder, tmp_path / "cache/finished/training" / mine.key)
    (tmp_path / "cache/finished/training" / mine.key / "model").chmod(0o644)
    (tmp_path / "cache/finished/training" / mine.key / "model").write_bytes(b"changed")
    assert mine.take({"model": tmp_path / "out"})
    code, out, _ = call("cache", "info")
    assert (code, out.count("training")) == (0, 2)
    assert call("cache", "prune", "--operation", "training")[1].startswith("removed 2 file(s)")
