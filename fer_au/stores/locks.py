"""One lock per output file, so that an orphaned run and a new one do not write the same artefact at once."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fer_au.compute.progress import log
from fer_au.errors import StoreError
from fer_au.home import at_home

VARIABLE = "FER_AU_LOCKS"
"""Environment variable that names another folder of locks, such as where a workspace's disk has none."""

_MODE = 0o666  # users who share a workspace wait for each other
_WAIT_SECONDS = 86_400.0
_FULL = (errno.ENOSPC, errno.EDQUOT)  # the output would have no room either


def lock_folder(path: Path) -> Path:
    """Find the folder of locks: ``.fer_au/locks`` beside ``.dvc``; outside a workspace, a temporary one of this user's.

    DVC deletes outputs before a run and lists what lies beside them, so a lock can't be a neighbour of its file. Links
    aren't followed: where ``data/`` lies on another disk, the workspace is still that of the path.
    """
    if place := os.environ.get(VARIABLE):
        return at_home(place, VARIABLE).absolute()
    for folder in path.absolute().parents:
        if (folder / ".dvc").is_dir():
            return folder / ".fer_au/locks"
    return Path(tempfile.gettempdir()) / f"fer_au-locks-{os.getuid()}"


def _make(folder: Path) -> None:
    """Make a folder of locks.

    Raises:
        PermissionError: It is meant for this user alone, and somebody else made it.
    """
    own = folder.parent == Path(tempfile.gettempdir())
    folder.mkdir(mode=0o700 if own else 0o777, parents=True, exist_ok=True)
    found = folder.lstat()
    if own and (found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode)):
        raise PermissionError(errno.EPERM, f"{folder} is another user's")


@contextmanager
def output_lock(path: Path, wait: float = _WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock of an output until the block ends; blocks of one thread may be nested.

    A stage holds it from its first to its last step: a run that is left when ``dvc repro`` is killed ends first, and
    the new one finds its rows in the cache.

    Raises:
        ConfigError: ``FER_AU_LOCKS`` names the home folder of nobody.
        StoreError: Another process holds it for longer than ``wait`` seconds, or the disk refuses.
    """
    file = _lock_file(path)
    folder = file.parent
    try:
        _make(folder)
        # A lock that is a file's mere presence would outlive a killed run: better none, and a way out.
        lock = FileLock(file, mode=_MODE, is_singleton=True, fallback_to_soft=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log(f"{path}: another run is writing it; waiting until that run ends")
            lock.acquire(timeout=wait)
    except Timeout as error:
        raise StoreError(f"{path}: another run has held its lock for {wait:.0f} s; is one still going?") from error
    except OSError as error:
        remedy = f"; let {VARIABLE} name a folder of your own, on a disk that can lock"
        hint = "" if error.errno in _FULL else remedy
        raise StoreError(f"{path}: cannot lock: {folder}: {error.strerror or error}{hint}") from error
    try:
        yield
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Tell whether a process holds the lock of an output at this moment; where that can't be told, it doesn't.

    Raises:
        ConfigError: ``FER_AU_LOCKS`` names the home folder of nobody.
    """
    try:
        descriptor = os.open(_lock_file(path), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # given back as the descriptor is closed
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _lock_file(path: Path) -> Path:
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:24]
    return lock_folder(path) / f"{name}.lock"
