"""The bytes of a store: a 512-byte user block that seals one deterministic HDF5 file.

Layout: the user block is an ASCII line ``fer_au store sha256=<hex>`` padded with zeros; the hash covers every byte
after the block and is checked before HDF5 parses anything. Columns are contiguous datasets created in one order,
without times, so equal inputs give equal bytes. ``content_sha256`` hashes the columns themselves and is therefore
independent of the HDF5 version; ``_blocks`` holds one sha256 per ``BLOCK_ROWS`` rows, so that damage is located.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.errors import StoreError

Array = NDArray[np.generic]

USER_BLOCK = 512
BLOCK_ROWS = 1024
BLOCKS = "_blocks"
_SEAL = b"fer_au store sha256="


def seal(digest: str) -> bytes:
    """The user block for a sha256 hex digest of the bytes after it."""
    return (_SEAL + digest.encode() + b"\n").ljust(USER_BLOCK, b"\0")


def file_digest(path: Path, skip: int = 0) -> str:
    """The sha256 of a file's bytes after the first ``skip``, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(skip)
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def check_seal(path: Path) -> str:
    """Check a store's user block against its bytes, before HDF5 opens it.

    Returns:
        The sha256 of the bytes after the user block.

    Raises:
        StoreError: Missing file, no user block, or other bytes than were sealed.
    """
    try:
        with path.open("rb") as file:
            block = file.read(USER_BLOCK)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    if not block.startswith(_SEAL) or len(block) < USER_BLOCK:
        raise StoreError(f"{path}: not a fer_au store (no user block)")
    expected = block[len(_SEAL) :].split(b"\n", 1)[0].decode("ascii", "replace")
    if (found := file_digest(path, USER_BLOCK)) != expected:
        raise StoreError(f"{path}: damaged, its sha256 differs from its user block; run `fer-au verify {path}`")
    return found


def column_header(name: str, column: Array) -> bytes:
    """The part of the logical hash that names a column, its type and its shape."""
    return f"{name}:{column.dtype.str}:{','.join(map(str, column.shape))};".encode()


def offset_name(name: str) -> str:
    """The column that bounds the rows of a ragged column: ``data`` -> ``offset``, ``context`` -> ``context_offset``."""
    return "offset" if name == "data" else f"{name}_offset"


def row_bounds(columns: Mapping[str, Array], name: str, start: int, stop: int) -> tuple[int, int]:
    """Where rows ``start:stop`` of a column begin and end along its first axis."""
    if name == "offset" or name.endswith("_offset"):
        return start, stop + 1
    if offset_name(name) in columns:
        offset = columns[offset_name(name)].astype(np.int64)
        return int(offset[start]), int(offset[stop])
    return start, stop


def row_digest(columns: Mapping[str, Array], start: int, stop: int) -> bytes:
    """The sha256 over rows ``start:stop`` of every column, in name order."""
    digest = hashlib.sha256()
    for name in sorted(columns):
        first, last = row_bounds(columns, name, start, stop)
        digest.update(np.ascontiguousarray(columns[name][first:last]).tobytes())
    return digest.digest()


def block_digests(columns: Mapping[str, Array], rows: int) -> NDArray[np.uint8]:
    """One sha256 per ``BLOCK_ROWS`` rows, (blocks, 32) uint8."""
    digests = [row_digest(columns, start, min(start + BLOCK_ROWS, rows)) for start in range(0, rows, BLOCK_ROWS)]
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32)


def content_digest(columns: Mapping[str, Array], blocks: NDArray[np.uint8]) -> str:
    """The logical hash of a store: its columns' names, types and shapes, and its rows."""
    digest = hashlib.sha256()
    for name in sorted(columns):
        digest.update(column_header(name, columns[name]))
    digest.update(blocks.tobytes())
    return digest.hexdigest()
