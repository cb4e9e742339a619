"""Writing stores: laid out first, filled in any order, hashed as they lie on the disk, renamed into place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

from fer_au.answers import describe, is_array
from fer_au.arguments import check_type, choose, plain, read_path, read_text
from fer_au.array_arguments import in_main_memory
from fer_au.atomic import AtomicFile, remove_leftovers
from fer_au.errors import ArgumentError, StoreError
from fer_au.fingerprints import file_digest
from fer_au.stores.beside import BESIDE
from fer_au.stores.columns import Array, ColumnSpec, check_bounds, check_specs, offset_name, ragged_names
from fer_au.stores.layout import Attribute, Layout, plan_layout
from fer_au.stores.locks import output_lock
from fer_au.stores.schemas import RESERVED, SCHEMAS, Schema
from fer_au.stores.seal import BLOCK_ROWS, BLOCKS, USER_BLOCK, Buffer, block_digests, content_digest, seal
from fer_au.stores.sources import SOURCES, write_lines

_PIECE = 1 << 20
_UNKNOWN = "0" * 64


class _Skeleton:
    """The layout of a store of known columns, before and after its content hash is known."""

    def __init__(
        self,
        schema: Schema,
        columns: Mapping[str, ColumnSpec],
        fingerprint: str,
        attributes: Mapping[str, Attribute],
        index: bytes = b"",
        beside: Mapping[str, Path] | None = None,
        sources: Mapping[str, str] | None = None,
    ) -> None:
        self._beside = beside or {}
        self.columns = {name: columns[name] for name in sorted(columns)}
        self.rows = check_specs(schema, self.columns, f"{schema.name} store")
        self.index = index
        blocks = ColumnSpec(np.dtype(np.uint8), (-(-self.rows // BLOCK_ROWS), 32))
        self._placed = {**self.columns, BLOCKS: blocks}
        # What lies between the seal and HDF5's own bytes: HDF5 begins at 512 times a power of two.
        self._user_block = USER_BLOCK
        while self._user_block < USER_BLOCK + len(index):
            self._user_block *= 2
        self._before = {"schema": schema.name, "fingerprint": fingerprint}
        self._after: dict[str, Attribute] = {"rows": self.rows}
        self._after |= {key: attributes[key] for key in sorted(attributes)}
        self._after |= {SOURCES: write_lines(sources)} if sources else {}
        self.layout = self._plan(_UNKNOWN, dict.fromkeys(self._beside, _UNKNOWN))

    def _plan(self, content: str, beside: Mapping[str, str]) -> Layout:
        attributes = {**self._before, "content_sha256": content, **self._after}
        if beside:
            attributes[BESIDE] = write_lines(beside)
        return plan_layout(self._placed, attributes, self._user_block)

    def pieces(self, blocks: Array) -> Iterator[tuple[int, bytes]]:
        """Yield everything besides the columns and the seal: positions and bytes."""
        if self.index:
            yield USER_BLOCK, self.index
        yield self.layout.offsets[BLOCKS], blocks.tobytes()
        beside = {name: file_digest(path) for name, path in self._beside.items()}
        yield from self._plan(content_digest(self.columns, blocks.view(np.uint8)), beside).metadata.items()


class StoreWriter:
    """Fills a store piece by piece; every row of every column must be written once.

    Memory does not grow with the store. Made by ``open_writer``.
    """

    def __init__(self, file: AtomicFile, skeleton: _Skeleton) -> None:
        self._file = file
        self._skeleton = skeleton
        # A file of the full length: what is not written yet reads as zeros.
        file.write(skeleton.layout.size - 1, b"\0")

    def write(self, name: str, start: int, values: Array) -> None:
        """Write rows of a column (bytes of a ragged one) from position ``start`` along its first axis.

        Raises:
            StoreError: Values of another type or row shape, or beyond the end; the disk refuses.
        """
        spec = self._skeleton.columns[name]
        if values.dtype != spec.dtype or values.shape[1:] != spec.shape[1:] or start + len(values) > spec.shape[0]:
            raise StoreError(
                f"{self._file.path}: column {name!r} takes {spec.dtype} {spec.shape}, not {values.dtype} "
                f"{values.shape} at {start}"
            )
        place = self._skeleton.layout.offsets[name] + start * spec.row_bytes
        self._file.write(place, np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)

    def _read(self, name: str, first: int, last: int) -> bytes:
        size = self._skeleton.columns[name].row_bytes
        length = (last - first) * size
        data = self._file.read(self._skeleton.layout.offsets[name] + first * size, length)
        if len(data) != length:
            raise StoreError(f"{self._file.path}: column {name!r} can't be read back")
        return data

    def finish(self) -> None:
        """Read the columns back, write their hashes and the metadata, and seal the file."""
        columns = self._skeleton.columns
        for name in ragged_names(columns):
            bounds = columns[offset_name(name)]
            raw = self._read(offset_name(name), 0, bounds.shape[0])
            check_bounds(name, np.frombuffer(raw, bounds.dtype), columns[name].shape[0], str(self._file.path))
        blocks = block_digests(self._read, self._skeleton.columns, self._skeleton.rows)
        for position, data in self._skeleton.pieces(blocks):
            self._file.write(position, data)
        digest = hashlib.sha256()
        size = self._skeleton.layout.size
        for position in range(USER_BLOCK, size, _PIECE):
            digest.update(self._file.read(position, min(_PIECE, size - position)))
        self._file.write(0, seal(digest.hexdigest()))


@contextmanager
def open_writer(
    path: Path,
    schema: str,
    columns: Mapping[str, ColumnSpec],
    *,
    fingerprint: str,
    attributes: Mapping[str, Attribute] | None = None,
    beside: Sequence[str] = (),
    sources: Mapping[str, str] | None = None,
) -> Iterator[StoreWriter]:
    """Write one artefact as a sealed store, piece by piece.

    Args:
        path: Output file; replaced as a whole when the block ends without an error, under a lock of its own.
        schema: Kind of store: ``"faces"``, ``"landmarks"``, ...
        columns: Name -> type and whole shape.
        fingerprint: Hash of everything that decided the content, see ``fer_au.fingerprints``.
        attributes: Further attributes; no times, host names or absolute paths, which would change the bytes.
        beside: Plain files of the same stage, by their paths below the store's folder: the store keeps their sha256.
            They are there when the block ends.
        sources: Hashes of the inputs, by name; ``check_sources`` compares them.

    Raises:
        StoreError: Columns do not fit the schema, or the disk refuses.
        ArgumentError: There is no such schema, or an argument is something else.
    """
    path, kind = read_path("path", path), SCHEMAS[choose("schema", schema, SCHEMAS)]
    fingerprint = read_text("fingerprint", fingerprint, "a hash as fer_au.stores.fingerprint makes it")
    if not fingerprint:
        raise ArgumentError("fingerprint: expected a hash as fer_au.stores.fingerprint makes it, got an empty text")
    files = {name: path.parent / name for name in sorted(beside)}
    skeleton = _Skeleton(kind, columns, fingerprint, _read_attributes(attributes), beside=files, sources=sources)
    with output_lock(path):
        remove_leftovers(path)
        with AtomicFile(path) as file:
            writer = StoreWriter(file, skeleton)
            yield writer
            writer.finish()


def write_store(
    path: Path,
    schema: str,
    columns: Mapping[str, Array],
    *,
    fingerprint: str,
    attributes: Mapping[str, Attribute] | None = None,
    beside: Sequence[str] = (),
) -> None:
    """Write one artefact as a sealed store, from columns in memory.

    Args:
        path: Output file; replaced as a whole, under a lock of its own.
        schema: Kind of store: ``"faces"``, ``"landmarks"``, ...
        columns: Name -> array with one entry per row (``data`` and ``offset`` for rows of bytes, see ``pack_ragged``).
        fingerprint: Hash of everything that decided the content, see ``fer_au.fingerprints``.
        attributes: Further attributes; no times, host names or absolute paths, which would change the bytes.
        beside: Plain files of the same stage, as in ``open_writer``.

    Raises:
        StoreError: Columns do not fit the schema, or the disk refuses.
        ArgumentError: There is no such schema, or an argument is something else.
    """
    arrays = {name: _read_column(name, values) for name, values in _read_mapping("columns", columns).items()}
    specs = {name: ColumnSpec.of(array) for name, array in arrays.items()}
    with open_writer(path, schema, specs, fingerprint=fingerprint, attributes=attributes, beside=beside) as writer:
        for name, array in arrays.items():
            writer.write(name, 0, array)


def _read_mapping(name: str, value: object) -> Mapping[str, Any]:
    """Read a mapping from texts.

    Raises:
        ArgumentError: It is something else.
    """
    mapping = check_type(name, value, Mapping, "a mapping of names to values")
    for key in mapping:
        check_type(f"{name}: key", key, str, "a text")
    return mapping


def _read_column(name: str, values: object) -> Array:
    """Read a column: an array or tensor of numbers, True and False, or bytes.

    Raises:
        ArgumentError: It is something else; lists say nothing of the type that is kept.
    """
    array = in_main_memory(values) if is_array(values) else None
    if array is None or array.ndim == 0 or array.dtype.kind not in "biufS":
        way = "; encode_ids makes one of texts" if array is None or array.dtype.kind in "UO" else ""
        expected = "an array of numbers or bytes, with a row for each row of the store"
        raise ArgumentError(f"columns[{name!r}]: expected {expected}, got {describe(values)}{way}")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _read_attributes(attributes: object) -> dict[str, Attribute]:
    """Read the attributes of a store.

    Raises:
        ArgumentError: They are no mapping from names to texts and numbers, or a name is the store's own.
    """
    read: dict[str, Attribute] = {}
    for key, value in _read_mapping("attributes", attributes or {}).items():
        if key in RESERVED:
            raise ArgumentError(f"attributes: {key!r} is the store's own; take another name")
        own = check_type(f"attributes[{key!r}]", plain(value), (str, int, float), "a text or a number")
        read[key] = cast(Attribute, own)
    return read


def store_bytes(
    schema: Schema,
    columns: Mapping[str, Array],
    fingerprint: str,
    attributes: Mapping[str, Attribute],
    index: bytes = b"",
) -> bytearray:
    """Build the sealed bytes of a small store in memory; equal inputs give equal bytes.

    Args:
        schema: Kind of store.
        columns: Name -> array with one entry per row.
        fingerprint: Hash of everything that decided the content.
        attributes: Further attributes.
        index: Bytes that are placed right after the seal, where they can be read without HDF5.

    Raises:
        StoreError: Columns do not fit the schema.
    """
    flat = {name: np.ascontiguousarray(array).reshape(-1).view(np.uint8) for name, array in columns.items()}
    skeleton = _Skeleton(schema, {n: ColumnSpec.of(a) for n, a in columns.items()}, fingerprint, attributes, index)

    def read(name: str, first: int, last: int) -> Buffer:
        size = skeleton.columns[name].row_bytes
        return flat[name][first * size : last * size].data

    image = bytearray(skeleton.layout.size)
    for name, values in flat.items():
        place = skeleton.layout.offsets[name]
        image[place : place + len(values)] = values.data
    for position, data in skeleton.pieces(block_digests(read, skeleton.columns, skeleton.rows)):
        image[position : position + len(data)] = data
    image[:USER_BLOCK] = seal(hashlib.sha256(memoryview(image)[USER_BLOCK:]).hexdigest(), len(index))
    return image
