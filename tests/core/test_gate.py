"""The gate for files of others: nothing but a regular file of a bounded size passes, whoever reads it and as what."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fer_au import gate
from fer_au.cues.codebook import create_codebook
from fer_au.datasets.manifest import read_manifest
from fer_au.datasets.points_files import _read_arrays, _read_table
from fer_au.datasets.tables import read_table
from fer_au.decoding import decode_image
from fer_au.errors import FerAuError
from fer_au.evaluation.metrics_file import read_metrics_file
from fer_au.evaluation.selection import selection_metrics
from fer_au.models.files import load_model
from fer_au.models.weights import _file
from fer_au.rejects import read_rejects
from fer_au.stores.reader import Store
from fer_au.stores.verify import verify_store
from fer_au.training.history import read_history
from fer_au.yaml_files import read_yaml


def _beside(name: str, read: Callable[[Path], object]) -> Callable[[Path], object]:
    """Read a folder whose file of a name is the one that is tested."""

    def inside(path: Path) -> object:
        folder = path.with_name("folder")
        folder.mkdir()
        (folder / name).symlink_to(path)
        return read(folder)

    return inside


READERS: dict[str, Callable[[Path], object]] = {
    "store": Store.open_any,
    "params": read_yaml,
    "codebook": lambda path: create_codebook(path),
    "manifest": read_manifest,
    "rejects": read_rejects,
    "labels": lambda path: read_table(path, {"image": "image"}),
    "points table": lambda path: _read_table(path, "image"),
    "points arrays": lambda path: _read_arrays(path),
    "picture": decode_image,
    "metrics": read_metrics_file,
    "history": read_history,
    "pretrained weights": _file,
    "a model's config": _beside("config.json", load_model),
    "a model's history": _beside("history.csv", lambda folder: selection_metrics(folder, 0)),
}

PLACES: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "nothing": lambda path: path.symlink_to("/dev/null"),
    "folder": Path.mkdir,
    "broken link": lambda path: path.symlink_to("nowhere"),
    "loop": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", READERS)
def test_what_is_no_file_is_refused_in_one_line_at_once(kind: str, place: str, tmp_path: Path) -> None:
    path = tmp_path / "given.yaml"
    PLACES[place](path)
    started = time.monotonic()
    with pytest.raises(FerAuError) as caught:
        READERS[kind](path)
    assert time.monotonic() - started < 10
    assert "\n" not in str(caught.value)
    assert any(name in str(caught.value) for name in (str(path), "folder"))


@pytest.mark.parametrize("place", PLACES)
def test_verify_tells_of_what_is_no_file(place: str, tmp_path: Path) -> None:
    PLACES[place](tmp_path / "x.h5")
    (fault,) = verify_store(tmp_path / "x.h5")
    assert str(tmp_path / "x.h5") in fault


def test_large_files_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    for read in (gate.read_json, gate.open_table, lambda path: gate.read_bytes(path, gate.PICTURES)):
        with pytest.raises(OSError, match="larger than") as caught:
            read(path)
        assert caught.value.errno == errno.EFBIG


def test_a_file_that_grows_while_it_is_read_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "grows"
    path.write_bytes(b"x")
    monkeypatch.setattr(os, "read", lambda _, length: b"x" * length)
    with pytest.raises(OSError, match="larger than"):
        gate.read_bytes(path, 3 * gate.MB)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 10_000, "", "\ufeff{}"])
def test_hostile_json_is_a_value_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"."):
        gate.read_json(path)


def test_whole_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for data in (b"", b"a", bytes(40 * gate.MB)):
        path.write_bytes(data)
        assert gate.read_bytes(path, gate.PICTURES) == data
    assert gate.read_bytes("/proc/self/stat", gate.SETTINGS)  # of a size that isn't told
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for name in ("/dev/zero", str(tmp_path), str(tmp_path / "none")):
        with pytest.raises(OSError):  # noqa: PT011 (any)
            gate.open_regular(name)
    assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208
