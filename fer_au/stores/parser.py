"""A process beside this one that reads the structure of HDF5 files, so that no file can crash or hang this one.

It starts with the first store, serves all that follow in a fraction of a millisecond each, and ends with this process.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from fer_au.errors import StoreError

_WAIT_SECONDS = 120.0  # on a busy machine; the other process measures its own work
_ROOT = Path(__file__).resolve().parents[2]
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


class _Parser:
    """The other process, started where it is needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def ask(self, path: Path) -> dict[str, Any]:
        """Ask for the structure of a file.

        Raises:
            StoreError: The file is no store, or leads HDF5 to its end.
        """
        with self._lock:
            process = self._running()
            try:
                answer = _ask(process, path)
            except BaseException:
                self.end()
                raise
        if answer is None:
            self.end()
            raise StoreError(f"{path}: its structure is damaged, reading it crashes or does not end")
        if "error" in answer:
            raise StoreError(str(answer["error"]))
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and (self._owner != os.getpid() or self._process.poll() is not None):
            self.end()  # it died, or is a fork's parent's: two would read each other's answers
        if self._process is None:
            path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fer_au.stores.structure"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path} | dict.fromkeys(_THREADS, "1"),
            )
            self._owner = os.getpid()
        return self._process

    def end(self) -> None:
        """End the process, if this one started it; a fork gives back its ends of the pipes."""
        process, self._process = self._process, None
        if process is None:
            return
        if self._owner == os.getpid():
            process.kill()
            process.wait()
        else:
            process.returncode = 0  # not this one's child: nothing to wait for
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


_PARSER = _Parser()
atexit.register(_PARSER.end)


def read_structure(path: Path) -> dict[str, Any]:
    """Read what ``fer_au.stores.structure.read_structure`` does, in the process beside this one.

    Raises:
        StoreError: The file is no store, or leads HDF5 to its end.
    """
    return _PARSER.ask(path)


def _ask(process: subprocess.Popen[bytes], path: Path) -> dict[str, Any] | None:
    """Send a question and wait for the answer; None if the process ends or doesn't answer."""
    if process.stdin is None or process.stdout is None:
        return None
    try:
        process.stdin.write(json.dumps(os.fspath(path.absolute())).encode() + b"\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], _WAIT_SECONDS)[0]:
            return None
        line = process.stdout.readline()
        return dict(json.loads(line)) if line else None
    except (BrokenPipeError, ValueError):
        return None
