"""Adapter ``expw``: Expression in the Wild, 91,793 faces in pictures of several, each with its box.

A line of ``label/label.lst`` is ``image face_id top left right bottom confidence label``: the box begins with its top,
and an image stands there once for each of its faces. The set has no splits; the faces of a picture stay together.
Source: Zhang, Luo, Loy and Tang, "From Facial Expression Recognition to Interpersonal Relation Prediction", IJCV 2018.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import Field

from fer_au.datasets.base import ADAPTERS, Adapter, LayoutError, Outline, Record, Scan
from fer_au.datasets.files import check_below, check_root, elsewhere_hint, first_names, list_folders, list_pictures
from fer_au.datasets.labels import (
    LabelledConfig,
    LabelRow,
    check_label_keys,
    check_subject_pattern,
    parse_label,
    parse_subject,
    scan_rows,
    tally_labels,
)
from fer_au.datasets.manifest import Box
from fer_au.datasets.recognition import fitting_text
from fer_au.datasets.tables import Table, read_table
from fer_au.datasets.tally import Place
from fer_au.errors import DataError
from fer_au.rejects import Reason, Reject

CODES: dict[str | int, str | None] = {
    0: "anger",
    1: "disgust",
    2: "fear",
    3: "happiness",
    4: "sadness",
    5: "surprise",
    6: "neutral",
}
_LABELS = "label/label.lst"
_IMAGES = ("image/origin", "origin", "image")
_COLUMNS = ("image", "face", "top", "left", "right", "bottom", "confidence", "label")
_COMPLETE = 91_793


class ExpwConfig(LabelledConfig):
    """ExpW, as its authors distribute it.

    Attributes:
        min_confidence: Least confidence of a face's box that is taken; the file's numbers go up to about 100.
    """

    min_confidence: Annotated[float, Field(ge=0)] = 0.0


@dataclass(frozen=True)
class Face:
    """One line of the label file."""

    line: int
    cells: Mapping[str, str]

    @property
    def confidence(self) -> float:
        """Confidence of the box; NaN if it is no number."""
        try:
            return float(self.cells["confidence"])
        except ValueError:
            return math.nan


@ADAPTERS.register("expw")
class ExpwAdapter(Adapter[ExpwConfig]):
    """Each line is a face, called by its picture and the number that the file gives it."""

    Config = ExpwConfig

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Look for the label file."""
        return (root / _LABELS).is_file()

    def scan(self, config: ExpwConfig) -> Scan:
        """Read the label file.

        Raises:
            DataError: Missing or empty root, label file or folder of pictures, or a file of other columns.
        """
        faces, images = _read(config)
        notes = _check_keys(faces, images, config)
        listing = list_pictures(config.root, images, follow_links=config.follow_links)
        rows = []
        rejects = []
        for face in faces:
            if not face.cells["image"]:
                rejects.append(Reject(f"{_LABELS}:{face.line}", Reason.BAD_ROW, "names no picture"))
                continue
            path = listing.spellings.find(PurePosixPath(images, face.cells["image"]).as_posix())
            rows.append(_read_row(face, path, config))
        scan = scan_rows(config.root, {images: listing}, rows, rejects)
        if len(faces) < _COMPLETE:
            notes.append(f"ExpW has {_COMPLETE} faces; here are {len(faces)}")
        return replace(scan, notes=(*notes, *scan.notes))

    def outline(self, config: ExpwConfig) -> Outline:
        """Count the faces of each expression.

        Raises:
            DataError: As for ``scan``.
        """
        faces, images = _read(config)
        _check_keys(faces, images, config)
        taken = {
            (face.cells["image"], face.cells["face"]): face.cells["label"]
            for face in faces
            if face.cells["image"] and not face.confidence < config.min_confidence
        }
        listed: Counter[Place] = Counter((None, None, label) for label in taken.values())
        known = config.subject_pattern is not None
        return Outline(subjects=known, tally=tally_labels(listed, CODES | config.label_map))


def _read(config: ExpwConfig) -> tuple[list[Face], str]:
    """Read the label file, and find the folder of the pictures.

    Raises:
        DataError: Missing or empty root.
        LayoutError: No label file, no pictures, or other columns.
    """
    check_root(config.root)
    file = config.root / _LABELS
    if not file.is_file():
        hint = elsewhere_hint(config.root, "root", _LABELS).replace("say `root: ", "point root so that `")
        found = first_names(list_folders(config.root)) or "none"
        text = f"{file}: no such file, which says what ExpW's faces are; folders found: {found}"
        hint = "" if "point root" in hint else hint
        raise LayoutError((("root", "adapter"), f"{text}{hint}{fitting_text(config.root, config.adapter)}"))
    images = next((name for name in _IMAGES if (config.root / name).is_dir()), None)
    if images is None:
        raise LayoutError((("root",), f"{config.root / _IMAGES[0]}: no such folder; ExpW's pictures lie there"))
    check_below(config.root, _LABELS, follow_links=config.follow_links)
    wanted = {name: place for place, name in enumerate(_COLUMNS)}
    try:
        table = read_table(file, wanted, header=False)
    except DataError as error:
        raise LayoutError((("root",), f"{error}; a line of ExpW is `{' '.join(_COLUMNS)}`")) from error
    return [Face(line, _cells(table, cells)) for line, cells in table.rows], images


def _cells(table: Table, cells: list[str]) -> dict[str, str]:
    return {name: table.cell(cells, name) for name in _COLUMNS}


def _check_keys(faces: list[Face], images: str, config: ExpwConfig) -> list[str]:
    paths = (PurePosixPath(images, face.cells["image"]).as_posix() for face in faces if face.cells["image"])
    check_subject_pattern(paths, config)
    return check_label_keys({face.cells["label"] for face in faces if face.cells["label"]}, config)


def _read_row(face: Face, path: str, config: ExpwConfig) -> LabelRow:
    cells = face.cells
    label = parse_label(cells["label"], CODES | config.label_map)
    box = _read_box(cells)
    fault = None
    if not isinstance(label, str):
        fault = label
    elif box is None:
        fault = Reason.BAD_ROW, f"box {cells['left']} {cells['top']} {cells['right']} {cells['bottom']} has no area"
    elif not face.confidence >= config.min_confidence:
        fault = Reason.UNLABELLED, f"its box has confidence {cells['confidence']}, below min_confidence"
    record = Record(
        path,
        label if isinstance(label, str) else cells["label"],
        subject=parse_subject(path, config.subject_pattern),
        box=box,
        face_key=cells["face"] or None,
    )
    return LabelRow(record, fault)


def _read_box(cells: Mapping[str, str]) -> Box | None:
    """Read a box as x1 y1 x2 y2; None if it is none."""
    try:
        left, top, right, bottom = (float(cells[name]) for name in ("left", "top", "right", "bottom"))
    except ValueError:
        return None
    known = all(map(math.isfinite, (left, top, right, bottom))) and right > left and bottom > top
    return (left, top, right, bottom) if known else None
