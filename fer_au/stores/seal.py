"""The bytes of a store: a 512-byte user block that seals one deterministic HDF5 file.

Layout: the user block is an ASCII line ``fer_au store sha256=<hex>`` padded with zeros; the hash covers every byte
after the block and is checked before HDF5 parses anything. Columns are contiguous datasets created in one order,
without times, so equal inputs give equal bytes. ``content_sha256`` hashes the columns themselves and is therefore
independent of the HDF5 version; ``_blocks`` holds one sha256 per ``BLOCK_ROWS`` rows, so that damage is located.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.atomic import read_at
from fer_au.errors import StoreError
from fer_au.gate import open_regular
from fer_au.sealed_json import how_to_restore
from fer_au.stores.columns import Array, ColumnSpec, is_offset, row_range

Buffer = bytes | bytearray | memoryview

USER_BLOCK = 512
BLOCK_ROWS = 1024
BLOCKS = "_blocks"
_SEAL = b"fer_au store sha256="
_USER_BLOCK_TEXT = re.compile(_SEAL + rb"([0-9a-f]{64})\n(?:index=([1-9][0-9]{0,8})\n)?\0*")
_PIECE = 1 << 20
_HASHERS = 4
"""Threads that hash blocks of rows; hashing lets other threads run."""


ReadRows = Callable[[str, int, int], Buffer]
"""Reads the bytes of a column between two positions along its first axis."""


def seal(digest: str, index_length: int = 0) -> bytes:
    """Make the user block of a store.

    Args:
        digest: sha256 of the bytes after the user block, hexadecimal.
        index_length: Number of bytes of the index that lies right after the user block.
    """
    index = f"index={index_length}\n".encode() if index_length else b""
    return (_SEAL + digest.encode() + b"\n" + index).ljust(USER_BLOCK, b"\0")


def read_seal(block: bytes) -> tuple[str, int] | None:
    """Read the hex digest and the length of the index from a user block; None if the bytes are no user block."""
    match = _USER_BLOCK_TEXT.fullmatch(block)
    return (match[1].decode(), int(match[2] or 0)) if match and len(block) == USER_BLOCK else None


def _digest(descriptor: int, skip: int) -> str:
    """Hash an open file's bytes after the first ``skip``, piece by piece."""
    digest = hashlib.sha256()
    position = skip
    while piece := read_at(descriptor, position, _PIECE):
        digest.update(piece)
        position += len(piece)
    return digest.hexdigest()


def check_seal(descriptor: int, path: Path) -> str:
    """Check a store's user block against its bytes, before HDF5 opens it.

    Args:
        descriptor: Descriptor of the open file.
        path: Name of the file, used in messages.

    Returns:
        The sha256 of the bytes after the user block.

    Raises:
        StoreError: There is no user block, or the bytes after it are not those that were sealed.
    """
    try:
        sealed = read_seal(read_at(descriptor, 0, USER_BLOCK))
        if sealed is None:
            raise StoreError(f"{path}: not a fer_au store, or its user block is damaged; {how_to_restore(path)}")
        found = _digest(descriptor, USER_BLOCK)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
    if found != sealed[0]:
        raise StoreError(f"{path}: damaged, its sha256 differs from its user block; {how_to_restore(path)}")
    return found


def open_descriptor(path: Path) -> int:
    """Open a file for reading.

    Raises:
        StoreError: The file can't be opened.
    """
    try:
        return open_regular(path)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error


def row_digest(
    read: ReadRows, specs: Mapping[str, ColumnSpec], offsets: Mapping[str, Array], start: int, stop: int
) -> bytes:
    """Hash rows ``start:stop`` of every column, in name order; tables count with the first row."""
    digest = hashlib.sha256()
    for name in sorted(specs):
        first, last = row_range(name, specs, offsets, start, stop)
        step = max(_PIECE // max(specs[name].row_bytes, 1), 1)
        for piece in range(first, last, step):
            digest.update(read(name, piece, min(piece + step, last)))
    return digest.digest()


def block_digests(read: ReadRows, specs: Mapping[str, ColumnSpec], rows: int) -> NDArray[np.uint8]:
    """Hash the rows in blocks of ``BLOCK_ROWS``; one sha256 each, (blocks, 32) uint8."""
    offsets = {
        name: np.frombuffer(read(name, 0, spec.shape[0]), spec.dtype).astype(np.int64)
        for name, spec in specs.items()
        if is_offset(name)
    }

    def block(start: int) -> bytes:
        return row_digest(read, specs, offsets, start, min(start + BLOCK_ROWS, rows))

    starts = range(0, rows, BLOCK_ROWS)
    if len(starts) < 2:
        digests = [block(start) for start in starts]
    else:
        with ThreadPoolExecutor(_HASHERS) as pool:
            digests = list(pool.map(block, starts))
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32)


def content_digest(specs: Mapping[str, ColumnSpec], blocks: NDArray[np.uint8]) -> str:
    """Hash the logical content of a store: its columns' names, types and shapes, and its rows."""
    digest = hashlib.sha256()
    for name in sorted(specs):
        spec = specs[name]
        digest.update(f"{name}:{spec.dtype.str}:{','.join(map(str, spec.shape))};".encode())
    digest.update(blocks.tobytes())
    return digest.hexdigest()
