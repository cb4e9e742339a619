"""Finished trainings and evaluations: whole sets of files, found again by the hash of what decides them.

They lie in the cache beside the shards, in ``finished/<kind>/<key>/``, where the key hashes settings, data and code,
and not the name of an experiment. A set appears whole (it is written aside and renamed) and is checked on the way back,
so no lock is needed, a duplicate is harmless, and a lab shares them through ``FER_AU_CACHE``.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_au.atomic import TEMPORARY_SUFFIX, AtomicFile, flush_folder, write_atomically
from fer_au.compute import log
from fer_au.errors import StoreError
from fer_au.fingerprints import file_digest, fingerprint
from fer_au.shards.cache import cache_root, prepare_folder

FOLDER = "finished"
_LIST = "finished.json"
_SCHEMA = "fer_au.finished/1"
_PIECE = 1 << 20


@dataclass(frozen=True)
class FinishedWork:
    """The place of one piece of finished work.

    Attributes:
        kind: ``training`` or ``evaluation``.
        identity: Everything that decides the result, as plain JSON data; no names of experiments and no paths.
    """

    kind: str
    identity: Mapping[str, object]

    @property
    def key(self) -> str:
        """Hash of everything that decides the result, 64 hexadecimal digits."""
        return fingerprint(f"finished/{self.kind}", 1, self.identity)

    @property
    def folder(self) -> Path:
        """Folder of the files, if they were kept."""
        return cache_root().absolute() / FOLDER / self.kind / self.key

    def take(self, targets: Mapping[str, Path]) -> bool:
        """Copy the files to where they are wanted, checking every byte.

        Args:
            targets: Name in the set -> file to write; names that the set lacks are left alone.

        Returns:
            Whether the work was found whole. If not, it must be done; each target is then whole or as it was before.

        Raises:
            StoreError: The disk refuses a target.
        """
        listed = self._listed()
        if listed is None:
            return False
        for name, path in targets.items():
            if name not in listed:
                continue
            try:
                _copy(self.folder / name, path, expected=listed[name])
            except (_DamagedError, OSError):
                log(f"{self.folder / name}: damaged, left aside; the {self.kind} is done again")
                return False
        with suppress(OSError):  # someone else's file: only its owner may say when it was used
            os.utime(self.folder / _LIST)
        return True

    def keep(self, files: Mapping[str, Path]) -> bool:
        """Keep the files of finished work; a cache that refuses them is reported and no error.

        Args:
            files: Name in the set -> file.

        Returns:
            Whether the work is kept, and will be found whatever happens from now on.
        """
        try:
            self._write(files)
        except (OSError, StoreError) as error:
            log(f"{self.folder}: the finished {self.kind} is not kept for next time ({error})")
            return False
        return True

    def _write(self, files: Mapping[str, Path]) -> None:
        mode = prepare_folder(cache_root().absolute(), self.folder.parent)
        aside = self.folder.with_name(f".{self.key}.{secrets.token_hex(6)}{TEMPORARY_SUFFIX}")
        try:
            aside.mkdir()
            aside.chmod(mode)
            digests = {name: _copy(path, aside / name, mode & 0o444) for name, path in files.items()}
            record = {"schema": _SCHEMA, "kind": self.kind, "identity": self.identity, "files": digests}
            text = json.dumps(record, indent=1, sort_keys=True) + "\n"
            write_atomically(aside / _LIST, text.encode(), mode & 0o444)
            if self._is_sound():
                return  # someone else has just finished the same, and may have nothing else of it any more
            if self.folder.exists():
                shutil.rmtree(self.folder)
            aside.rename(self.folder)
            flush_folder(self.folder.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _is_sound(self) -> bool:
        """Tell whether the work lies there, and every byte of it is as it was kept."""
        if (listed := self._listed()) is None:
            return False
        try:
            return all(file_digest(self.folder / name) == digest for name, digest in listed.items())
        except OSError:
            return False

    def _listed(self) -> dict[str, str] | None:
        """Read the names and sha256 of the files; None if there is no such work."""
        record = read_record(self.folder)
        if record is None:
            return None
        return {str(name): str(digest) for name, digest in record["files"].items()}


def read_record(folder: Path) -> dict[str, Any] | None:
    """Read the record of a set of finished files; None if the folder is no such set."""
    try:
        record = json.loads((folder / _LIST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    sound = isinstance(record, dict) and record.get("schema") == _SCHEMA and isinstance(record.get("files"), dict)
    return record if sound else None


class _DamagedError(Exception):
    """The bytes of a file in the cache are not those that were kept."""


def _copy(source: Path, target: Path, mode: int | None = None, expected: str | None = None) -> str:
    """Copy a file as a whole and return its sha256.

    Raises:
        _DamagedError: The sha256 is not the expected one; the target is left as it was.
        OSError: The source can't be read.
        StoreError: The disk refuses.
    """
    digest = hashlib.sha256()
    with source.open("rb") as file, AtomicFile(target, mode) as copy:
        position = 0
        while piece := file.read(_PIECE):
            digest.update(piece)
            copy.write(position, piece)
            position += len(piece)
        if expected is not None and digest.hexdigest() != expected:
            raise _DamagedError
    return digest.hexdigest()
