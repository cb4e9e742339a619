"""Files that appear whole or not at all: a temporary neighbour is written, flushed to disk and renamed.

Every byte that the project keeps passes here, through plain system calls whose errors Python reports. HDF5 itself never
writes to a disk: a full one makes it crash, or leave zeros in a file that opens well.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from fer_au.errors import StoreError

TEMPORARY_SUFFIX = ".tmp"
_PIECE = 1 << 24


class AtomicFile:
    """A new file, written at any position and read back, that takes its name when the block ends without an error.

    Args:
        path: Its name; what lies there is replaced.
        mode: Permission bits; default what the process' umask gives.

    Raises:
        StoreError: From any method: the disk refuses (full, read-only, ...). No trace of the new file is left.
    """

    def __init__(self, path: Path, mode: int | None = None) -> None:
        self.path = path
        self.mode = mode
        self._temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}{TEMPORARY_SUFFIX}")
        self._descriptor = -1

    def __enter__(self) -> AtomicFile:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            if self.mode is not None:
                os.fchmod(self._descriptor, self.mode)
        except OSError as error:
            self._discard()
            raise self._refused(error) from error
        return self

    def write(self, position: int, data: bytes | bytearray | memoryview) -> None:
        """Put bytes at a position."""
        rest = memoryview(data).cast("B")
        try:
            while rest:
                written = os.pwrite(self._descriptor, rest[:_PIECE], position)
                rest, position = rest[written:], position + written
        except OSError as error:
            raise self._refused(error) from error

    def read(self, position: int, length: int) -> bytes:
        """Read bytes back; fewer only at the end of the file."""
        try:
            return read_at(self._descriptor, position, length)
        except OSError as error:
            raise self._refused(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                os.fsync(self._descriptor)
                self._temporary.replace(self.path)
                flush_folder(self.path.parent)
        except OSError as error:
            raise self._refused(error) from error
        finally:
            self._discard()

    def _discard(self) -> None:
        # Whatever made a trace impossible to remove (no folder, no permission) has been reported, or the file is whole.
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):
                os.close(descriptor)
        with suppress(OSError):
            self._temporary.unlink()

    def _refused(self, error: OSError) -> StoreError:
        return StoreError(f"{self.path}: cannot write: {error.strerror or error}")


def write_atomically(path: Path, data: bytes | bytearray | memoryview, mode: int | None = None) -> None:
    """Write a whole file: a reader sees all of it or what was there before.

    Raises:
        StoreError: The disk refuses (full, read-only, ...).
    """
    with AtomicFile(path, mode) as file:
        file.write(0, data)


def read_at(descriptor: int, position: int, length: int) -> bytes:
    """Read ``length`` bytes at a position of an open file, fewer only at its end.

    Nothing is shared but the descriptor, so threads and forked processes may call it at once.
    """
    first = os.pread(descriptor, min(length, _PIECE), position)
    if len(first) in (0, length):
        return first
    pieces = [first]
    done = len(first)
    while done < length and (piece := os.pread(descriptor, min(length - done, _PIECE), position + done)):
        pieces.append(piece)
        done += len(piece)
    return b"".join(pieces)


def remove_leftovers(path: Path) -> None:
    """Remove what killed runs left of earlier attempts at a file. The caller holds the file's lock."""
    for leftover in path.parent.glob(f".{path.name}.*{TEMPORARY_SUFFIX}"):
        leftover.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to disk: what was renamed there stays so, whatever happens to the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
