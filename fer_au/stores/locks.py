"""One lock per output file, so that an orphaned run and a new one do not write the same artefact at once."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fer_au.errors import StoreError

_WAIT_SECONDS = 600.0


def lock_folder(path: Path) -> Path:
    """Where the locks of a workspace live: ``.fer_au/locks`` beside ``.dvc``; outside a workspace, the system's.

    DVC deletes outputs before a run and lists what lies beside them, so a lock can't be a neighbour of its file.
    """
    for folder in path.resolve().parents:
        if (folder / ".dvc").is_dir():
            return folder / ".fer_au/locks"
    return Path(tempfile.gettempdir()) / "fer_au-locks"


@contextmanager
def output_lock(path: Path, wait: float = _WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock of an output until the block ends.

    Raises:
        StoreError: Another process holds it for longer than ``wait`` seconds.
    """
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:24]
    folder = lock_folder(path)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / f"{name}.lock", timeout=wait):
            yield
    except Timeout:
        raise StoreError(f"{path}: another run has held its lock for {wait:.0f} s; is one still going?") from None
