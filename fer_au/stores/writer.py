"""Writing stores: checked against their schema, built in memory, sealed, re-read and renamed into place."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from fer_au import __version__
from fer_au.errors import StoreError
from fer_au.stores.format import BLOCKS, USER_BLOCK, Array, block_digests, check_seal, content_digest, offset_name, seal
from fer_au.stores.locks import output_lock
from fer_au.stores.schemas import SCHEMAS, Schema

Attribute = str | int | float


def pack_ragged(rows: Sequence[bytes], name: str = "data") -> dict[str, Array]:
    """Rows of bytes as two columns: the flat uint8 values and their bounds (rows + 1, int64)."""
    offset = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offset[1:])
    return {name: np.frombuffer(b"".join(rows), np.uint8), offset_name(name): offset}


def encode_ids(ids: Sequence[str]) -> Array:
    """Ids as fixed-length UTF-8 bytes, the form of every ``id`` column."""
    encoded = [id_.encode() for id_ in ids]
    width = max((len(text) for text in encoded), default=1)
    return np.array(encoded, dtype=f"S{max(width, 1)}")


def check_columns(schema: Schema, columns: Mapping[str, Array], where: str) -> int:
    """Check columns against a schema and return the number of rows.

    Raises:
        StoreError: A column is missing, unknown, or of another type or shape.
    """
    first = next(iter(schema.columns))
    if first not in columns:
        raise StoreError(f"{where}: column {first!r} is missing")
    rows = len(columns[first])
    for name, (kinds, shape) in schema.columns.items():
        if name not in columns:
            raise StoreError(f"{where}: column {name!r} is missing")
        column = columns[name]
        fits = len(column.shape) == 1 + len(shape) and all(
            want in (-1, have) for want, have in zip(shape, column.shape[1:], strict=True)
        )
        if column.dtype.kind not in kinds or not fits:
            raise StoreError(
                f"{where}: column {name!r} is {column.dtype} {column.shape}, expected rows of {kinds}{shape}"
            )
    for name in columns:
        if not schema.open_columns and name not in schema.columns:
            raise StoreError(f"{where}: unknown column {name!r} in a {schema.name} store")
        _check_length(columns, name, rows, where)
    if schema.ragged and not {"data", "offset"} <= columns.keys():
        raise StoreError(f"{where}: columns 'data' and 'offset' are missing")
    return rows


def _check_length(columns: Mapping[str, Array], name: str, rows: int, where: str) -> None:
    bounds = columns.get(offset_name(name))
    if bounds is not None and (len(bounds) == 0 or int(bounds[-1]) != len(columns[name])):
        raise StoreError(f"{where}: column {name!r} does not end where {offset_name(name)!r} says")
    expected = rows + 1 if name == "offset" or name.endswith("_offset") else rows
    if bounds is None and len(columns[name]) != expected:
        raise StoreError(f"{where}: column {name!r} has {len(columns[name])} rows, expected {expected}")


def store_bytes(
    schema: Schema, columns: Mapping[str, Array], fingerprint: str, attributes: Mapping[str, Attribute]
) -> bytes:
    """The sealed bytes of a store; equal inputs give equal bytes."""
    arrays = {name: np.ascontiguousarray(columns[name]) for name in sorted(columns)}
    rows = check_columns(schema, arrays, f"{schema.name} store")
    blocks = block_digests(arrays, rows)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("earliest", "v110"), userblock_size=USER_BLOCK) as file:
        file.attrs["schema"] = schema.name
        file.attrs["fingerprint"] = fingerprint
        file.attrs["content_sha256"] = content_digest(arrays, blocks)
        file.attrs["fer_au_version"] = __version__
        file.attrs["rows"] = rows
        for key in sorted(attributes):
            file.attrs[key] = attributes[key]
        for name, array in arrays.items():
            file.create_dataset(name, data=array, dtype=array.dtype, track_times=False)
        file.create_dataset(BLOCKS, data=blocks, dtype=np.uint8, track_times=False)
    view = buffer.getbuffer()
    view[:USER_BLOCK] = seal(hashlib.sha256(view[USER_BLOCK:]).hexdigest())
    view.release()
    return buffer.getvalue()


def write_atomically(path: Path, data: bytes) -> None:
    """Write bytes to a temporary neighbour, flush them to disk, and rename: a reader sees all or nothing.

    Raises:
        StoreError: The disk refuses (full, read-only, ...).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(f"{path}: cannot write: {error.strerror or error}") from None


def write_store(
    path: Path,
    schema: str,
    columns: Mapping[str, Array],
    *,
    fingerprint: str,
    attributes: Mapping[str, Attribute] | None = None,
) -> None:
    """Write one artefact as a sealed store.

    Args:
        path: The output; replaced as a whole, under a lock of its own.
        schema: Kind of store: ``"faces"``, ``"landmarks"``, ...
        columns: Name -> array with one entry per row (``data`` and ``offset`` for rows of bytes, see ``pack_ragged``).
        fingerprint: What decided the content, see ``stores.fingerprints``.
        attributes: Further attributes. No times, host names or absolute paths: they would change the bytes.

    Raises:
        StoreError: Columns do not fit the schema, the disk refuses, or the file reads back differently.
    """
    data = store_bytes(SCHEMAS[schema], columns, fingerprint, attributes or {})
    with output_lock(path):
        write_atomically(path, data)
        check_seal(path)
