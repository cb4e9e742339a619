"""The hash of what lies below a root: names and bytes count, times don't, and nothing odd stops it."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fer_au.datasets import content
from fer_au.datasets.content import odd_entries, root_digest

FILES = {"a.jpg": b"one", "b/c.jpg": b"two", "b/d/e.csv": b"three", ".hidden": b"four"}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(content, "_FRESH_NS", 0)
    folder = tmp_path / "root"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def digest(root: Path) -> str:
    return root_digest(root, "look")


def replace(root: Path) -> None:
    """Other bytes of the same length under the same time of change."""
    file = root / "a.jpg"
    times = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def bind(root: Path) -> None:
    """Make a socket; its address, unlike a path, may have no more than a hundred characters."""
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f"{root.name}/s.jpg")


CHANGES: dict[str, Callable[[Path], object]] = {
    "changed": lambda root: (root / "a.jpg").write_bytes(b"other"),
    "changed, its time kept": replace,
    "added": lambda root: (root / "b/new.jpg").touch(),
    "removed": lambda root: (root / "b/c.jpg").unlink(),
    "renamed": lambda root: (root / "b/c.jpg").rename(root / "b/x.jpg"),
    "hidden": lambda root: (root / ".hidden").write_bytes(b"x"),
    "pipe": lambda root: os.mkfifo(root / "pipe.jpg"),
    "endless": lambda root: (root / "z.jpg").symlink_to("/dev/zero"),
    "broken link": lambda root: (root / "z.jpg").symlink_to("nowhere"),
    "loop": lambda root: (root / "z.jpg").symlink_to("z.jpg"),
    "link to all": lambda root: (root / "all").symlink_to("/"),
    "no UTF-8": lambda root: Path(os.fsdecode(os.fsencode(root) + b"/\xff.jpg")).touch(),
    "line break": lambda root: (root / "x\ny\0z".replace("\0", "")).touch(),
    "socket": bind,
    "a file behind a link": lambda root: (root / "z.jpg").symlink_to(root / "a.jpg"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_counts_and_the_way_back_is_the_first(change: str, root: Path, tmp_path: Path) -> None:
    before = digest(root)
    shutil.copytree(root, tmp_path / "kept")
    CHANGES[change](root)
    started = time.monotonic()
    found = digest(root)
    assert found not in (before, "")
    assert digest(root) == found
    assert time.monotonic() - started < 5
    assert digest(tmp_path / "kept") == before  # of names and bytes alone: copies have other times and places


def test_files_are_read_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    original = content._read
    monkeypatch.setattr(content, "_read", lambda path: read.append(path) or original(path))
    first = digest(root)
    assert len(read) == len(FILES)
    assert digest(root) == first
    assert len(read) == len(FILES)
    (root / "a.jpg").write_bytes(b"changed")
    assert digest(root) != first
    assert read[len(FILES) :] == [os.fsencode(root / "a.jpg")]


def test_what_changed_a_moment_ago_is_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may change twice within one tick of the clock, and keep its size."""
    monkeypatch.setattr(content, "_FRESH_NS", 3_600_000_000_000)
    digest(root)
    (memory,) = Path(content.FOLDER).iterdir()
    assert memory.read_bytes().count(b"\0") == 1  # no file is in it


@pytest.mark.parametrize("damage", [b"", b"x", b"fer_au roots 1\0a\0", b"other\0\0\0\0"])
def test_a_damaged_memory_is_made_anew(root: Path, damage: bytes) -> None:
    first = digest(root)
    (memory,) = Path(content.FOLDER).iterdir()
    good = memory.read_bytes()
    memory.write_bytes(damage)
    assert digest(root) == first
    assert memory.read_bytes() == good


def test_files_that_may_not_be_read_are_lines_of_the_listing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, original = digest(root), os.open

    def refuse(path: object, *arguments: int) -> int:
        if path == os.fsencode(root / "a.jpg"):
            raise PermissionError(13, "Permission denied")
        return original(path, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refuse)  # root may read everything
    assert root_digest(root, "look", None) != first


def test_odd_entries_are_named(root: Path) -> None:
    assert odd_entries(root) == []
    os.mkfifo(root / "pipe")
    (root / "b/broken").symlink_to("nowhere")
    (root / "folder").symlink_to("b")
    assert odd_entries(root) == ["b/broken (ENOENT)", "pipe (no regular file)"]


def test_a_root_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        root_digest(tmp_path / "none", "look")
