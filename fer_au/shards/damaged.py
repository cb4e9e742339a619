"""What is damaged counts as absent: it is set aside, said in one line, and made anew.

It is kept for a while, because someone may want to know what happened to it: in ``damaged/`` of the cache or of the
workspace's ``.fer_au``, which never holds much.
"""

from __future__ import annotations

import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from fer_au.compute import log

FOLDER = "damaged"
_MOST = 16  # files or folders
_MOST_BYTES = 1 << 30


def set_aside(path: Path, place: Path, fault: str, remedy: str) -> None:
    """Take a damaged file or folder out of the way, and say so; where the disk refuses, it stays and counts as absent.

    Args:
        path: The file or folder, as the first word of the line.
        place: Folder of the cache, or ``.fer_au``: it gets the folder ``damaged``.
        fault: What is wrong with it.
        remedy: What happens now, such as ``its rows are computed again``.
    """
    folder = place / FOLDER
    target = folder / f"{path.name[:80]}.{secrets.token_hex(4)}"
    try:
        if not folder.is_dir():
            folder.mkdir()
            folder.chmod(place.stat().st_mode & 0o7777)
        path.rename(target)
    except OSError:
        log(f"{path}: {fault}; left aside, {remedy}")
        return
    log(f"{path}: {fault}; set aside as {target}, {remedy}")
    with suppress(OSError):
        target.touch()
    _limit(folder)


def _limit(folder: Path) -> None:
    """Remove the oldest things, until few are left, and not much."""
    with suppress(OSError):
        total = 0
        for number, path in enumerate(sorted(folder.iterdir(), key=lambda one: -one.stat().st_mtime)):
            total += sum(file.stat().st_size for file in ([path] if path.is_file() else path.iterdir()))
            if number < _MOST and total <= _MOST_BYTES:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
