"""Plain files that a stage writes beside its store: tables have no room for a digest, so the store keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from fer_au.errors import DataError
from fer_au.fingerprints import file_digest
from fer_au.sealed_json import how_to_restore

BESIDE = "beside"
"""Attribute with a line for each file, as ``sha256sum`` prints it: digest, two blanks, path from the store's folder."""

KEEPERS = {
    "manifest.csv": "annotations",
    "rejects/ingest.csv": "annotations",
    "rejects/leaks.csv": "annotations",
    "rejects/align.csv": "faces",
    "rejects/landmarks.csv": "landmarks",
}
"""Table of a data set -> kind of the store that keeps its digest."""


class Keeper(Protocol):
    """A store that keeps digests."""

    path: Path
    beside: dict[str, str]


def check_beside(store: Keeper, name: str) -> None:
    """Check a table against the store that was written with it.

    A store of an earlier release, or of other software, keeps no digest.

    Args:
        store: Open store.
        name: Path of the table below the store's folder.

    Raises:
        DataError: The table is not the one that was written with the store.
    """
    path, recorded = store.path.parent / name, store.beside.get(name)
    if recorded is None or not path.is_file():
        return
    try:
        found = file_digest(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    if found != recorded:
        raise DataError(
            f"{path}: damaged or edited, its sha256 is not the one that {store.path} keeps; {how_to_restore(path)}"
        )
