"""Reading stores: verified first, then lazily, column by column or row by row, in whichever process asks.

HDF5 is asked once, when a store is opened, where its columns lie. They are contiguous, so that everything else is a
plain read at a position: nothing of HDF5 stays open, and threads, forked and spawned processes may read at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fer_au.atomic import read_at
from fer_au.errors import StoreError
from fer_au.stores.columns import Array, ColumnSpec, check_bounds, check_specs, offset_name, ragged_names
from fer_au.stores.layout import Attribute
from fer_au.stores.schemas import SCHEMAS
from fer_au.stores.seal import (
    BLOCK_ROWS,
    BLOCKS,
    USER_BLOCK,
    block_digests,
    check_seal,
    content_digest,
    open_descriptor,
    read_seal,
)

_TRIES = 20
# Stores of release 0.1 also name the release that wrote them.
_RESERVED = ("schema", "fingerprint", "content_sha256", "fer_au_version", "rows")


class _ReplacedError(Exception):
    """The file was replaced by another version between two looks at it."""


class Store:
    """One verified store.

    It keeps reading the file that was verified, also after another version has taken its name. Columns are read on
    first use and kept; ``rows`` and ``ragged`` read a part and keep nothing. An instance may be pickled: the other
    process opens the file anew and refuses another version of it.

    Attributes:
        path: Path of the file.
        schema: Attribute ``schema``, such as ``fer_au.landmarks/1``.
        fingerprint: Hash of everything that decided the content.
        content_sha256: Logical hash of the columns.
        attributes: Attributes besides those above.
        specs: Column -> its type and shape.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._columns: dict[str, Array] = {}
        self._descriptor = descriptor
        self.path = path
        self._seal = read_seal(read_at(descriptor, 0, USER_BLOCK))
        attributes, placed = _parse(path, descriptor)
        self.schema = str(attributes.get("schema", ""))
        self.fingerprint = str(attributes.get("fingerprint", ""))
        self.content_sha256 = str(attributes.get("content_sha256", ""))
        self.attributes = {key: value for key, value in attributes.items() if key not in _RESERVED}
        self.specs = {name: spec for name, (spec, _) in placed.items() if name != BLOCKS}
        self._placed = placed
        self._rows = int(attributes.get("rows", 0))

    @classmethod
    def open(cls, path: Path | str, schema: str) -> Store:
        """Open a store after checking its seal and its schema.

        Args:
            path: Path of the file.
            schema: Kind of store expected: ``"faces"``, ``"landmarks"``, ...

        Raises:
            StoreError: Missing, damaged, of another schema or version, or not a plain store.
        """
        return cls._open(Path(path), schema, sealed=True)

    @classmethod
    def open_any(cls, path: Path | str) -> Store:
        """Open a store of any kind that this release reads; raises as ``open``."""
        return cls._open(Path(path), None, sealed=True)

    @classmethod
    def open_unsealed(cls, path: Path, schema: str | None = None) -> Store:
        """Open without checking the seal, after a check or to locate damage; raises as ``open``."""
        return cls._open(path, schema, sealed=False)

    @classmethod
    def _open(cls, path: Path, schema: str | None, *, sealed: bool) -> Store:
        for _ in range(_TRIES):
            descriptor = open_descriptor(path)
            if sealed:
                try:
                    check_seal(descriptor, path)
                except BaseException:
                    os.close(descriptor)
                    raise
            try:
                store = cls(path, descriptor)
            except _ReplacedError:
                continue
            store._check(schema)
            return store
        raise StoreError(f"{path}: is replaced again and again while it is opened")

    def _check(self, schema: str | None) -> None:
        expected = [SCHEMAS[schema].name] if schema else [known.name for known in SCHEMAS.values()]
        if self.schema not in expected:
            reads = " or ".join(map(repr, expected))
            raise StoreError(f"{self.path}: schema is {self.schema or 'missing'!r}, this version reads {reads}")
        if not self.fingerprint:
            raise StoreError(f"{self.path}: attribute 'fingerprint' is missing")
        kind = SCHEMAS[self.schema.removeprefix("fer_au.").split("/")[0]]
        if check_specs(kind, self.specs, str(self.path)) != self._rows:
            raise StoreError(f"{self.path}: its columns do not have the {self._rows} rows that it names")

    def __getstate__(self) -> dict[str, Any]:
        state = {key: value for key, value in self.__dict__.items() if key not in ("ids", "index")}
        return state | {"_descriptor": -1, "_columns": {}}

    def release(self) -> None:
        """Give back the open file and the columns kept; they are read anew when they are asked for."""
        self._columns.clear()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        if hasattr(self, "_columns"):
            self.release()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.specs)

    def __contains__(self, name: object) -> bool:
        return name in self.specs

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, name: str) -> Array:
        """Read a whole column and keep it in memory.

        Raises:
            StoreError: There is no such column, or the file was replaced.
        """
        if name not in self._columns:
            self._columns[name] = self.rows(name, 0, self._spec(name).shape[0])
        return self._columns[name]

    def positive(self, attribute: str, stage: str) -> float:
        """Return an attribute that must be a number above 0.

        Args:
            attribute: Name of the attribute.
            stage: Stage that writes it, named in the message.

        Raises:
            StoreError: The attribute is missing or something else.
        """
        value = self.attributes.get(attribute)
        if not isinstance(value, int | float) or not value > 0:
            raise StoreError(f"{self.path}: attribute {attribute!r} is missing; run the stage {stage} again")
        return value

    def rows(self, name: str, start: int, stop: int) -> Array:
        """Read a part of a column without keeping it: positions ``start:stop`` along its first axis.

        Raises:
            StoreError: There is no such column, or the file was replaced.
        """
        spec = self._spec(name)
        start, stop, _ = slice(start, stop).indices(spec.shape[0])
        stop = max(stop, start)
        return np.frombuffer(self._read(name, start, stop), spec.dtype).reshape(stop - start, *spec.shape[1:])

    def ragged(self, row: int, column: str = "data") -> bytes:
        """Read the bytes of one row of a ragged column (``data``, ``context``)."""
        self._spec(column)
        bounds = self[offset_name(column)]
        return self._read(column, int(bounds[row]), int(bounds[row + 1]))

    @cached_property
    def ids(self) -> list[str]:
        """The ids of the rows, in order."""
        return [text.decode() for text in self["id"].tolist()]

    @cached_property
    def index(self) -> dict[str, int]:
        """Id -> row."""
        return {id_: row for row, id_ in enumerate(self.ids)}

    def check_ids(self, ids: Sequence[str], owner: str | Path) -> None:
        """Check that the rows are those of another file, in its order.

        Args:
            ids: Ids of that file.
            owner: Name of that file, for the message.

        Raises:
            StoreError: The ids differ.
        """
        if self.ids != list(ids):
            raise StoreError(f"{self.path}: its rows are not those of {owner}; run `dvc repro`")

    def verify(self) -> list[str]:
        """Recompute every checksum inside the store.

        Returns:
            One line per fault, naming the damaged rows; empty if all is well.
        """
        blocks = block_digests(self._read, self.specs, self._rows)
        spec = self._placed[BLOCKS][0]
        stored = np.frombuffer(self._read(BLOCKS, 0, spec.shape[0]), np.uint8).reshape(spec.shape)
        faults = [
            f"{self.path}: rows {block * BLOCK_ROWS}..{min((block + 1) * BLOCK_ROWS, self._rows) - 1} are damaged"
            for block in np.flatnonzero((blocks != stored).any(axis=1)).tolist()
        ]
        if not faults and content_digest(self.specs, blocks) != self.content_sha256:
            faults.append(f"{self.path}: content_sha256 does not match the columns")
        for name in ragged_names(self.specs):
            check_bounds(name, self[offset_name(name)], self.specs[name].shape[0], str(self.path))
        return faults

    def _spec(self, name: str) -> ColumnSpec:
        if name not in self.specs:
            raise StoreError(f"{self.path}: no column {name!r} (it has {', '.join(self.specs)})")
        return self.specs[name]

    def _read(self, name: str, first: int, last: int) -> bytes:
        spec, place = self._placed[name]
        length = (last - first) * spec.row_bytes
        try:
            data = read_at(self._opened(), place + first * spec.row_bytes, length)
        except OSError as error:
            raise StoreError(f"{self.path}: column {name!r} can't be read: {error.strerror or error}") from error
        if len(data) != length:
            raise StoreError(f"{self.path}: column {name!r} ends too early")
        return data

    def _opened(self) -> int:
        """Return the descriptor of the verified file; after a pickle, open it anew."""
        if self._descriptor < 0:
            descriptor = open_descriptor(self.path)
            if read_seal(read_at(descriptor, 0, USER_BLOCK)) != self._seal:
                os.close(descriptor)
                raise StoreError(f"{self.path}: was replaced by another version while it was in use; run again")
            self._descriptor = descriptor
        return self._descriptor


def runs(*positions: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Cut equally long arrays into runs along which each of them counts up by one.

    Yields:
        Pairs (first index, last index + 1).
    """
    length = len(positions[0])
    if length == 0:
        return
    breaks = np.zeros(length - 1, np.bool_)
    for values in positions:
        breaks |= np.diff(values) != 1
    yield from pairwise([0, *(np.flatnonzero(breaks) + 1).tolist(), length])


Placed = dict[str, tuple[ColumnSpec, int]]


def _parse(path: Path, descriptor: int) -> tuple[dict[str, Attribute], Placed]:
    """Read a file's attributes, and the type, shape and place of every column, through HDF5."""
    try:
        with h5py.File(os.fspath(path), "r") as file:
            attributes = {key: _plain(value) for key, value in file.attrs.items()}
            placed = _columns(file, path)
        same = os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError as error:
        raise StoreError(f"{path}: HDF5 can't open it: {error}") from error
    if not same:
        raise _ReplacedError
    return attributes, placed


def _columns(file: h5py.File, path: Path) -> Placed:
    """List plain contiguous datasets, also inside groups; refuse links, and datasets with values in other files.

    This uses h5py's low-level calls, because shards are opened by the thousand.
    """
    placed: Placed = {}

    def enter(group: h5py.h5g.GroupID, prefix: bytes) -> None:
        for key in group:
            name = (prefix + key).decode()
            if group.links.get_info(key).type != h5py.h5l.TYPE_HARD:
                raise StoreError(f"{path}: {name} is a link to elsewhere; refused")
            member = h5py.h5o.open(group, key)
            if isinstance(member, h5py.h5g.GroupID):
                enter(member, prefix + key + b"/")
                continue
            create = member.get_create_plist()
            if create.get_layout() == h5py.h5d.VIRTUAL or create.get_external_count():
                raise StoreError(f"{path}: {name} keeps its values in another file; refused")
            spec = ColumnSpec(member.dtype, member.shape)
            place = member.get_offset()
            if place is None and spec.size:
                raise StoreError(f"{path}: {name} is not stored in one piece; refused")
            placed[name] = spec, place or 0

    enter(file.id, b"")
    return placed


def _plain(value: object) -> Attribute:
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, str | int | float) else str(value)
