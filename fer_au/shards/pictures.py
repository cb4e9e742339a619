"""Pictures that are no files where their data set has them: each is kept once in the cache, by the sha256 of its bytes.

Rows of pixels in a table and frames of a video become such files. They lie in the cache, as shards do, and not among
DVC's outputs: DVC would hash and copy 36,000 small files, look at them in every run, and delete them before each
``ingest``. Data sets and people that read the same table share them, and whoever lacks one makes it again.

The manifest names a picture by the hash of bytes that depend on its pixels alone. Compressed bytes would also depend on
the release of a library, so that they are no part of that name: a file holds the very bytes, or, where it is smaller, a
WebP without loss that gives the same pixels, sealed with the name that it stands for.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_au.atomic import TEMPORARY_SUFFIX
from fer_au.errors import StoreError
from fer_au.gate import PICTURES as MOST_BYTES
from fer_au.gate import read_bytes
from fer_au.shards.cache import cache_roots, prepare_folder, writable_root, writing

FOLDER = "pictures"
"""Folder of the cache."""

_BLOCK = 4096  # bytes that a disk gives the smallest file: what fits isn't packed
_LONGEST = 16_383  # pixels of a WebP's side
_SEAL = b"fer_au packed picture 1\0"
_SEAL_BYTES = hashlib.sha256().digest_size  # behind the WebP, where its readers stop


def find_kept(sha256: str) -> Path | None:
    """Find a kept picture by the sha256 of its bytes, hexadecimal; the reader checks it. None if there is none."""
    paths = (root / _place(sha256) for root in cache_roots())
    return next((path for path in paths if path.is_file()), None)


def is_picture(path: Path, data: bytes, sha256: str) -> bool:
    """Tell whether what a file holds is the picture of a manifest's row.

    Args:
        path: The file, of the data set or of the cache.
        data: Its bytes.
        sha256: Hash of the picture's bytes, hexadecimal.
    """
    if path.name == sha256 and data[-_SEAL_BYTES:] == _seal(data[:-_SEAL_BYTES], sha256):
        return True
    return hashlib.sha256(data).hexdigest() == sha256


class PictureKeeper:
    """Keeps pictures in the cache; picklable, for workers.

    Raises:
        StoreError: The disk refuses.
    """

    def __init__(self) -> None:
        self._root = writable_root(Path(FOLDER)).absolute()
        self._roots = cache_roots()
        self._folders: dict[Path, int] = {}  # folder that is there -> permissions of what is made in it

    def keep(self, data: bytes, pixels: NDArray[np.uint8]) -> str:
        """Keep a picture, unless it lies there; one that an older release kept in more bytes is packed.

        Nothing is flushed to the disk, which would take longer than all else: whoever reads the picture compares its
        hash, and what a crash spoilt is made again.

        Args:
            data: Bytes of the picture's file.
            pixels: The picture that they are decoded to, (H, W, 3) uint8 RGB.

        Returns:
            Their sha256, hexadecimal.

        Raises:
            StoreError: The disk refuses.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        place = _place(sha256)
        lengths = {root: length for root in self._roots if (length := _length(root / place, sha256)) is not None}
        root, length = next(iter(lengths.items()), (None, None))
        if length is not None and (length < len(data) or length <= _BLOCK):
            return sha256
        packed = _pack(data, pixels, sha256)
        if length is None:
            self._put(place, packed)
        elif len(packed) < length and root == self._root:
            with suppress(StoreError):  # what lies there is right, too
                self._put(place, packed)
        return sha256

    def _put(self, place: Path, data: bytes) -> None:
        path = self._root / place
        with writing(path.parent):
            if path.parent not in self._folders:
                self._folders[path.parent] = prepare_folder(self._root, path.parent) & 0o444
            _write(path, data, self._folders[path.parent])


def _place(sha256: str) -> Path:
    return Path(FOLDER, sha256[:2], sha256)


def _pack(data: bytes, pixels: NDArray[np.uint8], sha256: str) -> bytes:
    """Give the bytes that are written: a sealed WebP, or the picture's own, whichever is shorter.

    The quickest of WebP's methods: a slower one gives a sixth less, in four times the time.
    """
    if len(data) <= _BLOCK or max(pixels.shape[:2]) > _LONGEST:
        return data
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=True, quality=0, method=0)
    packed = buffer.getvalue()
    return packed + _seal(packed, sha256) if len(packed) + _SEAL_BYTES < len(data) else data


def _seal(packed: bytes, sha256: str) -> bytes:
    return hashlib.sha256(_SEAL + bytes.fromhex(sha256) + packed).digest()


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file under a name of its own, and rename it; ``fer-au cache prune`` knows what a killed run left."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}{TEMPORARY_SUFFIX}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _length(path: Path, sha256: str) -> int | None:
    """Give the length of a kept picture's file; None if it isn't there, or is another picture's."""
    try:
        data = read_bytes(path, MOST_BYTES)
    except OSError:
        return None
    return len(data) if is_picture(path, data, sha256) else None
