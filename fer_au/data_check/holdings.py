"""The faces of a data set, as ``ingest`` would take them; of a large set, a sample of the pictures is opened.

Names and labels are read of all faces, and files of the same bytes are found among all pictures. What takes long, to
decode pictures and to compare those that look alike, is done for at most ``MOST`` of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from fer_au.config.data import DatasetConfig
from fer_au.data_check.duplicates import look_at_files
from fer_au.datasets.base import Annotations, Scan, create_adapter, list_records
from fer_au.datasets.files import check_root, resolve_below
from fer_au.datasets.inside import Reel
from fer_au.datasets.inspection import Picture
from fer_au.datasets.looks import MOST_PAIRS
from fer_au.datasets.manifest import ManifestRow
from fer_au.datasets.stage import Survey, survey_scan
from fer_au.rejects import Reason, Reject, check_reject_fraction

MOST = 10_000
"""Pictures that are opened."""

MOST_BYTES = 250_000_000
"""Bytes of the pictures that are opened, roughly."""

MOST_COMPARED = 5_000
"""Pairs of pictures that look alike whose pixels are compared."""

FEWEST = 200
"""Pictures that are opened in any case."""

_ABSENT = (Reason.MISSING_FILE, Reason.OUTSIDE_ROOT)
_BY_PICTURE = (
    Reason.NOT_AN_IMAGE,
    Reason.TRUNCATED,
    Reason.UNSUPPORTED_FORMAT,
    Reason.TOO_LARGE,
    Reason.TOO_SMALL,
    Reason.UNREADABLE,
)
"""Reasons that only the opened pictures can give."""

_UNKNOWN_SIDE = 1_000_000  # pixels of a picture that wasn't opened: no box lies outside it


ItemT = TypeVar("ItemT")


@dataclass(frozen=True)
class Holdings:
    """What a data set holds.

    Attributes:
        survey: Its faces; the width and height of a picture that wasn't opened mean nothing.
        listed: Number of its pictures that are there.
        opened: Paths of the pictures that were opened.
        given: Splits that are the set's own.
    """

    survey: Survey
    listed: int
    opened: frozenset[str]
    given: frozenset[str]

    @property
    def sampled(self) -> bool:
        """Whether some pictures weren't opened."""
        return len(self.opened) < self.listed

    @property
    def opened_rows(self) -> list[ManifestRow]:
        """Faces of the pictures that were opened."""
        return [row for row in self.survey.rows if row.path in self.opened]

    def check_losses(self, label: str, config: DatasetConfig, table: str) -> None:
        """Check losses as ``ingest`` will, and those of the opened pictures alone; see ``Survey.check_losses``.

        Raises:
            DataError: Too much is lost.
        """
        self.survey.check_losses(label, config, table)
        if self.sampled:
            lost = [one for one in self.survey.rejects if one.reason in _BY_PICTURE]
            total = len(self.opened_rows) + len(lost)
            check_reject_fraction(f"{label}, pictures opened", lost, total, config.max_reject_fraction, table)


def picture_of(reject: Reject) -> str:
    """Give the path of the picture that a reject is about."""
    return reject.id.partition("#")[0]


def take_stock(label: str, config: DatasetConfig, *, whole: bool = False) -> Holdings:
    """Find what a data set holds.

    Args:
        label: Name of the data set, used in messages.
        config: Entry of the data set, of the adapter's own model.
        whole: Whether all pictures are opened, however many there are.

    Raises:
        DataError: Missing or empty root, or unusable layout or label file.
    """
    check_root(config.root)
    scan = list_records(create_adapter(config.adapter), config)
    given = frozenset(record.split for record in scan.records if record.split)
    if reels := [part for part in scan.inside if isinstance(part, Reel)]:
        return _watch(label, config, scan, given, reels if whole else spread(reels, FEWEST))
    paths = sorted({record.path for record in scan.records})
    parts = {f"{part.file}/{name}": part for part in scan.inside for name in part.names}
    files = [path for path in paths if path not in parts]
    if whole or _is_little(config, paths, files):
        survey = survey_scan(label, config, scan, most_pairs=MOST_PAIRS if whole else MOST_COMPARED)
        there = frozenset(paths) - {picture_of(one) for one in survey.rejects if one.reason in _ABSENT}
        return Holdings(survey, len(there), there, given)
    return _sample(label, config, scan, given, paths, files)


def _watch(label: str, config: DatasetConfig, scan: Scan, given: frozenset[str], reels: Sequence[Reel]) -> Holdings:
    """Decode some clips; how many frames the others have is not known, so that each counts as one picture."""
    chosen = {part.file for part in reels}
    left = {part.file for part in scan.inside if isinstance(part, Reel)} - chosen
    inside = tuple(part for part in scan.inside if part.file not in left)
    records = tuple(record for record in scan.records if record.path not in left)
    survey = survey_scan(label, config, replace(scan, records=records, inside=inside), most_pairs=MOST_COMPARED)
    opened = frozenset(row.path for row in survey.rows)
    return Holdings(survey, len(opened) + len(left), opened, given)


def _sample(
    label: str,
    config: DatasetConfig,
    scan: Scan,
    given: frozenset[str],
    paths: Sequence[str],
    files: Sequence[str],
) -> Holdings:
    """Open some pictures, evenly spread, and look at the files of all."""
    found = look_at_files(config.root, files, label, follow_links=config.follow_links)
    number = min(MOST, max(FEWEST, MOST_BYTES * len(found.size) // max(sum(found.size.values()), 1)))
    chosen = {*spread(sorted(found.size), number)}
    contents = {found.content[path] for path in chosen}
    chosen |= {path for path, content in found.content.items() if content in contents}  # copies are opened together
    inside = spread(scan.inside, max(1, MOST * len(scan.inside) // len(paths)))
    chosen |= {f"{part.file}/{name}" for part in inside for name in part.names}
    known: dict[str, Picture | Reject] = {one.id: one for one in found.rejects}
    for path in paths:
        if path not in chosen and path not in known:
            known[path] = Picture(path, found.content.get(path, path), _UNKNOWN_SIDE, _UNKNOWN_SIDE)
    part = replace(scan, inside=tuple(inside), annotations=_of_paths(scan, chosen))
    survey = survey_scan(label, config, part, known=known, most_pairs=MOST_COMPARED)
    return Holdings(survey, len(paths) - len(found.rejects), frozenset(chosen), given)


def spread(items: Sequence[ItemT], number: int) -> list[ItemT]:
    """Choose items of a sequence, evenly spread; all where there are no more.

    Example:
        >>> spread("abcdef", 3), spread("ab", 3)
        (['a', 'c', 'e'], ['a', 'b'])
    """
    step = max(len(items) / number, 1.0)
    return [items[int(place * step)] for place in range(min(number, len(items)))]


def _is_little(config: DatasetConfig, paths: Sequence[str], files: Sequence[str]) -> bool:
    """Tell whether all pictures can be opened in a moment; those inside other files count by their number."""
    if len(paths) > MOST:
        return False
    root = config.root.resolve()
    found = (resolve_below(root, path, follow_links=config.follow_links) for path in files)
    return sum(_size(file) for file in found if isinstance(file, Path)) <= MOST_BYTES or len(paths) <= FEWEST


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # told when it is opened
        return 0


def _of_paths(scan: Scan, paths: Collection[str]) -> Annotations:
    """Take the annotations of the faces in some pictures: points are judged by the size of an opened picture."""
    wanted = {record.id for record in scan.records if record.path in paths}
    rows = np.array([row for row, id_ in enumerate(scan.annotations.ids) if id_ in wanted], np.int64)
    columns = {name: values[rows] for name, values in scan.annotations.columns.items()}
    return replace(scan.annotations, ids=tuple(scan.annotations.ids[row] for row in rows.tolist()), columns=columns)
