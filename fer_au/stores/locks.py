"""One lock per output file, so that an orphaned run and a new one do not write the same artefact at once."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fer_au.compute.progress import log
from fer_au.errors import StoreError

_WAIT_SECONDS = 86_400.0


def lock_folder(path: Path) -> Path:
    """Find the folder of locks: ``.fer_au/locks`` beside ``.dvc``; outside a workspace, a temporary one of the system.

    DVC deletes outputs before a run and lists what lies beside them, so a lock can't be a neighbour of its file.
    """
    for folder in path.resolve().parents:
        if (folder / ".dvc").is_dir():
            return folder / ".fer_au/locks"
    return Path(tempfile.gettempdir()) / "fer_au-locks"


@contextmanager
def output_lock(path: Path, wait: float = _WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock of an output until the block ends; blocks of one thread may be nested.

    A stage holds it from its first to its last step: a run that was left behind when ``dvc repro`` was killed then ends
    first, and the new one finds its rows in the cache.

    Raises:
        StoreError: Another process holds it for longer than ``wait`` seconds, or the disk refuses.
    """
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:24]
    folder = lock_folder(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{name}.lock", is_singleton=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log(f"{path}: another run is writing it; waiting until that run ends")
            lock.acquire(timeout=wait)
    except Timeout as error:
        raise StoreError(f"{path}: another run has held its lock for {wait:.0f} s; is one still going?") from error
    except OSError as error:
        raise StoreError(f"{path}: cannot lock: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()
