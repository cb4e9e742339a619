"""Finished trainings and evaluations: whole sets of files, found again by the hash of what decides them.

They lie in the cache beside the shards, in ``finished/<kind>/<key>/``, where the key hashes settings, data and code,
and not the name of an experiment. A set appears whole (it is written aside and renamed) and is checked on the way back,
so no lock is needed, a duplicate is harmless, and a lab shares them through ``FER_AU_CACHE``.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fer_au.atomic import TEMPORARY_SUFFIX, AtomicFile, flush_folder, write_atomically
from fer_au.errors import FerAuError
from fer_au.fingerprints import file_digest, fingerprint
from fer_au.gate import SETTINGS, open_regular, read_bytes
from fer_au.sealed_json import open_sealed, seal_json
from fer_au.shards.cache import cache_roots, prepare_folder, writable_root, writing
from fer_au.shards.damaged import set_aside

FOLDER = "finished"
_LIST = "finished.json"
_SCHEMA = "fer_au.finished/2"
_PIECE = 1 << 20


@dataclass(frozen=True)
class FinishedWork:
    """The place of one piece of finished work.

    Attributes:
        kind: ``training`` or ``evaluation``.
        identity: Everything that decides the result, as plain JSON data; no names of experiments and no paths.
        root: Folder of the cache that it lies in; None for any of ``cache_roots()``.
    """

    kind: str
    identity: Mapping[str, object]
    root: Path | None = None

    @property
    def key(self) -> str:
        """Hash of everything that decides the result, 64 hexadecimal digits."""
        return fingerprint(f"finished/{self.kind}", 1, self.identity)

    @property
    def folder(self) -> Path:
        """Folder of the files, if they were kept."""
        places = [root / self._place for root in ([self.root] if self.root else cache_roots())]
        return next((place for place in places if place.is_dir()), places[0])

    @property
    def _place(self) -> Path:
        return Path(FOLDER, self.kind, self.key)

    def take(self, targets: Mapping[str, Path], check: Callable[[Path], object] | None = None) -> bool:
        """Copy the files to where they are wanted, checking every byte.

        Args:
            targets: Name in the set -> file to write; names that the set lacks are left alone.
            check: Reads the files as they will be used, in the folder that it gets; what it raises of the project's
                errors is a fault of the work.

        Returns:
            Whether the work was found whole. If not, it must be done; each target is then whole or as it was before.

        Raises:
            StoreError: The disk refuses a target.
        """
        roots = [self.root] if self.root else cache_roots()
        return any(replace(self, root=root)._take(targets, check) for root in roots)

    def _take(self, targets: Mapping[str, Path], check: Callable[[Path], object] | None) -> bool:
        if not self.folder.is_dir():
            return False
        listed = self._listed()
        if (
            fault := f"{_LIST} is damaged"
            if listed is None
            else self._fault(listed, check) or self._copy(listed, targets)
        ):
            set_aside(self.folder, self.folder.parents[2], fault, f"the {self.kind} is done again")
            return False
        with suppress(OSError):  # someone else's file: only its owner may say when it was used
            os.utime(self.folder / _LIST)
        return True

    def check_writable(self) -> None:
        """Refuse a cache that can't keep the work, before it begins.

        Raises:
            StoreError: The disk refuses.
        """
        writable_root(self._place.parent)

    def keep(self, files: Mapping[str, Path]) -> None:
        """Keep the files of finished work; from then on it is found, whatever happens.

        Args:
            files: Name in the set -> file.

        Raises:
            StoreError: The disk refuses.
        """
        root = self.root or writable_root(self._place.parent)
        with writing(root / self._place):
            replace(self, root=root)._write(files, root)

    def _write(self, files: Mapping[str, Path], root: Path) -> None:
        mode = prepare_folder(root, self.folder.parent)
        aside = self.folder.with_name(f".{self.key}.{secrets.token_hex(6)}{TEMPORARY_SUFFIX}")
        try:
            aside.mkdir()
            aside.chmod(mode)
            digests = {name: _copy(path, aside / name, mode & 0o444) for name, path in files.items()}
            record = {"schema": _SCHEMA, "kind": self.kind, "identity": self.identity, "files": digests}
            write_atomically(aside / _LIST, seal_json(record, sort_keys=True), mode & 0o444)
            if self._is_sound():
                return  # someone else has just finished the same, and may have nothing else of it any more
            if self.folder.exists():
                shutil.rmtree(self.folder)
            aside.rename(self.folder)
            flush_folder(self.folder.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _copy(self, listed: Mapping[str, str], targets: Mapping[str, Path]) -> str:
        """Copy the files to where they are wanted; say which one can't be, or nothing."""
        for name, path in targets.items():
            try:
                if name in listed:
                    _copy(self.folder / name, path, expected=listed[name])
            except (_DamagedError, OSError):
                return f"{name} is damaged"
        return ""

    def _fault(self, listed: Mapping[str, str], check: Callable[[Path], object] | None) -> str:
        """Find a file that is not as it was kept, or can't be used; empty if there is none."""
        for name, digest in listed.items():
            try:
                if file_digest(self.folder / name) != digest:
                    return f"{name} is damaged"
            except OSError as error:
                return f"{name}: {error.strerror or error}"
        try:
            if check is not None:
                check(self.folder)
        except FerAuError as error:
            return str(error).removeprefix(f"{self.folder}/")
        return ""

    def _is_sound(self) -> bool:
        """Tell whether the work lies there, and every byte of it is as it was kept."""
        listed = self._listed()
        return listed is not None and not self._fault(listed, None)

    def _listed(self) -> dict[str, str] | None:
        """Read the names and sha256 of the files; None if there is no such work."""
        record = read_record(self.folder)
        if record is None or fingerprint(f"finished/{self.kind}", 1, record["identity"]) != self.key:
            return None
        return {str(name): str(digest) for name, digest in record["files"].items()}


def read_record(folder: Path) -> dict[str, Any] | None:
    """Read the record of a set of finished files; None if the folder is no such set."""
    try:
        record = open_sealed(read_bytes(folder / _LIST, SETTINGS))
    except (OSError, ValueError, RecursionError):
        return None
    parts = (record.get("files"), record.get("identity"))
    sound = record.get("schema") == _SCHEMA and all(isinstance(part, dict) for part in parts)
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
    with io.open(open_regular(source), "rb") as file, AtomicFile(target, mode) as copy:  # noqa: UP020 (a descriptor)
        position = 0
        while piece := file.read(_PIECE):
            digest.update(piece)
            copy.write(position, piece)
            position += len(piece)
        if expected is not None and digest.hexdigest() != expected:
            raise _DamagedError
    return digest.hexdigest()
