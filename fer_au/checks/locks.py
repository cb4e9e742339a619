"""DVC's file of locks, which an interrupted DVC can leave empty: every command of DVC fails from then on."""

from __future__ import annotations

import time
from pathlib import Path

from fer_au.gate import read_json

RWLOCK = Path(".dvc/tmp/rwlock")
_WRITING_SECONDS = 0.3  # a DVC that runs empties the file and fills it at once


def find_lock_fault(path: Path = RWLOCK) -> str:
    """Say what to do about a file of locks that DVC can't read; empty if it can, or if there is none."""
    if _readable(path):
        return ""
    time.sleep(_WRITING_SECONDS)
    if _readable(path):
        return ""
    return (
        f"{path}: an interrupted DVC left it {'damaged' if path.stat().st_size else 'empty'}, and every command of DVC "
        f"would fail; where no DVC runs, delete it: rm {path}"
    )


def _readable(path: Path) -> bool:
    try:
        return isinstance(read_json(path), dict)
    except ValueError:
        return False
    except OSError:  # absent, or another user's: DVC makes it, or says so
        return True
