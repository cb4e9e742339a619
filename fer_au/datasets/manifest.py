"""``manifest.csv``: one row per accepted face, the backbone that every later artefact joins to."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, cast, get_args

from fer_au.arguments import check_type, read_list, read_path
from fer_au.csv_files import write_csv
from fer_au.errors import DataError
from fer_au.expressions import EXPRESSIONS
from fer_au.gate import open_table
from fer_au.stores.reader import check_table

Split = Literal["train", "valid", "test"]
Box = tuple[float, float, float, float]

HEADER = ("id", "path", "sha256", "split", "fold", "label", "subject", "width", "height", "box")
_NAME = "manifest.csv"
_SPLITS = get_args(Split)


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One accepted face.

    Attributes:
        id: POSIX path below the root, with ``#key`` for a face of several.
        path: POSIX path of the picture below the root.
        sha256: sha256 of the file's bytes, hexadecimal.
        split: ``train``, ``valid`` or ``test``.
        fold: Name of the cross-validation fold, where the set has folds.
        label: Canonical expression.
        subject: Person, where known.
        width: Width of the upright picture in pixels.
        height: Height of the upright picture in pixels.
        box: Box of the annotated face, x1 y1 x2 y2 in pixels of the upright picture, where known.
    """

    id: str
    path: str
    sha256: str
    split: Split
    fold: str | None
    label: str
    subject: str | None
    width: int
    height: int
    box: Box | None

    def cells(self) -> list[str]:
        """Write the row as text, in the order of ``HEADER``."""
        box = " ".join(repr(float(value)) for value in self.box) if self.box else ""
        text = (self.id, self.path, self.sha256, self.split, self.fold or "", self.label, self.subject or "")
        return [*text, str(self.width), str(self.height), box]


def write_manifest(path: Path, rows: Iterable[ManifestRow]) -> None:
    """Write a manifest sorted by id; equal rows give equal bytes.

    Raises:
        StoreError: The disk refuses.
        ArgumentError: An argument is something else.
    """
    path, rows = read_path("path", path), read_list("rows", rows, "a list of rows")
    for place, row in enumerate(rows):
        check_type(f"rows[{place}]", row, ManifestRow, "a fer_au.datasets.ManifestRow")
    write_csv(path, HEADER, (row.cells() for row in sorted(rows, key=lambda row: row.id)))


def read_manifest(path: Path) -> list[ManifestRow]:
    """Read and check a manifest.

    Raises:
        DataError: Missing file, other columns, a bad row, or not what ``ingest`` wrote with ``annotations.h5``; the
            message names the line.
    """
    path = read_path("path", path)
    if path.name == _NAME:
        check_table(path.parent, _NAME)
    try:
        with open_table(path) as file:
            reader = csv.reader(file)
            if tuple(next(reader, ())) != HEADER:
                raise DataError(f"{path}: not a manifest (first line must be {','.join(HEADER)})")
            rows = [_parse(cells, path, reader.line_num) for cells in reader]
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a manifest: {error}") from error
    for previous, row in pairwise(rows):
        if previous.id >= row.id:
            raise DataError(f"{path}: not sorted by id, or an id is repeated: {row.id!r}")
    return rows


def pictures_digest(rows: Iterable[ManifestRow]) -> str:
    """Hash what crops are made of: ids, pictures and boxes, and no labels or splits."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{row.id}\n{row.sha256} {' '.join(map(repr, row.box or ()))}\n".encode())
    return digest.hexdigest()


def labels_digest(rows: Iterable[ManifestRow]) -> str:
    """Hash what AU maps are drawn of besides points: ids and labels."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{row.id}\n{row.label}\n".encode())
    return digest.hexdigest()


def _parse(cells: list[str], path: Path, line: int) -> ManifestRow:
    if len(cells) != len(HEADER):
        raise DataError(f"{path}, line {line}: {len(cells)} cells, expected {len(HEADER)}")
    id_, picture, sha256, split, fold, label, subject, width, height, box = cells
    if split not in _SPLITS:
        raise DataError(f"{path}, line {line}: split {split!r} is none of {', '.join(_SPLITS)}")
    if label not in EXPRESSIONS:
        raise DataError(f"{path}, line {line}: label {label!r} is none of {', '.join(EXPRESSIONS)}")
    try:
        corners = tuple(map(float, box.split())) if box else None
        size = int(width), int(height)
    except ValueError as error:
        raise DataError(f"{path}, line {line}: {error}") from error
    if corners is not None and len(corners) != 4:
        raise DataError(f"{path}, line {line}: box needs four numbers, not {box!r}")
    return ManifestRow(
        id_,
        picture,
        sha256,
        cast(Split, split),
        fold or None,
        label,
        subject or None,
        *size,
        corners,
    )
