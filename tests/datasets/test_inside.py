"""Pictures inside a file of another kind become files once, by their hash, and are aligned like any picture."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from fer_au.config.data import AlignConfig
from fer_au.datasets.inside import Inside, PictureFiles
from fer_au.datasets.inspection import Picture, make_inside
from fer_au.datasets.plain_png import plain_png
from fer_au.decoding import decode_image
from fer_au.faces import align_dataset
from fer_au.rejects import Reason, Reject, read_rejects
from fer_au.shards.cache import cache_root
from fer_au.shards.pictures import PictureKeeper, find_kept, is_picture
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


@pytest.mark.parametrize("channels", [0, 3])
def test_a_large_picture_is_packed_and_keeps_its_name_and_pixels(
    channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))
    pixels = np.asarray(picture(1, 96, 96).convert("RGB" if channels else "L"))
    data = plain_png(pixels)
    sha256 = PictureKeeper().keep(data, decode_image(data))
    kept = find_kept(sha256)
    assert kept is not None
    packed = kept.read_bytes()
    assert sha256 == hashlib.sha256(data).hexdigest()
    assert len(packed) < 0.8 * len(data)
    np.testing.assert_array_equal(decode_image(kept), decode_image(data))
    assert is_picture(kept, packed, sha256)
    for place in (20, -1):  # in the pixels, and in the seal
        spoilt = bytearray(packed)
        spoilt[place] ^= 1
        assert not is_picture(kept, bytes(spoilt), sha256)
    other = hashlib.sha256(b"other").hexdigest()
    assert not is_picture(kept.with_name(other), packed, other)
    assert not is_picture(Path("a.webp"), packed, sha256)  # a file of a data set is known by its own bytes alone


def test_what_an_older_release_kept_stays_valid_and_is_packed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))
    large, small = (plain_png(np.asarray(picture(seed, side, side))) for seed, side in ((1, 96), (2, 32)))
    kept = {}
    for data in (large, small):
        sha256 = hashlib.sha256(data).hexdigest()
        kept[data] = tmp_path / "cache" / "pictures" / sha256[:2] / sha256
        kept[data].parent.mkdir(parents=True, exist_ok=True)
        kept[data].write_bytes(data)
        assert is_picture(kept[data], data, sha256)
    times = []
    for _ in range(2):
        for data in (large, small):
            PictureKeeper().keep(data, decode_image(data))
        times.append([path.stat().st_mtime_ns for path in kept.values()])
    assert times[0] == times[1]
    assert kept[small].read_bytes() == small
    assert len(kept[large].read_bytes()) < 0.8 * len(large)
    assert len([path for path in (tmp_path / "cache").rglob("*") if path.is_file()]) == 2


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
