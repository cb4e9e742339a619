"""Adapter ``csv``: one label file whose columns are named in ``params.yaml``, and a folder of pictures."""

from __future__ import annotations

import codecs
import math
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Annotated, Literal, cast

from pydantic import Field, field_validator

from fer_au.config.reading import StrictModel
from fer_au.datasets.base import ADAPTERS, Adapter, Outline, Record, Scan
from fer_au.datasets.files import check_root, leads_below
from fer_au.datasets.labels import Fault, LabelledConfig, LabelRow, parse_label, parse_split, parse_subject, scan_rows
from fer_au.datasets.manifest import Box
from fer_au.datasets.points import PointsCollector, PointsSource, parse_points, read_points_file
from fer_au.datasets.tables import Column, Table, read_table
from fer_au.errors import DataError
from fer_au.rejects import Reason, Reject

_BOX_KEYS = ("box0", "box1", "box2", "box3")
_POINTS_KEY = "points"
Position = Annotated[int, Field(ge=0)]
ColumnName = str | Position


class Columns(StrictModel):
    """Columns of the label file, by name or by position (counted from 0).

    Attributes:
        image: Column of the picture's path, below ``images``.
        label: Column of the expression's name or code.
        subject: Column of the person.
        split: Column of the split (train, valid or test); an empty cell counts as train.
        fold: Column of the cross-validation fold.
        face: Column that tells several faces of one picture apart; without it, every picture has one row.
        box: Four columns of the face's box, in the order of ``box_format``.
    """

    image: ColumnName = "image"
    label: ColumnName = "label"
    subject: ColumnName | None = None
    split: ColumnName | None = None
    fold: ColumnName | None = None
    face: ColumnName | None = None
    box: tuple[ColumnName, ColumnName, ColumnName, ColumnName] | None = None

    def wanted(self, points: ColumnName | None = None) -> dict[str, Column]:
        """List the columns that are named, by their meaning.

        Args:
            points: Column of the face's points.
        """
        single = {key: getattr(self, key) for key in ("image", "label", "subject", "split", "fold", "face")}
        single[_POINTS_KEY] = points
        boxes = dict(zip(_BOX_KEYS, self.box, strict=True)) if self.box else {}
        return {key: column for key, column in (single | boxes).items() if column is not None}


class CsvConfig(LabelledConfig):
    """One label file and a folder of pictures.

    Attributes:
        labels: Path of the label file, below ``root``.
        images: Folder, below ``root``, that the paths of the pictures in the label file start from.
        columns: Columns of the label file.
        header: Whether the first row names the columns; without a header, columns are given by position.
        delimiter: Character between two cells; null detects it.
        encoding: Text encoding of the label file.
        box_format: Order of the box's four columns: ``xyxy`` (left, top, right, bottom) or ``xywh`` (left, top, width,
            height).
        points: Source of the data set's own 68 points, for extractor ``provided``.
    """

    labels: str
    images: str = "."
    columns: Columns = Columns()
    header: bool = True
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    encoding: str = "utf-8"
    box_format: Literal["xyxy", "xywh"] = "xyxy"
    points: PointsSource | None = None

    @field_validator("labels", "images")
    @classmethod
    def _below_root(cls, value: str) -> str:
        if not leads_below(value):
            raise ValueError("must be a path below root")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            codecs.lookup(value)
        except LookupError as error:
            raise ValueError("unknown encoding") from error
        return value


@ADAPTERS.register("csv")
class CsvAdapter(Adapter[CsvConfig]):
    """Labels come from the rows of one file; pictures that no row names are rejected as unlabelled."""

    Config = CsvConfig

    def scan(self, config: CsvConfig) -> Scan:
        """Read the label file and list the pictures folder.

        Raises:
            DataError: Missing or empty root, missing pictures folder, or an unusable label file.
        """
        table = _read_labels(config)
        rows: list[LabelRow] = []
        rejects: list[Reject] = []
        for line, cells in table.rows:
            name = table.cell(cells, "image")
            if name:
                rows.append(_read_row(table, cells, _picture_path(name, config), config))
            else:
                rejects.append(Reject(f"{config.labels}:{line}", Reason.BAD_ROW, "names no picture"))
        scan = scan_rows(config.root, [config.images], rows, rejects)
        return _with_points(scan, table, config) if config.points else scan

    def outline(self, config: CsvConfig) -> Outline:
        """Read the column of splits, or else find the columns.

        Raises:
            DataError: As for ``scan``.
        """
        table = _read_labels(config, None if config.columns.split is not None else 1)
        texts = {table.cell(cells, "split") for _, cells in table.rows}
        return Outline(
            frozenset(parse_split(text) for text in texts if not text or parse_split(text)),
            subjects=config.columns.subject is not None or config.subject_pattern is not None,
            folds=config.columns.fold is not None,
            columns=frozenset({"points"} if config.points else ()),
        )


def _read_labels(config: CsvConfig, limit: int | None = None) -> Table:
    """Read the label file, or its first rows.

    Raises:
        DataError: Missing or empty root, missing pictures folder, or an unusable label file.
    """
    check_root(config.root)
    if not (config.root / config.images).is_dir():
        raise DataError(f"{config.root / config.images}: no such folder (key images)")
    return read_table(
        config.root / config.labels,
        config.columns.wanted(config.points.column if config.points else None),
        header=config.header,
        delimiter=config.delimiter,
        encoding=config.encoding,
        limit=limit,
    )


def _with_points(scan: Scan, table: Table, config: CsvConfig) -> Scan:
    """Add the points that ``config.points`` names."""
    source = config.points
    if source is None:
        return scan
    accepted = {record.id for record in scan.records}
    names: dict[str, str] = {}
    column = None
    if source.column is not None:
        column = PointsCollector(source, f"{config.labels}, column {source.column}")
    for _, cells in table.rows:
        name, face = (table.cell(cells, key) for key in ("image", "face"))
        face_id = _picture_path(name, config) + (f"#{face}" if face else "")
        if face_id not in accepted:
            continue
        names[f"{name}#{face}" if face else name] = face_id
        if column is not None and (text := table.cell(cells, _POINTS_KEY)):
            column.add(face_id, parse_points(text))
    # An id of the manifest means that face even where another picture's name reads the same.
    names |= {face_id: face_id for face_id in accepted}
    found = column if column is not None else read_points_file(config.root, source, names)
    return replace(scan, annotations=found.annotations(), notes=(*scan.notes, *found.notes(len(accepted))))


def _picture_path(name: str, config: CsvConfig) -> str:
    return PurePosixPath(config.images, name).as_posix()


def _read_row(table: Table, cells: list[str], path: str, config: CsvConfig) -> LabelRow:
    faults: list[Fault] = []
    raw = table.cell(cells, "label")
    label = parse_label(raw, config.label_map)
    if not isinstance(label, str):
        faults.append(label)
        label = raw.casefold()
    split_text = table.cell(cells, "split")
    split = parse_split(split_text)
    if split_text and split is None:
        faults.append((Reason.BAD_ROW, f"split {split_text!r} is none of train, valid, test"))
    box = _read_box([table.cell(cells, key) for key in _BOX_KEYS], config.box_format)
    if isinstance(box, str):
        faults.append((Reason.BAD_ROW, box))
        box = None
    record = Record(
        path=path,
        label=label,
        split=split,
        fold=table.cell(cells, "fold") or None,
        subject=table.cell(cells, "subject") or parse_subject(path, config.subject_pattern),
        box=box,
        face_key=table.cell(cells, "face") or None,
    )
    return LabelRow(record, faults[0] if faults else None)


def _read_box(texts: list[str], box_format: str) -> Box | str | None:
    """Read a box as x1 y1 x2 y2; None where all cells are empty, a text about the fault where there is one."""
    if not any(texts):
        return None
    try:
        values = [float(text) for text in texts]
    except ValueError:
        return f"box {texts} is not four numbers"
    if box_format == "xywh":
        values[2:] = [values[0] + values[2], values[1] + values[3]]
    if not all(map(math.isfinite, values)) or values[2] <= values[0] or values[3] <= values[1]:
        return f"box {texts} has no area"
    return cast(Box, tuple(values))
