"""Label files: their texts as canonical values, their rows as records, and the keys that adapters share.

Repeated rows are merged; contradicting ones, and pictures that no row names, are rejected.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path, PurePosixPath

from pydantic import Field, field_validator

from fer_au.config.data import DatasetConfig
from fer_au.datasets.base import Record, Scan
from fer_au.datasets.files import list_pictures
from fer_au.datasets.manifest import Split
from fer_au.expressions import EXPRESSIONS, parse_expression
from fer_au.rejects import Reason, Reject

Fault = tuple[Reason, str]

_BEFORE, _AFTER = "label '", "' names no expression; see label_map"

_SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "test": "test",
    "testing": "test",
}


class LabelledConfig(DatasetConfig):
    """Keys of every adapter that reads labels as text.

    Attributes:
        label_map: Mapping from the data set's own labels or codes to expressions (``{1: surprise, 2: fear}``); null
            leaves a label out. Labels that it doesn't name are read as expression names, in upper or lower case.
        subject_pattern: Regular expression that finds the person in a picture's file name without its suffix, or, if it
            contains ``/``, in its path below the root. The first group counts, or the whole match without a group.
    """

    label_map: dict[str | int, str | None] = Field(default_factory=dict)
    subject_pattern: str | None = None

    @field_validator("label_map")
    @classmethod
    def _known_expressions(cls, value: dict[str | int, str | None]) -> dict[str | int, str | None]:
        for key, name in value.items():
            if name is not None and parse_expression(name) is None:
                raise ValueError(f"{key}: {name!r} is no expression (known: {', '.join(EXPRESSIONS)}, or null)")
        return value

    @field_validator("subject_pattern")
    @classmethod
    def _valid_pattern(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"not a regular expression ({error})") from error
        return value


def parse_split(text: str) -> Split | None:
    """Read the name of a split in any case, with the usual synonyms; None if it names none."""
    return _SPLIT_NAMES.get(text.strip().lower())


def parse_label(text: str, label_map: Mapping[str | int, str | None]) -> str | Fault:
    """Read a label.

    Returns:
        The canonical expression, or the fault: the label is empty, left out by ``label_map``, or unknown.
    """
    text = text.strip()
    if not text:
        return Reason.UNLABELLED, "empty label"
    own = {str(key).strip().casefold(): name for key, name in label_map.items()}
    name = own.get(text.casefold(), text)
    if name is None:
        return Reason.UNLABELLED, f"label {text!r} is left out by label_map"
    return parse_expression(name) or (Reason.UNKNOWN_LABEL, f"{_BEFORE}{text}{_AFTER}")


def unknown_label(detail: str) -> str:
    """Give the label that the detail of an ``unknown_label`` tells of; another adapter's detail as it stands."""
    return detail.removeprefix(_BEFORE).removesuffix(_AFTER)


def parse_subject(path: str, pattern: str | None) -> str | None:
    """Find the person in a picture's path, see ``LabelledConfig.subject_pattern``; None where it isn't found."""
    if pattern is None:
        return None
    found = _compiled(pattern).search(path if "/" in pattern else PurePosixPath(path).stem)
    if found is None:
        return None
    return (found[1] if found.re.groups else found[0]) or None


@lru_cache(maxsize=8)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@dataclass(frozen=True)
class LabelRow:
    """One row of a label file.

    Attributes:
        record: Record that the row describes; its label is the raw text if there is a fault.
        fault: Reason not to take the row, or None.
    """

    record: Record
    fault: Fault | None = None


def merge_rows(rows: Iterable[LabelRow]) -> tuple[list[Record], list[Reject]]:
    """Merge rows of equal meaning; rows that contradict each other about one face reject it, whatever their order."""
    by_id: dict[str, set[LabelRow]] = defaultdict(set)
    for row in rows:
        by_id[row.record.id].add(row)
    records: list[Record] = []
    rejects: list[Reject] = []
    for id_, distinct in by_id.items():
        first = next(iter(distinct))
        if len(distinct) > 1:
            rejects.append(_contradiction(id_, [row.record for row in distinct]))
        elif first.fault:
            rejects.append(Reject(id_, *first.fault))
        else:
            records.append(first.record)
    return records, rejects


def _contradiction(id_: str, records: list[Record]) -> Reject:
    values = {field.name: {getattr(record, field.name) for record in records} for field in fields(Record)}
    if len(values["label"]) > 1:
        return Reject(id_, Reason.CONFLICTING_LABELS, ", ".join(sorted(values["label"])))
    differing = ", ".join(name for name, found in values.items() if len(found) > 1)
    return Reject(id_, Reason.DUPLICATE_ID, f"several rows that differ in {differing or 'what is wrong with them'}")


def scan_rows(root: Path, folders: Iterable[str], rows: Iterable[LabelRow], rejects: Iterable[Reject] = ()) -> Scan:
    """Build the scan of a label file.

    Args:
        root: Root of the data set.
        folders: Folders below the root, as POSIX paths; pictures in them that no row lists become rejects.
        rows: Rows of the file.
        rejects: Rows that couldn't even be read.
    """
    rows = list(rows)
    records, found = merge_rows(rows)
    found.extend(rejects)
    listed = {row.record.path for row in rows}
    notes: list[str] = []
    for folder in folders:
        listing = list_pictures(root, folder)
        absent = (path for path in listing.pictures if path not in listed)
        found.extend(Reject(path, Reason.UNLABELLED, "in no row of the label file") for path in absent)
        found.extend(reject for reject in listing.rejects if reject.id not in listed)
        notes += listing.notes(root / folder)
    return Scan(tuple(records), tuple(found), notes=tuple(notes))
