"""Adapter ``video``: frames of labelled clips, in class folders, or named by a table with their parts.

``happy/a.mp4`` is a clip in a class folder; a row ``a.mp4,happy,1.5,4`` of a table labels what is seen from
1.5 s to 4 s. Frames become pictures once, ``happy/a.mp4/00001520.png`` for the one at 1.52 s. All frames of a clip,
and of a person where persons are known, stay in one split.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import Field, field_validator

from fer_au.config.reading import StrictModel
from fer_au.config.unread import ReadIf
from fer_au.datasets.base import ADAPTERS, Adapter, LayoutError, Outline, Record, Scan
from fer_au.datasets.clips import Clip, Sampling, Span
from fer_au.datasets.files import (
    CLIP_SUFFIXES,
    Listing,
    check_below,
    check_root,
    elsewhere_hint,
    leads_below,
    list_pictures,
    spell_as_on_disk,
)
from fer_au.datasets.folder import (
    check_folder_keys,
    count_places,
    find_depth,
    has_class_folders,
    list_followed,
    read_places,
)
from fer_au.datasets.labels import (
    NO_ROW,
    Fault,
    LabelRow,
    SplitLabelledConfig,
    check_label_keys,
    check_subject_pattern,
    merge_rows,
    parse_label,
    parse_split,
    parse_subject,
    tally_labels,
)
from fer_au.datasets.recognition import fitting_text, mostly_clips
from fer_au.datasets.spelling import says_nothing
from fer_au.datasets.tables import Column, Table, read_table
from fer_au.datasets.tally import Place, Tally
from fer_au.errors import DataError
from fer_au.rejects import Reason, Reject

ColumnName = str | Annotated[int, Field(ge=0)]
_BASES = (1, 60, 3600)  # seconds of the parts of `1:02:03.5`, from its end


class ClipColumns(StrictModel):
    """Columns of the table of clips, by name or by position (counted from 0).

    Attributes:
        clip: Column of the clip's path below ``root``; its suffix may be left out.
        label: Column of the expression's name or code.
        subject: Column of the person.
        split: Column of the split (train, valid or test); an empty cell counts as train.
        start: Column of the time at which the labelled part begins, in seconds after the first frame, or as `1:02.5`.
        end: Column of the time at which it ends; the frame at that time is not in it.
    """

    clip: ColumnName = "clip"
    label: ColumnName = "label"
    subject: ColumnName | None = None
    split: ColumnName | None = None
    start: ColumnName | None = None
    end: ColumnName | None = None

    @property
    def wanted(self) -> dict[str, Column]:
        """The columns that are named, by their meaning."""
        return {key: column for key in type(self).model_fields if (column := getattr(self, key)) is not None}


class VideoConfig(SplitLabelledConfig):
    """Clips in class folders, alone or below folders of splits, or clips that a table names.

    Attributes:
        labels: Path of the table of clips, below ``root``; without one, folders name the classes.
        columns: Columns of that table.
        every: Each how many frames one is taken, the first one always.
        fps: Number of frames that are taken in a second, by their times, instead of each ``every``-th.
        max_frames: Largest number of frames that are taken of a clip, or of a row's part of it, spread evenly over it.
    """

    READ_IF = (
        ReadIf("columns", lambda one: one.labels is not None, "labels names no table of clips"),
        ReadIf("every", lambda one: one.fps is None, "fps decides"),
        ReadIf(
            "split_map",
            lambda one: one.labels is None or one.columns.split is not None,
            "columns.split names no column",
        ),
    )

    labels: str | None = None
    columns: ClipColumns = ClipColumns()
    every: Annotated[int, Field(ge=1)] = 10
    fps: Annotated[float, Field(gt=0, le=1000)] | None = None
    max_frames: Annotated[int, Field(ge=1)] | None = None

    @field_validator("labels")
    @classmethod
    def _below_root(cls, value: str | None) -> str | None:
        if value is not None and not leads_below(value):
            raise ValueError("must be a path below root")
        return value

    @property
    def sampling(self) -> Sampling:
        """Which frames are taken."""
        return Sampling(self.every, self.fps, self.max_frames)


@dataclass
class _Found:
    """What an entry lists: clips or parts of them, faults of others, all files, lines for people, times of parts."""

    records: list[Record]
    rejects: list[Reject]
    listing: Listing
    notes: list[str]
    spans: dict[str, Span]


@ADAPTERS.register("video")
class VideoAdapter(Adapter[VideoConfig]):
    """Each clip is decoded once, by ``ingest``; up to then, how many frames it has is not known."""

    Config = VideoConfig

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Look for class folders that hold more clips than pictures."""
        return has_class_folders(root) and mostly_clips(root)

    def scan(self, config: VideoConfig) -> Scan:
        """List the clips, or the parts of them that the table names.

        Raises:
            DataError: Missing or empty root, no folder that names an expression, or an unusable table.
        """
        check_root(config.root)
        found = _scan_folders(config) if config.labels is None else _scan_table(config, config.labels)
        parts: dict[str, list[Span]] = defaultdict(list)
        for record in found.records:
            parts[record.path].append(found.spans.get(record.id, Span()))
        clips = tuple(Clip(file, tuple(spans), config.sampling) for file, spans in parts.items())
        return Scan(
            tuple(replace(record, clip=record.path) for record in found.records),
            (*found.listing.rejects, *found.rejects),
            notes=(*found.notes, *found.listing.notes(config.root, "clip")),
            inside=clips,
        )

    def outline(self, config: VideoConfig) -> Outline:
        """Tell splits and classes; clips are counted, since their frames are not known, and only those with a label.

        Raises:
            DataError: As for ``scan``.
        """
        check_root(config.root)
        if config.labels is None:
            depth = find_depth(config.root, config)
            clips = _list_clips(list_followed(depth, config)).pictures
            check_folder_keys(clips, depth, config)
            listed = count_places(clips, depth, config)
        else:
            table = _read_table(config, config.labels)
            _check_keys(table, config)
            listed = Counter[Place]()
            for _, cells in table.rows:
                split = parse_split(_cell(table, cells, "split"), config.split_map)
                if table.cell(cells, "clip") and (split or not _cell(table, cells, "split")):
                    listed[split, None, table.cell(cells, "label")] += 1
        known = Tally(tally_labels(listed, config.label_map).faces)
        named = config.labels is not None and config.columns.subject is not None
        subjects = named or config.subject_pattern is not None
        return Outline(frozenset(split for split, _, _ in listed), subjects=subjects, tally=known)


def _list_clips(listing: Listing) -> Listing:
    """Part what was listed into clips, which take the place of pictures, and all else."""
    clips = [path for path in listing.others if PurePosixPath(path).suffix.lower() in CLIP_SUFFIXES]
    others = sorted({*listing.others, *listing.pictures} - {*clips})
    return Listing(sorted(clips), listing.rejects, others, listing.added)


def _scan_folders(config: VideoConfig) -> _Found:
    depth = find_depth(config.root, config)
    listing = _list_clips(list_followed(depth, config))
    if not listing.pictures:
        text = f"{config.root}: no clip below the class folders ({_suffixes()})"
        raise LayoutError((("root", "adapter"), f"{text}{fitting_text(config.root, config.adapter)}"))
    notes = check_folder_keys(listing.pictures, depth, config)
    records, rejects = read_places(listing.pictures, depth, config)
    return _Found(records, rejects, listing, notes, {})


def _suffixes() -> str:
    return ", ".join(sorted(CLIP_SUFFIXES))


def _scan_table(config: VideoConfig, file: str) -> _Found:
    table = _read_table(config, file)
    listing = _list_clips(list_pictures(config.root, follow_links=config.follow_links))
    own = PurePosixPath(spell_as_on_disk(config.root, file)).as_posix()
    listing.others = [path for path in listing.others if path != own]
    stems: dict[str, list[str]] = defaultdict(list)
    for path in listing.pictures:
        stems[PurePosixPath(path).with_suffix("").as_posix()].append(path)
    rows: list[tuple[LabelRow, Span]] = []
    rejects: list[Reject] = []
    for line, cells in table.rows:
        name = PurePosixPath(table.cell(cells, "clip")).as_posix()
        if name == ".":
            rejects.append(Reject(f"{file}:{line}", Reason.BAD_ROW, "names no clip"))
            continue
        path = listing.spellings.find(name)
        if path not in listing.pictures and len(stems.get(path, ())) == 1:
            path = stems[path][0]
        rows.append(_read_row(table, cells, path, config))
    rows = _part_splits(rows)
    records, found = merge_rows(row for row, _ in rows)
    named = {row.record.path for row, _ in rows}
    found += (Reject(path, Reason.UNLABELLED, NO_ROW) for path in listing.pictures if path not in named)
    spans = {row.record.id: span for row, span in rows}
    return _Found(records, [*rejects, *found], listing, _check_keys(table, config), spans)


def _read_table(config: VideoConfig, file: str) -> Table:
    """Read the table of clips.

    Raises:
        LayoutError: It can't be read, or lacks a column.
    """
    spelt = spell_as_on_disk(config.root, file)
    try:
        check_below(config.root, spelt, follow_links=config.follow_links)
        return read_table(config.root / spelt, config.columns.wanted)
    except DataError as error:
        hint = ""
        if not (config.root / spelt).exists():
            hint = elsewhere_hint(config.root, "labels", file) or fitting_text(config.root, config.adapter)
        raise LayoutError((("labels", "columns"), f"{error}{hint}")) from error


def _check_keys(table: Table, config: VideoConfig) -> list[str]:
    """Refuse a ``label_map`` and a ``subject_pattern`` that no row needs; say which labels no row has."""
    named = [(table.cell(cells, "clip"), table.cell(cells, "label"), cells) for _, cells in table.rows]
    rows = [(clip, label, _cell(table, cells, "subject")) for clip, label, cells in named]
    check_subject_pattern((clip for clip, _, subject in rows if clip and not subject), config)
    return check_label_keys({label for clip, label, _ in rows if clip and label}, config)


def _cell(table: Table, cells: list[str], wanted: str) -> str:
    text = table.cell(cells, wanted)
    return "" if says_nothing(text) else text


def _read_row(table: Table, cells: list[str], path: str, config: VideoConfig) -> tuple[LabelRow, Span]:
    faults: list[Fault] = []
    label = parse_label(table.cell(cells, "label"), config.label_map)
    if not isinstance(label, str):
        faults.append(label)
    word = _cell(table, cells, "split")
    split = parse_split(word, config.split_map)
    if word and split is None:
        faults.append((Reason.BAD_ROW, f"split {word!r} is none of train, valid, test; see split_map"))
    texts = [_cell(table, cells, key) for key in ("start", "end")]
    times = [parse_time(text) if text else None for text in texts]
    key = "-".join(texts) if any(texts) else None
    start, end = times[0] or 0, times[1]
    if any(text and time is None for text, time in zip(texts, times, strict=True)):
        faults.append((Reason.BAD_ROW, f"{' to '.join(filter(None, texts))} is no time in seconds, nor one as 1:02.5"))
    elif end is not None and end <= start:
        faults.append((Reason.BAD_ROW, f"it ends at {texts[1]}, and begins at {texts[0] or 0}"))
    record = Record(
        path,
        label if isinstance(label, str) else table.cell(cells, "label"),
        split,
        subject=_cell(table, cells, "subject") or parse_subject(path, config.subject_pattern),
        face_key=key,
    )
    return LabelRow(record, faults[0] if faults else None), Span(key, start, end)


def parse_time(text: str) -> int | None:
    """Read a time as milliseconds; None if it is none.

    Example:
        >>> parse_time("62.5") == parse_time("1:02.5") == 62_500
        True
    """
    parts = text.split(":")
    try:
        values = [float(part) for part in reversed(parts)]
    except ValueError:
        return None
    if len(parts) > len(_BASES) or not all(math.isfinite(value) and value >= 0 for value in values):
        return None
    return round(1000 * sum(value * base for value, base in zip(values, _BASES, strict=False)))


def _part_splits(rows: Sequence[tuple[LabelRow, Span]]) -> list[tuple[LabelRow, Span]]:
    """Refuse the rows of a clip that lies in two splits."""
    splits: dict[str, set[str]] = defaultdict(set)
    for row, _ in rows:
        splits[row.record.path].add(row.record.split or "train")
    found = []
    for row, span in rows:
        parts = splits[row.record.path]
        if len(parts) > 1 and row.fault is None:
            detail = f"rows put the clip into {' and '.join(sorted(parts))}; a clip lies in one split"
            found.append((LabelRow(row.record, (Reason.BAD_ROW, detail)), span))
        else:
            found.append((row, span))
    return found
