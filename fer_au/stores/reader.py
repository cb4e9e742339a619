"""Reading stores: verified first, then lazily, column by column, in whichever process asks."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np

from fer_au.errors import StoreError
from fer_au.stores.format import BLOCK_ROWS, BLOCKS, Array, block_digests, check_seal, content_digest, offset_name
from fer_au.stores.schemas import SCHEMAS
from fer_au.stores.writer import Attribute, check_columns

_RESERVED = ("schema", "fingerprint", "content_sha256", "fer_au_version", "rows")


class Store:
    """One verified store.

    Columns are read whole on first use and kept; nothing is shared across a fork, since no HDF5 handle stays open.

    Attributes:
        path: The file.
        schema: The ``schema`` attribute, such as ``fer_au.landmarks/1``.
        fingerprint: What decided the content.
        content_sha256: The logical hash of the columns.
        attributes: The further attributes.
    """

    def __init__(self, path: Path, schema: str, attributes: dict[str, Attribute], names: tuple[str, ...]) -> None:
        self.path = path
        self.schema = schema
        self.fingerprint = str(attributes["fingerprint"])
        self.content_sha256 = str(attributes["content_sha256"])
        self.rows = int(attributes["rows"])
        self.attributes = {key: value for key, value in attributes.items() if key not in _RESERVED}
        self._names = names
        self._columns: dict[str, Array] = {}

    @classmethod
    def open(cls, path: Path | str, schema: str) -> Store:
        """Open a store after checking its seal and its schema.

        Args:
            path: The file.
            schema: The kind expected: ``"faces"``, ``"landmarks"``, ...

        Raises:
            StoreError: Missing, damaged, of another schema or version, or not a plain store.
        """
        path = Path(path)
        check_seal(path)
        return cls.open_unsealed(path, schema)

    @classmethod
    def open_unsealed(cls, path: Path, schema: str | None = None) -> Store:
        """Open without checking the seal: for verification, which locates the damage, and after ``check_seal``.

        Args:
            path: The file.
            schema: The kind expected; None for any that this release reads.

        Raises:
            StoreError: As ``open``.
        """
        expected = [SCHEMAS[schema].name] if schema else [known.name for known in SCHEMAS.values()]
        with _open_hdf5(path) as file:
            found = str(file.attrs.get("schema", ""))
            if found not in expected:
                reads = " or ".join(map(repr, expected))
                raise StoreError(f"{path}: schema is {found or 'missing'!r}, this version reads {reads}")
            if not file.attrs.get("fingerprint"):
                raise StoreError(f"{path}: attribute 'fingerprint' is missing")
            names = tuple(_dataset_names(file, path))
            attributes = {key: _plain(value) for key, value in file.attrs.items()}
        return cls(path, found, attributes, tuple(name for name in names if name != BLOCKS))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self._names

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, name: str) -> Array:
        """A whole column, kept in memory from then on.

        Raises:
            StoreError: There is no such column.
        """
        if name not in self._columns:
            if name not in self._names:
                raise StoreError(f"{self.path}: no column {name!r} (it has {', '.join(self._names)})")
            with _open_hdf5(self.path) as file:
                column: Array = np.asarray(file[name][()])
            column.flags.writeable = False
            self._columns[name] = column
        return self._columns[name]

    @cached_property
    def ids(self) -> list[str]:
        """The ids of the rows, in order."""
        return [text.decode() for text in self["id"].tolist()]

    @cached_property
    def index(self) -> dict[str, int]:
        """Id -> row."""
        return {id_: row for row, id_ in enumerate(self.ids)}

    def ragged(self, row: int, column: str = "data") -> bytes:
        """The bytes of one row of a ragged column (``data`` with ``offset``, ``context`` with ``context_offset``)."""
        bounds = self[offset_name(column)]
        return self[column][int(bounds[row]) : int(bounds[row + 1])].tobytes()

    def verify(self) -> list[str]:
        """Recompute every checksum inside the store.

        Returns:
            One line per fault, naming the damaged rows; empty if all is well.
        """
        columns = {name: self[name] for name in self._names}
        check_columns(SCHEMAS[self.schema.removeprefix("fer_au.").split("/")[0]], columns, str(self.path))
        with _open_hdf5(self.path) as file:
            stored = np.asarray(file[BLOCKS][()])
        blocks = block_digests(columns, self.rows)
        faults = [
            f"{self.path}: rows {block * BLOCK_ROWS}..{min((block + 1) * BLOCK_ROWS, self.rows) - 1} are damaged"
            for block in np.flatnonzero((blocks != stored).any(axis=1)).tolist()
        ]
        if not faults and content_digest(columns, blocks) != self.content_sha256:
            faults.append(f"{self.path}: content_sha256 does not match the columns")
        return faults


def _open_hdf5(path: Path) -> h5py.File:
    try:
        return h5py.File(os.fspath(path), "r")
    except OSError as error:
        raise StoreError(f"{path}: HDF5 can't open it: {error}") from None


def _dataset_names(file: h5py.File, path: Path) -> list[str]:
    """Names of plain datasets, groups entered; soft, external and virtual ones are refused, never followed."""
    names: list[str] = []

    def enter(group: h5py.Group, prefix: str) -> None:
        for key in group:
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise StoreError(f"{path}: {prefix}{key} is a link to elsewhere; refused")
            member = group[key]
            if isinstance(member, h5py.Group):
                enter(member, f"{prefix}{key}/")
            elif member.is_virtual or member.external:
                raise StoreError(f"{path}: {prefix}{key} keeps its values in another file; refused")
            else:
                names.append(f"{prefix}{key}")

    enter(file, "")
    return names


def _plain(value: object) -> Attribute:
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, str | int | float) else str(value)
