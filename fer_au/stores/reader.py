"""Reading stores: verified first, then lazily, column by column or row by row, in whichever process asks.

HDF5 is asked once, when a store is opened and in a process of its own, where its columns lie. They are contiguous, so
that everything else is a plain read at a position: nothing of HDF5 stays open, and threads, forked and spawned
processes may read at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.arguments import check_type, choose, plain, read_path, read_text, read_whole
from fer_au.array_arguments import read_array
from fer_au.atomic import read_at
from fer_au.errors import ArgumentError, StoreError
from fer_au.stores.beside import BESIDE, KEEPERS, check_beside
from fer_au.stores.columns import Array, ColumnSpec, check_bounds, check_specs, offset_name, ragged_names
from fer_au.stores.layout import Attribute
from fer_au.stores.parser import read_structure
from fer_au.stores.schemas import RESERVED, SCHEMAS
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
from fer_au.stores.sources import SOURCES, read_lines

_TRIES = 20
_ID_BLOCK = 4096  # ids that are compared at a time


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
        beside: Plain file of the same stage, by its path below the store's folder -> sha256 of its bytes.
        sources: Input that the store was made from -> its hash, see ``sources``.
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
        self.beside, self.sources = (read_lines(str(attributes.get(key, ""))) for key in (BESIDE, SOURCES))
        self.attributes = {key: value for key, value in attributes.items() if key not in RESERVED}
        self.specs = {name: spec for name, (spec, _) in placed.items() if name != BLOCKS}
        self._placed = placed
        rows = attributes.get("rows", 0)
        self._rows = rows if isinstance(rows, int) else -1

    @classmethod
    def open(cls, path: Path | str, schema: str) -> Store:
        """Open a store after checking its seal and its schema.

        Args:
            path: Path of the file.
            schema: Kind of store expected: ``"faces"``, ``"landmarks"``, ...

        Raises:
            StoreError: Missing, damaged, of another schema or version, or not a plain store.
            ArgumentError: There is no such schema, or an argument is something else.
        """
        return cls._open(read_path("path", path), choose("schema", schema, SCHEMAS), sealed=True)

    @classmethod
    def open_any(cls, path: Path | str) -> Store:
        """Open a store of any kind that this release reads; raises as ``open``."""
        return cls._open(read_path("path", path), None, sealed=True)

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
        blocks = self._placed.get(BLOCKS)
        if blocks is None or blocks[0] != ColumnSpec(np.dtype(np.uint8), (-(-self._rows // BLOCK_ROWS), 32)):
            raise StoreError(f"{self.path}: its checksums (column {BLOCKS!r}) are missing, or not those of its rows")

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
    def sealed_digest(self) -> str:
        """sha256 of the bytes after the user block, as the seal names it."""
        return self._seal[0] if self._seal else ""

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
            ArgumentError: A position is no whole number.
        """
        spec = self._spec(name)
        start, stop = (check_type(key, plain(at), int, "a position") for key, at in (("start", start), ("stop", stop)))
        start, stop, _ = slice(start, stop).indices(spec.shape[0])
        stop = max(stop, start)
        return np.frombuffer(self._read(name, start, stop), spec.dtype).reshape(stop - start, *spec.shape[1:])

    def take(self, name: str, positions: NDArray[np.int64]) -> Array:
        """Read the rows of a column at some positions, in their order, without keeping them.

        Raises:
            StoreError: There is no such column, or the file was replaced.
            ArgumentError: A position is no whole number, or beyond the column.
        """
        spec = self._spec(name)
        positions = np.asarray(read_array("positions", positions, ("N",), "integer", "numpy"), np.int64)
        if len(positions) and not 0 <= positions.min() <= positions.max() < spec.shape[0]:
            raise ArgumentError(
                f"positions: expected some from 0 to {spec.shape[0] - 1} in {self.path}, "
                f"got {positions.min()} to {positions.max()}"
            )
        taken = np.empty((len(positions), *spec.shape[1:]), spec.dtype)
        for first, last in runs(positions):
            taken[first:last] = self.rows(name, int(positions[first]), int(positions[last - 1]) + 1)
        return taken

    def row(self, name: str, value: object) -> int:
        """Read the number of a row as an argument of that name.

        Raises:
            ArgumentError: There is no such row.
        """
        if not self._rows:
            raise ArgumentError(f"{name}: {self.path} has no rows")
        return read_whole(name, value, least=0, most=self._rows - 1)

    def ragged(self, row: int, column: str = "data") -> bytes:
        """Read the bytes of one row of a ragged column (``data``, ``context``).

        Raises:
            StoreError: There is no such column, or it holds no rows of bytes.
            ArgumentError: There is no such row.
        """
        self._spec(column)
        self._spec(offset_name(column))
        row = self.row("row", row)
        bounds = self[offset_name(column)]
        return self._read(column, int(bounds[row]), int(bounds[row + 1]))

    @cached_property
    def ids(self) -> list[str]:
        """The ids of the rows, in order."""
        return self._ids(0, len(self))

    def _ids(self, start: int, stop: int) -> list[str]:
        return [text.decode() for text in self.rows("id", start, stop).tolist()]

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
        # By blocks, and not by ``self.ids``: a store that is only compared keeps no text of each row.
        blocks = range(0, len(self), _ID_BLOCK)
        if len(self) != len(ids) or any(
            self._ids(at, at + _ID_BLOCK) != list(ids[at : at + _ID_BLOCK]) for at in blocks
        ):
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
        if read_text("name", name, "the name of a column") not in self.specs:
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
    """Ask for a file's attributes, and the type, shape and place of every column."""
    found = read_structure(path)
    try:
        same = os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error
    if not same:
        raise _ReplacedError
    placed = {name: (ColumnSpec(np.dtype(kind), tuple(shape)), place) for name, kind, shape, place in found["columns"]}
    return found["attributes"], placed


def check_table(folder: Path, name: str, *, sealed: bool = True) -> None:
    """Check a table of a data set, if the store that was written with it is there.

    Args:
        folder: Folder ``data/<name>``.
        name: Table, one of ``beside.KEEPERS``.
        sealed: Whether the seal of the store is checked, too; False if this run has done so already.

    Raises:
        DataError: The table is not the one that was written with the store.
        StoreError: The store is damaged.
    """
    path = folder / f"{KEEPERS[name]}.h5"
    if path.is_file():
        check_beside((Store.open if sealed else Store.open_unsealed)(path, KEEPERS[name]), name)
