"""Pictures that are no files where their data set has them: each is kept once in the cache, by the sha256 of its bytes.

Rows of pixels in a table and frames of a video become such files. They lie in the cache, as shards do, and not among
DVC's outputs: DVC would hash and copy 36,000 small files, look at them in every run, and delete them before each
``ingest``. Data sets and people that read the same table share them, and whoever lacks one makes it again.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from fer_au.atomic import TEMPORARY_SUFFIX
from fer_au.shards.cache import cache_roots, prepare_folder, writable_root, writing

FOLDER = "pictures"
"""Folder of the cache."""


def find_kept(sha256: str) -> Path | None:
    """Find a kept picture by the sha256 of its bytes, hexadecimal; the reader checks them. None if there is none."""
    paths = (root / _place(sha256) for root in cache_roots())
    return next((path for path in paths if path.is_file()), None)


class PictureKeeper:
    """Keeps pictures in the cache; picklable, for workers.

    Raises:
        StoreError: The disk refuses.
    """

    def __init__(self) -> None:
        self._root = writable_root(Path(FOLDER)).absolute()
        self._roots = cache_roots()
        self._folders: dict[Path, int] = {}  # folder that is there -> permissions of what is made in it

    def keep(self, data: bytes) -> str:
        """Keep a picture, unless its very bytes lie there.

        Nothing is flushed to the disk, which would take longer than all else: whoever reads the picture compares its
        hash, and what a crash spoilt is made again.

        Args:
            data: Bytes of the picture's file.

        Returns:
            Their sha256, hexadecimal.

        Raises:
            StoreError: The disk refuses.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        place = _place(sha256)
        if any(_holds(root / place, data) for root in self._roots):
            return sha256
        folder = self._root / place.parent
        with writing(folder):
            if folder not in self._folders:
                self._folders[folder] = prepare_folder(self._root, folder) & 0o444
            _write(folder / sha256, data, self._folders[folder])
        return sha256


def _place(sha256: str) -> Path:
    return Path(FOLDER, sha256[:2], sha256)


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


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False
