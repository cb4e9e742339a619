"""``config.json`` of a model's folder: it carries its own digest and those of the files beside it. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fer_au.atomic import write_atomically
from fer_au.errors import DataError
from fer_au.fingerprints import file_digest
from fer_au.gate import SETTINGS, read_bytes, read_json
from fer_au.models.record import check_record
from fer_au.sealed_json import how_to_restore, is_sealed, open_sealed, seal_json

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
HISTORY = "history.csv"
CLUSTERS = "clusters.h5"
SCHEMA = "fer_au.model/2"
_UNSEALED = "fer_au.model/1"  # carried no digest but that of the weights
_FILES = "files"


def write_config(path: Path, record: Mapping[str, Any], beside: Iterable[str] = ()) -> None:
    """Write a model's ``config.json`` anew.

    Args:
        path: Path of the file.
        record: All entries of the file, plain JSON data.
        beside: Further files of the folder, whose sha256 is kept.

    Raises:
        DataError: An entry can't be written as JSON.
        StoreError: The file can't be written.
    """
    kept = {name: file_digest(path.with_name(name)) for name in beside if path.with_name(name).is_file()}
    write_atomically(path, config_bytes(path, {**record, **({_FILES: kept} if kept else {})}))


def config_bytes(path: Path, record: Mapping[str, Any]) -> bytes:
    """Make the bytes of a ``config.json``; raises ``DataError`` for what can't be written as JSON."""
    try:
        return seal_json({**record, "schema": SCHEMA})
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: can't be written as JSON: {error}") from error


def read_config(folder: Path) -> dict[str, Any]:
    """Read the ``config.json`` of a model's folder, if it is as it was written.

    Raises:
        DataError: It is missing, damaged or foreign.
    """
    path = folder / CONFIG
    try:
        data = read_bytes(path, SETTINGS)
        meta = open_sealed(data) if is_sealed(data) else read_json(path)
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror}); is {folder} a model's folder?") from error
    except ValueError as error:
        fault = str(error) if is_sealed(data) else f"not valid JSON: {error}"
        raise DataError(f"{path}: {fault}; {how_to_restore(folder)}") from error
    found = meta.get("schema") if isinstance(meta, dict) else None
    if found == SCHEMA and not is_sealed(data):
        raise DataError(f"{path}: damaged: it doesn't end with its sha256; {how_to_restore(folder)}")
    if not isinstance(meta, dict) or found not in (SCHEMA, _UNSEALED):
        raise DataError(f"{path}: schema {found!r} is not {SCHEMA!r}")
    check_record(path, meta)
    return meta


def check_file(folder: Path, meta: Mapping[str, Any], name: str) -> None:
    """Check a file of a model's folder against ``config.json``; models of earlier releases don't tell of all.

    Raises:
        DataError: The file is missing, or not the one that was written with the model.
    """
    recorded = meta["weights_sha256"] if name == WEIGHTS else (meta.get(_FILES) or {}).get(name)
    path = folder / name
    if recorded is None:
        return
    try:
        digest = file_digest(path)
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror})") from error
    check_digest(path, digest, recorded)


def check_digest(path: Path, digest: str, recorded: str) -> None:
    """Compare the sha256 of a file of a model's folder with the recorded one; raises ``DataError``."""
    if digest != recorded:
        remedy = how_to_restore(path.parent)
        raise DataError(f"{path}: sha256 {digest[:12]}... is not the recorded {recorded[:12]}...; {remedy}")


def check_folder(folder: Path) -> None:
    """Check every file of a model's folder that ``config.json`` tells of.

    Raises:
        DataError: The first that is missing or damaged.
    """
    meta = read_config(folder)
    for name in (WEIGHTS, *(meta.get(_FILES) or {})):
        check_file(folder, meta, name)
