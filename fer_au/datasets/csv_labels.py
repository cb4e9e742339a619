"""Adapter ``csv``: one label file whose columns are named in ``params.yaml``, and a folder of pictures."""

from __future__ import annotations

import codecs
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Annotated, Literal, cast

from pydantic import Field, ValidationInfo, field_validator

from fer_au.config.reading import StrictModel
from fer_au.config.unread import ReadIf
from fer_au.datasets.absent import explain_absent
from fer_au.datasets.base import ADAPTERS, Adapter, LayoutError, Outline, Record, Scan
from fer_au.datasets.files import (
    PICTURE_SUFFIXES,
    Listing,
    check_below,
    check_root,
    elsewhere_hint,
    leads_below,
    list_pictures,
    spell_as_on_disk,
)
from fer_au.datasets.labels import (
    Fault,
    LabelRow,
    SplitLabelledConfig,
    check_label_keys,
    check_subject_pattern,
    parse_label,
    parse_split,
    parse_subject,
    scan_rows,
    tally_labels,
)
from fer_au.datasets.manifest import Box, Split
from fer_au.datasets.points import OFFSET, PointsCollector, PointsSource, parse_points
from fer_au.datasets.points_files import read_points_file
from fer_au.datasets.recognition import fitting_text
from fer_au.datasets.shares import Shares, check_expressions, leading, read_shares, with_shares
from fer_au.datasets.spelling import plain, says_nothing
from fer_au.datasets.tables import Column, MissingColumnsError, Table, read_table
from fer_au.datasets.tally import Place, Tally
from fer_au.errors import DataError
from fer_au.rejects import Reason, Reject

_BOX_KEYS = ("box0", "box1", "box2", "box3")
_POINTS_KEY = "points"
_SOFT_KEY = "soft "
_TORN = "as if the picture's name were parted; quote it, or see delimiter and columns"
_DELIMITER_NAMES = {"tab": "\t", "\\t": "\t", "space": " "}
Position = Annotated[int, Field(ge=0)]
ColumnName = str | Position


class Columns(StrictModel):
    """Columns of the label file, by name or by position (counted from 0).

    Attributes:
        image: Column of the picture's path, below ``images``.
        label: Column of the expression's name or code; null takes the expression of the largest share in `soft`.
        subject: Column of the person.
        split: Column of the split (train, valid or test); an empty cell counts as train.
        fold: Column of the cross-validation fold.
        face: Column that tells several faces of one picture apart; without it, every picture has one row.
        box: Four columns of the face's box, in the order of ``box_format``.
        soft: Expression -> column of its votes or its probability, as `{happiness: p_happy, sadness: p_sad}`: the soft
            label that `target: soft` of an experiment trains on. Votes may have any sum, probabilities sum to 1 in each
            row; both are kept as shares.
    """

    image: ColumnName = "image"
    label: ColumnName | None = "label"
    subject: ColumnName | None = None
    split: ColumnName | None = None
    fold: ColumnName | None = None
    face: ColumnName | None = None
    box: tuple[ColumnName, ColumnName, ColumnName, ColumnName] | None = None
    soft: dict[str, ColumnName] = Field(default_factory=dict, validate_default=True)

    @field_validator("soft")
    @classmethod
    def _known_expressions(cls, value: dict[str, ColumnName], known: ValidationInfo) -> dict[str, ColumnName]:
        if not value and known.data.get("label", "") is None:
            raise ValueError("names no columns, and label names none: nothing tells a face's expression")
        return cast("dict[str, ColumnName]", check_expressions(value)) if value else {}

    def wanted(self, points: ColumnName | None = None) -> dict[str, Column]:
        """List the columns that are named, by their meaning.

        Args:
            points: Column of the face's points.
        """
        single = {key: getattr(self, key) for key in ("image", "label", "subject", "split", "fold", "face")}
        single[_POINTS_KEY] = points
        boxes = dict(zip(_BOX_KEYS, self.box, strict=True)) if self.box else {}
        soft = {_SOFT_KEY + name: column for name, column in self.soft.items()}
        return {key: column for key, column in (single | boxes | soft).items() if column is not None}


class CsvConfig(SplitLabelledConfig):
    """One label file and a folder of pictures.

    Attributes:
        labels: Path of the label file, below ``root``.
        images: Folder, below ``root``, that the paths of the pictures in the label file start from.
        columns: Columns of the label file.
        header: Whether the first row names the columns; without a header, columns are given by position.
        delimiter: Character between two cells; ``tab`` and ``space`` may be written as words. null detects it.
        encoding: Text encoding of the label file.
        box_format: Order of the box's four columns: ``xyxy`` (left, top, right, bottom) or ``xywh`` (left, top, width,
            height).
        points: Source of the data set's own 68 points, for extractor ``provided``.
    """

    READ_IF = (
        ReadIf("box_format", lambda one: one.columns.box is not None, "columns.box names no boxes"),
        ReadIf("split_map", lambda one: one.columns.split is not None, "columns.split names no column"),
    )

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

    @field_validator("delimiter", mode="before")
    @classmethod
    def _named_delimiter(cls, value: object) -> object:
        return _DELIMITER_NAMES.get(value, value) if isinstance(value, str) else value

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
        config = _spell_as_on_disk(config)
        table = _read_labels(config)
        listing = list_pictures(config.root, config.images, follow_links=config.follow_links)
        rows: list[LabelRow] = []
        rejects: list[Reject] = []
        shares = _read_shares(table, config)
        soft: dict[str, Shares] = {}
        for (line, cells), mine in zip(table.rows, shares, strict=True):
            name = table.cell(cells, "image")
            if name:
                path = listing.spellings.find(_picture_path(name, config))
                row = _read_row(table, cells, path, config, mine)
                if soft.setdefault(row.record.id, mine) != mine and not row.fault:
                    fault = Reason.CONFLICTING_LABELS, "several rows that differ in their soft labels"
                    row = replace(row, fault=fault)
                rows.append(row)
            else:
                rejects.append(Reject(f"{config.labels}:{line}", Reason.BAD_ROW, "names no picture"))
        notes = _check_keys(table, config)
        own = {config.labels, *([config.points.file] if config.points and config.points.file else [])}
        scan = scan_rows(config.root, {config.images: listing}, rows, rejects, own)
        scan = replace(scan, notes=(*_lookup_notes(rows, scan, config), *notes, *scan.notes))
        scan = _with_points(scan, table, config, listing) if config.points else scan
        return with_shares(scan, soft, tuple(config.columns.soft)) if config.columns.soft else scan

    def outline(self, config: CsvConfig) -> Outline:
        """Count the rows of the label file.

        Raises:
            DataError: As for ``scan``.
        """
        table = _read_labels(_spell_as_on_disk(config))
        _check_keys(table, config)
        found: dict[tuple[str, str], tuple[str, str, str]] = {}  # several rows of a face are one
        for (_, cells), shares in zip(table.rows, _read_shares(table, config), strict=True):
            image, label = table.cell(cells, "image"), _label(table, cells, config, shares)
            face, split, fold = (_cell(table, cells, name) for name in ("face", "split", "fold"))
            if image and not _is_torn(label):
                found.setdefault((image, face), (split, fold, label))
        listed: Counter[Place] = Counter()
        for (split, fold, label), number in Counter(found.values()).items():
            part = parse_split(split, config.split_map) if split else None
            if part or not split:
                listed[part, fold or None, label] += number
        splits = frozenset(split for split, _, _ in listed)
        return _outline(config, splits, tally_labels(listed, config.label_map))

    def sketch(self, config: CsvConfig) -> Outline | None:
        """Say what the named columns make known; a column of splits has to be read."""
        return _outline(config, frozenset({None})) if config.columns.split is None else None


def _outline(config: CsvConfig, splits: frozenset[Split | None], tally: Tally | None = None) -> Outline:
    return Outline(
        splits,
        subjects=config.columns.subject is not None or config.subject_pattern is not None,
        folds=config.columns.fold is not None,
        columns=frozenset({"points"} if config.points else ()) | ({"soft_label"} if config.columns.soft else set()),
        tally=tally,
    )


def _check_keys(table: Table, config: CsvConfig) -> list[str]:
    """Refuse a ``label_map`` and a ``subject_pattern`` that no row needs; say which labels no row has."""
    names = (
        (table.cell(cells, "image"), _label(table, cells, config, shares), cells)
        for (_, cells), shares in zip(table.rows, _read_shares(table, config), strict=True)
    )
    rows = [(image, label, _cell(table, cells, "subject")) for image, label, cells in names]
    check_subject_pattern((_picture_path(image, config) for image, _, subject in rows if image and not subject), config)
    return check_label_keys({label for image, label, _ in rows if image and label}, config)


def _spell_as_on_disk(config: CsvConfig) -> CsvConfig:
    """Spell the paths of an entry as files and folders are named, where they differ in their Unicode form alone."""
    paths = {key: spell_as_on_disk(config.root, getattr(config, key)) for key in ("labels", "images")}
    points = config.points
    if points is not None and points.file:
        points = points.model_copy(update={"file": spell_as_on_disk(config.root, points.file)})
    return config.model_copy(update={**paths, "points": points})


def _read_labels(config: CsvConfig) -> Table:
    """Read the label file.

    Raises:
        DataError: Missing or empty root.
        LayoutError: Missing pictures folder, or an unusable label file.
    """
    check_root(config.root)
    faults: list[tuple[tuple[str, ...], str]] = []
    table = None
    if not (config.root / config.images).is_dir():
        hint = elsewhere_hint(config.root, "images", config.images, folder=True)
        faults.append((("images",), f"{config.root / config.images}: no such folder (key images){hint}"))
    wanted = config.columns.wanted(config.points.column if config.points else None)
    try:
        check_below(config.root, config.labels, follow_links=config.follow_links)
        table = read_table(
            config.root / config.labels,
            wanted,
            header=config.header,
            delimiter=config.delimiter,
            encoding=config.encoding,
        )
    except MissingColumnsError as error:
        example = f"{{image: {'NAME, label: NAME' if config.header else '0, label: 1'}}}"
        text = f"{error}; say which column holds what, such as `columns: {example}`"
        text += fitting_text(config.root, config.adapter)
        faults.append((("columns", "labels", "points", "header", "delimiter", "encoding"), text))
    except DataError as error:
        there = (config.root / config.labels).exists()
        hint = "" if there else elsewhere_hint(config.root, "labels", config.labels) or fitting_text(config.root, "csv")
        faults.append((("labels", "encoding", "delimiter"), f"{error}{hint}"))
    if faults or table is None:
        raise LayoutError(*faults)
    return table


def _lookup_notes(rows: Sequence[LabelRow], scan: Scan, config: CsvConfig) -> list[str]:
    """Say where names of pictures are looked up if most of them aren't there, and where such files are."""
    listed = {row.record.path for row in rows}
    unnamed = [one.id for one in scan.rejects if one.reason is Reason.UNLABELLED and one.id not in listed]
    line = explain_absent(config.root, config.images, listed, unnamed)
    return [line] if line else []


def _with_points(scan: Scan, table: Table, config: CsvConfig, listing: Listing) -> Scan:
    """Add the points that ``config.points`` names."""
    source = config.points
    if source is None:
        return scan
    accepted = {record.id for record in scan.records}
    names: dict[str, str] = {}
    column = None
    if source.column is not None:
        offset = OFFSET if source.offset is None else source.offset
        column = PointsCollector(f"{config.labels}, column {source.column}", offset)
    for _, cells in table.rows:
        name, face = table.cell(cells, "image"), _cell(table, cells, "face")
        face_id = listing.spellings.find(_picture_path(name, config)) + (f"#{face}" if face else "")
        if face_id not in accepted:
            continue
        names[f"{name}#{face}" if face else name] = face_id
        if column is not None and (text := table.cell(cells, _POINTS_KEY)):
            column.add(face_id, parse_points(text))
    # An id of the manifest means that face even where another picture's name reads the same.
    names |= {face_id: face_id for face_id in accepted}
    if source.file is not None:
        check_below(config.root, source.file, follow_links=config.follow_links)
    found = column if column is not None else read_points_file(config.root, source, names)
    return replace(
        scan,
        annotations=found.annotations(),
        rejects=(*scan.rejects, *found.rejects()),
        notes=(*scan.notes, *found.notes(len(accepted))),
    )


def _picture_path(name: str, config: CsvConfig) -> str:
    """Give the path below the root that a name means; one that is absolute and leads elsewhere stays as it is."""
    path = PurePosixPath(config.images, name)
    for root in (config.root.absolute(), config.root.resolve()) if path.is_absolute() else ():
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return path.as_posix()


def _read_shares(table: Table, config: CsvConfig) -> list[Shares]:
    """Read the soft label of each row; none where no columns are named."""
    keys = [_SOFT_KEY + name for name in config.columns.soft]
    return read_shares([[table.cell(cells, key) for key in keys] for _, cells in table.rows])


def _label(table: Table, cells: list[str], config: CsvConfig, shares: Shares) -> str:
    """Give the label of a row as it is written, or the expression of its largest share."""
    return table.cell(cells, "label") if config.columns.label is not None else leading(shares, [*config.columns.soft])


def _read_row(table: Table, cells: list[str], path: str, config: CsvConfig, shares: Shares) -> LabelRow:
    faults: list[Fault] = [shares.fault] if shares.fault else []
    raw = _label(table, cells, config, shares)
    label = parse_label(raw, config.label_map)
    if not isinstance(label, str):
        detail = f"{raw!r} stands where the label should, {_TORN}"
        faults.append((Reason.BAD_ROW, detail) if _is_torn(raw) else label)
        label = plain(raw)
    split_text = _cell(table, cells, "split")
    split = parse_split(split_text, config.split_map) if split_text else None
    if split_text and split is None:
        faults.append((Reason.BAD_ROW, f"split {split_text!r} is none of train, valid, test; see split_map"))
    box = _read_box([_cell(table, cells, key) for key in _BOX_KEYS], config.box_format)
    if isinstance(box, str):
        faults.append((Reason.BAD_ROW, box))
        box = None
    record = Record(
        path=path,
        label=label,
        split=split,
        fold=_cell(table, cells, "fold") or None,
        subject=_cell(table, cells, "subject") or parse_subject(path, config.subject_pattern),
        box=box,
        face_key=_cell(table, cells, "face") or None,
    )
    return LabelRow(record, faults[0] if faults else None)


def _is_torn(label: str) -> bool:
    """Tell whether the end of a picture's name stands where the label should."""
    return PurePosixPath(f"x{label}" if label.startswith(".") else label).suffix.lower() in PICTURE_SUFFIXES


def _cell(table: Table, cells: list[str], wanted: str) -> str:
    """Read a cell that may be empty; a word that stands for nothing, such as NaN, is empty, too."""
    text = table.cell(cells, wanted)
    return "" if says_nothing(text) else text


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
