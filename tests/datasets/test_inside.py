"""Pictures inside a file of another kind become files once, by their hash, and are aligned like any picture."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fer_au.config.data import AlignConfig
from fer_au.datasets.inside import Inside, PictureFiles
from fer_au.datasets.inspection import Picture, make_inside
from fer_au.faces import align_dataset
from fer_au.rejects import Reason, Reject, read_rejects
from fer_au.shards.cache import cache_root
from fer_au.shards.pictures import find_kept
from fer_au.shards.prune import list_work, prune
from fer_au.stores import Store
from tests.datasets.conftest import encode, picture


@dataclass(frozen=True)
class Album(Inside):
    """Pictures one behind the other, each announced by its length in a line."""

    @property
    def names(self) -> tuple[str, ...]:
        return ("a.png", "b.png", "c.png")

    def pictures(self, path: Path) -> Iterator[tuple[str, bytes | Reject]]:
        rest = path.read_bytes()
        for name in self.names:
            length, _, rest = rest.partition(b"\n")
            yield name, rest[: int(length)] or Reject(f"{self.file}/{name}", Reason.BAD_ROW, "no pixels")
            rest = rest[int(length) :]


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FER_AU_CACHE", raising=False)
    pictures = [encode(picture(1, 64, 64), "PNG"), encode(picture(2, 64, 64), "PNG"), b""]
    path = tmp_path / "raw" / "sub" / "album.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join(b"%d\n%b" % (len(data), data) for data in pictures))
    return path


def test_pictures_become_files_once_by_their_hash(album: Path, tmp_path: Path) -> None:
    root = tmp_path / "raw"
    made = make_inside(root, [Album("sub/album.bin")], "test")
    first = made["sub/album.bin/a.png"]
    assert isinstance(first, Picture)
    assert (first.width, first.height) == (64, 64)
    assert made["sub/album.bin/c.png"] == Reject("sub/album.bin/c.png", Reason.BAD_ROW, "no pixels")
    kept = find_kept(first.sha256)
    assert kept is not None
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == first.sha256
    files, time = PictureFiles(root), kept.stat().st_mtime_ns
    assert files.find(first.path, first.sha256) == files.path(first.path, first.sha256) == kept
    make_inside(root, [Album("sub/album.bin")], "test")
    assert kept.stat().st_mtime_ns == time  # not written again
    kept.chmod(0o644)
    kept.write_bytes(b"damaged")
    make_inside(root, [Album("sub/album.bin")], "test")
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == first.sha256


def test_the_cache_knows_how_much_they_take_and_removes_them(album: Path, tmp_path: Path) -> None:
    make_inside(tmp_path / "raw", [Album("sub/album.bin")], "test")
    root = cache_root()
    (pictures,) = list_work(root)
    size = sum(path.stat().st_size for path in pictures.path.rglob("*") if path.is_file())
    assert (pictures.kind, pictures.size) == ("pictures", size)
    assert prune(root, operation="align") == (0, 0)
    assert prune(root, operation="pictures") == (1, size)
    assert list_work(root) == []


def test_a_file_that_leads_out_or_is_gone_gives_rejects(album: Path, tmp_path: Path) -> None:
    root = tmp_path / "raw"
    (root / "link.bin").symlink_to(tmp_path / "elsewhere.bin")
    (tmp_path / "elsewhere.bin").write_bytes(album.read_bytes())
    made = make_inside(root, [Album("link.bin"), Album("gone.bin")], "test")
    assert {one.reason for one in made.values() if isinstance(one, Reject)} == {
        Reason.OUTSIDE_ROOT,
        Reason.MISSING_FILE,
    }
    assert len(make_inside(root, [Album("link.bin")], "test", follow_links=True)) == 3


def test_a_path_that_leads_up_is_inside_nothing(album: Path, tmp_path: Path) -> None:
    files = PictureFiles((tmp_path / "raw" / "sub").resolve())
    found = files.find("../sub/album.bin/a.png", "0" * 64)
    assert isinstance(found, Reject)
    assert found.reason is Reason.OUTSIDE_ROOT


def test_align_reads_them_and_has_lost_ones_made_again(album: Path, tmp_path: Path) -> None:
    root, data = tmp_path / "raw", tmp_path / "data" / "album"
    made = make_inside(root, [Album("sub/album.bin")], "test")
    found = [one for one in made.values() if isinstance(one, Picture)]
    rows = [f"{one.path},{one.path},{one.sha256},train,,happiness,,64,64," for one in found]
    data.mkdir(parents=True)
    header = "id,path,sha256,split,fold,label,subject,width,height,box"
    (data / "manifest.csv").write_text("\n".join([header, *rows]) + "\n")
    config = AlignConfig(detector="whole-image", template="none", size=64)
    align_dataset(config, data, root)
    assert len(Store.open(data / "faces.h5", "faces").ids) == 2

    kept = find_kept(found[0].sha256)
    assert kept is not None
    kept.unlink()
    lenient = config.model_copy(update={"max_reject_fraction": 0.5})
    align_dataset(lenient, data, root)
    (lost,) = read_rejects(data / "rejects" / "align.csv")
    assert (lost.id, lost.reason) == (found[0].path, Reason.MISSING_FILE)
    calls: list[int] = []

    def restore() -> None:
        calls.append(1)
        make_inside(root, [Album("sub/album.bin")], "test")

    align_dataset(config, data, root, restore)
    align_dataset(config, data, root, restore)
    assert calls == [1]
    assert read_rejects(data / "rejects" / "align.csv") == []
