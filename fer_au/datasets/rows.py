"""Rows of a label file become records: repeated rows are merged, contradicting ones and unlisted pictures rejected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from fer_au.datasets.base import Record, Scan
from fer_au.datasets.files import list_pictures
from fer_au.datasets.labels import Fault
from fer_au.rejects import Reason, Reject


@dataclass(frozen=True)
class LabelRow:
    """One row: the record it describes, whose label is the raw text if ``fault`` says why it can't be taken."""

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
        root: The data set's root.
        folders: Folders below it, as POSIX paths, whose pictures should all be listed; the others become rejects.
        rows: The rows of the file.
        rejects: Rows that couldn't even be read.
    """
    rows = list(rows)
    records, found = merge_rows(rows)
    found.extend(rejects)
    listed = {row.record.path for row in rows}
    notes = []
    for folder in folders:
        listing = list_pictures(root, folder)
        absent = (path for path in listing.pictures if path not in listed)
        found.extend(Reject(path, Reason.UNLABELLED, "in no row of the label file") for path in absent)
        found.extend(reject for reject in listing.rejects if reject.id not in listed)
        if listing.others:
            notes.append(f"{listing.others} files below {root / folder} are no pictures")
    return Scan(tuple(records), tuple(found), notes=tuple(notes))
