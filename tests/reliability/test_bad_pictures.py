"""Two hundred pictures, twelve of them bad: exact reject tables, and every other row as if nothing had been bad."""

from __future__ import annotations

import io
import os
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_au.config.data import AlignConfig, LandmarksConfig
from fer_au.datasets import ingest_dataset
from fer_au.datasets.folder import FolderConfig
from fer_au.datasets.manifest import ManifestRow, read_manifest
from fer_au.faces import align_dataset
from fer_au.faces.operation import AlignOperation
from fer_au.landmarks import extract_dataset
from fer_au.landmarks.operation import ExtractOperation
from fer_au.rejects import Reason, read_rejects
from fer_au.stores import FaceStatus, LandmarkStatus, Store
from fer_au.stores.columns import is_offset
from tests.reliability.conftest import vary

TOTAL = 204
EVERY = 17  # twelve bad ones among them
SHARDS = {AlignOperation: 13, ExtractOperation: 52}  # 16 and 4 shards, as a thousand pictures have


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def encode(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def bad_bytes(jpeg: bytes) -> dict[str, tuple[bytes, Reason]]:
    """Kind -> bytes of a file that is called a picture, and why it is refused."""
    picture = Image.open(io.BytesIO(jpeg)).convert("RGB")
    png = encode(picture, "PNG")
    broken = bytearray(png)
    broken[len(png) // 2] ^= 0x55
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    bomb += chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    cmyk = bytearray(encode(picture.convert("CMYK"), "JPEG"))
    tables = cmyk.index(b"\xff\xc4")
    cmyk[tables + 4 : tables + 24] = b"\xff" * 20  # no Huffman table has so many codes
    return {
        "cut": (jpeg[: len(jpeg) // 2], Reason.TRUNCATED),
        "empty": (b"", Reason.NOT_AN_IMAGE),
        "zeros": (b"\0" * 4000, Reason.NOT_AN_IMAGE),
        "page": (b"<!DOCTYPE html><title>404</title>", Reason.NOT_AN_IMAGE),
        "bomb": (bomb, Reason.TOO_LARGE),
        "animation": (encode(picture, "GIF"), Reason.UNSUPPORTED_FORMAT),
        "checksum": (bytes(broken), Reason.UNREADABLE),
        "dot": (encode(Image.new("RGB", (1, 1)), "PNG"), Reason.TOO_SMALL),
        "cmyk": (bytes(cmyk), Reason.UNREADABLE),
    }


@pytest.fixture(scope="module")
def good(drawn: list[tuple[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """192 good pictures, three of them unusual, in class folders below split folders."""
    folder = tmp_path_factory.mktemp("good")
    for number in range(TOTAL):
        if number % EVERY == EVERY - 1:
            continue
        label, jpeg = drawn[number % len(drawn)]
        path = folder / f"{'test' if number % 5 == 0 else 'train'}/{label}/{number:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = vary(jpeg, number)
        picture = Image.open(io.BytesIO(data))
        if number == 0:
            data = encode(picture, "PNG")  # the suffix is wrong, the picture is not
        elif number == 1:
            data = encode(picture.convert("CMYK"), "JPEG")
        elif number == 2:
            data = encode(picture.convert("P"), "PNG")
        path.write_bytes(data)
    return folder


def prepare(root: Path, folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("FER_AU_WORKERS", "1")
    patch.setenv("FER_AU_CACHE", str(folder / "cache"))
    for operation, rows in SHARDS.items():
        patch.setattr(operation, "shard_rows", rows)
    config = FolderConfig(adapter="folder", root=root, valid_fraction=0.0, max_reject_fraction=0.1)
    ingest_dataset("many", config, folder)


def compute(root: Path, folder: Path) -> tuple[Store, Store]:
    align_dataset(AlignConfig(size=64, keypoints="detector"), folder, root)
    extract_dataset(LandmarksConfig(extractor="mean-shape"), folder)
    return Store.open(folder / "faces.h5", "faces"), Store.open(folder / "landmarks.h5", "landmarks")


def row_of(store: Store, row: int) -> dict[str, bytes]:
    """Everything that a store says of one row."""
    values = {name: store[name][row].tobytes() for name in store.columns if name not in ("data", "offset")}
    return values | ({"data": store.ragged(row)} if "data" in store else {})


@pytest.mark.slow
def test_bad_pictures_cost_exactly_their_rows(
    good: Path, drawn: list[tuple[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(good, tmp_path / "clean", monkeypatch)
    clean_rows = {row.id: row for row in read_manifest(tmp_path / "clean/manifest.csv")}
    clean = compute(good, tmp_path / "clean")

    root = tmp_path / "pictures"
    shutil.copytree(good, root)
    refused: dict[str, Reason] = {}
    for kind, (data, reason) in bad_bytes(drawn[0][1]).items():
        (root / f"train/anger/bad-{kind}.jpg").write_bytes(data)
        refused[f"train/anger/bad-{kind}.jpg"] = reason
    (root / "train/anger/bad-link.jpg").symlink_to("nowhere.jpg")
    refused["train/anger/bad-link.jpg"] = Reason.MISSING_FILE
    (root / "train/anger/bad-way-out.jpg").symlink_to(good / next(iter(clean_rows)))
    refused["train/anger/bad-way-out.jpg"] = Reason.OUTSIDE_ROOT
    (root / "train/anger/bad-folder.jpg").mkdir()
    refused["train/anger/bad-folder.jpg"] = Reason.NOT_AN_IMAGE
    assert len(clean_rows) + len(refused) == TOTAL
    if os.geteuid() != 0:
        (root / "train/anger/bad-secret.jpg").write_bytes(drawn[0][1])
        (root / "train/anger/bad-secret.jpg").chmod(0)
        refused["train/anger/bad-secret.jpg"] = Reason.UNREADABLE
    prepare(root, tmp_path / "bad", monkeypatch)
    assert {reject.id: reject.reason for reject in read_rejects(tmp_path / "bad/rejects/ingest.csv")} == refused
    assert {row.id: row for row in read_manifest(tmp_path / "bad/manifest.csv")} == clean_rows

    ids = sorted(clean_rows)
    changed, deleted, replaced, link = ids[10], ids[40], ids[100], ids[-1]  # the link has the same bytes: no loss
    (root / changed).write_bytes((root / ids[11]).read_bytes())
    (root / deleted).unlink()
    (root / replaced).write_bytes(b"<html>")
    (root / link).unlink()
    (root / link).symlink_to(good / link)
    lost = {
        changed: Reason.CHANGED,
        deleted: Reason.MISSING_FILE,
        replaced: Reason.CHANGED,
    }
    bad = compute(root, tmp_path / "bad")
    assert {reject.id: reject.reason for reject in read_rejects(tmp_path / "bad/rejects/align.csv")} == lost
    assert read_rejects(tmp_path / "bad/rejects/landmarks.csv") == []
    compare(clean_rows, clean, bad, lost)


def compare(
    rows: dict[str, ManifestRow], clean: tuple[Store, Store], bad: tuple[Store, Store], lost: dict[str, Reason]
) -> None:
    """Every row that was not lost is the clean run's, byte for byte; a lost one is there, and empty."""
    for before, after in zip(clean, bad, strict=True):
        assert after.ids == before.ids == sorted(rows)
        assert after.verify() == []
        assert not [name for name in after.columns if is_offset(name) and name != "offset"]
        for row, id_ in enumerate(after.ids):
            if id_ not in lost:
                assert row_of(after, row) == row_of(before, row), id_
    faces, landmarks = bad
    for id_ in lost:
        row = faces.index[id_]
        assert faces["status"][row] == FaceStatus.REJECTED
        assert landmarks["status"][row] == LandmarkStatus.NO_FACE
        assert np.isnan(faces["matrix"][row]).all()
        assert np.isnan(landmarks["points"][row]).all()
        assert faces.ragged(row) == b""
