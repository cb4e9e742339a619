"""Files that appear whole or not at all: a temporary file is written, flushed to disk and renamed.

Every byte that the project keeps passes here, through plain system calls whose errors Python reports. HDF5 itself never
writes to a disk: a full one makes it crash, or leave zeros in a file that opens well.

In a workspace, temporary files lie in ``.fer_au/tmp``, never among the outputs: DVC hashes whole folders, and what a
killed run left there would be an output, too. A file outside the workspace, or on another disk than ``.fer_au``, has
its temporary neighbour. Whoever writes holds a lock on the temporary file, so that a later process knows the leftovers
of killed ones and removes them.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import hashlib
import os
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from fer_au.errors import StoreError

TEMPORARY_SUFFIX = ".tmp"
WORKSPACE = ".fer_au"
"""Folder of a workspace, beside ``.dvc``, for what is no output: locks, temporary files, checkpoints, the cache."""

_PIECE = 1 << 24
_TRIES = 20
_FRESH_SECONDS = 60.0  # between a file's making and its lock, another process could take it for a leftover
_OLD_SECONDS = 24 * 3600.0  # where a disk knows no locks, a file of this age belongs to no run that still goes on
_swept: set[Path] = set()


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
        self._temporary: Path | None = None
        self._descriptor = -1

    def __enter__(self) -> AtomicFile:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            folder = _scratch(self.path)
            try:
                self._create(folder)
            except (PermissionError, NotADirectoryError):  # someone else's folder
                if folder is None:
                    raise
                self._create(None)
        except OSError as error:
            self._discard()
            raise self._refused(error) from error
        return self

    def _create(self, folder: Path | None) -> None:
        """Make an empty temporary file of a name that nobody else has: in a folder of such files, or beside the path.

        It is never opened through a link that someone laid there.
        """
        for _ in range(_TRIES):
            token = f"{secrets.token_hex(6)}{TEMPORARY_SUFFIX}"
            beside = self.path.with_name(f".{self.path.name}.{token}")
            temporary = beside if folder is None else folder / f".{_place(self.path)}.{token}"
            with suppress(FileExistsError):
                self._descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
                self._temporary = temporary
                break
        else:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        with suppress(OSError):  # a disk that knows no locks
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if self.mode is not None:
            os.fchmod(self._descriptor, self.mode)

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
                self._rename()
                flush_folder(self.path.parent)
        except OSError as error:
            raise self._refused(error) from error
        finally:
            self._discard()

    def _rename(self) -> None:
        assert self._temporary is not None  # noqa: S101 (made on entering)
        with suppress(OSError):  # HDF5 of another process locks what it opens, and gives up where that is locked
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        try:
            self._temporary.replace(self.path)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            # One device, but two mounts of it, or two quotas: a neighbour can be renamed.
            with AtomicFile(self.path, self.mode) as copy:
                copy._move_beside()
                position = 0
                while piece := read_at(self._descriptor, position, _PIECE):
                    copy.write(position, piece)
                    position += len(piece)

    def _move_beside(self) -> None:
        """Go on with a temporary neighbour of the path, empty as the one that it replaces."""
        self._discard()
        self._create(None)

    def _discard(self) -> None:
        # Whatever made a trace impossible to remove (no folder, no permission) has been reported, or the file is whole.
        descriptor, self._descriptor = self._descriptor, -1
        if self._temporary is not None:
            with suppress(OSError):
                self._temporary.unlink()
        if descriptor >= 0:
            with suppress(OSError):
                os.close(descriptor)

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


def find_workspace(path: Path) -> Path | None:
    """Find the workspace that a path lies in by its name, wherever links lead: the nearest folder with a ``.dvc``.

    Returns:
        The folder; None if there is none.
    """
    folders = path.absolute().parents
    return next((folder for folder in folders if (folder / ".dvc").is_dir()), None)


def remove_leftovers(path: Path) -> None:
    """Remove what killed runs left of earlier attempts at a file. The caller holds the file's lock."""
    leftovers = [*path.parent.glob(f".{glob.escape(path.name)}.*{TEMPORARY_SUFFIX}")]
    if (workspace := find_workspace(path)) is not None:
        leftovers += (workspace / WORKSPACE / "tmp").glob(f".{_place(path)}.*{TEMPORARY_SUFFIX}")
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)


def _place(path: Path) -> str:
    """Name a path in the folder of temporary files."""
    return hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:16]


def _scratch(path: Path) -> Path | None:
    """Find the folder for the temporary file of a path; None if a neighbour has to do."""
    workspace = find_workspace(path)
    if workspace is None or WORKSPACE in path.absolute().relative_to(workspace).parts:
        return None
    folder = workspace / WORKSPACE / "tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (PermissionError, FileExistsError, NotADirectoryError):
        return None
    own, target = folder.lstat(), path.parent.stat()
    # A folder may give its group to what is made in it.
    foreign_group = bool(target.st_mode & stat.S_ISGID) and own.st_gid != target.st_gid
    if not stat.S_ISDIR(own.st_mode) or own.st_dev != target.st_dev or foreign_group:
        return None
    if folder not in _swept:
        _swept.add(folder)
        sweep(folder)
    return folder


def sweep(folder: Path) -> None:
    """Remove the temporary files of killed processes from a folder; those of living ones stay."""
    for path in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        with suppress(OSError):  # gone, or not ours
            if is_leftover(path):
                path.unlink(missing_ok=True)


def is_leftover(path: Path) -> bool:
    """Tell whether nobody writes a temporary file any more.

    Raises:
        OSError: It can't be looked at.
    """
    age = time.time() - path.lstat().st_mtime
    if age < _FRESH_SECONDS or not path.is_file() or path.is_symlink():
        return False
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return age > _OLD_SECONDS
    finally:
        os.close(descriptor)
    return True


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to disk: what was renamed there stays so, whatever happens to the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
