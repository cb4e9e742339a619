"""Looks that found nothing wrong, kept from run to run, so that what takes torch is looked at once."""

from __future__ import annotations

import hashlib
import json
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path

from fer_au.atomic import write_atomically
from fer_au.errors import StoreError
from fer_au.gate import read_json

PATH = Path(".fer_au/checked.json")
_MOST = 5000  # answers kept; beyond it, those that this run didn't ask for go


class Memory:
    """Answers by what was asked; all are forgotten when a package is installed or removed.

    Args:
        path: The file that keeps them.
    """

    def __init__(self, path: Path = PATH) -> None:
        self._path = path
        self._environment = _environment()
        self._known: dict[str, object] = {}
        self._used: dict[str, object] = {}
        self._noted: dict[str, object] = {}
        self._new = False
        with suppress(OSError, ValueError, TypeError, KeyError):  # absent, or damaged: asked anew
            record = read_json(path)
            if record["environment"] == self._environment:
                self._known = dict(record["answers"])

    def recall(self, *question: object) -> object | None:
        """Give the kept answer to a question of plain data, None if there is none."""
        key = _key(question)
        if key in self._noted:
            return self._noted[key]
        answer = self._used.get(key, self._known.get(key))
        if answer is not None:
            self._used[key] = answer
        return answer

    def keep(self, answer: object, *question: object) -> None:
        """Keep the answer to a question, plain data and not None."""
        self._used[_key(question)] = answer
        self._new = True

    def note(self, answer: object, *question: object) -> None:
        """Keep an answer for this run alone: a fault may be mended from outside."""
        self._noted[_key(question)] = answer

    def save(self) -> None:
        """Write what is new; a disk that refuses costs the next run some seconds, no more."""
        if not self._new:
            return
        answers = self._known | self._used if len(self._known) < _MOST else self._used
        text = json.dumps({"environment": self._environment, "answers": answers}, sort_keys=True)
        with suppress(StoreError):
            write_atomically(self._path, text.encode())


def _key(question: tuple[object, ...]) -> str:
    return hashlib.sha256(json.dumps(question, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _environment() -> list[object]:
    """What an installed package changes: the time at which the folder of packages did."""
    folder = Path(sysconfig.get_paths()["purelib"])
    return [sys.version, str(folder), folder.stat().st_mtime_ns if folder.is_dir() else 0]
