"""Per-item faults: nothing is dropped silently, every lost item is a row of ``rejects/<stage>.csv``."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from fer_au.csv_files import write_csv
from fer_au.errors import DataError

HEADER = ("id", "reason", "detail")


class Reason(StrEnum):
    """Reasons for rejecting an item: a fixed enumeration, part of the file format."""

    MISSING_FILE = "missing_file"
    UNLABELLED = "unlabelled"
    UNKNOWN_LABEL = "unknown_label"
    CONFLICTING_LABELS = "conflicting_labels"
    DUPLICATE_ID = "duplicate_id"
    BAD_ROW = "bad_row"
    OUTSIDE_ROOT = "outside_root"
    NOT_AN_IMAGE = "not_an_image"
    TRUNCATED = "truncated"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TOO_LARGE = "too_large"
    TOO_SMALL = "too_small"
    UNREADABLE = "unreadable"
    CHANGED = "changed"
    NO_FACE = "no_face"
    NO_LANDMARKS = "no_landmarks"
    NO_TRUTH = "no_truth"


@dataclass(frozen=True, order=True)
class Reject:
    """One rejected item.

    Attributes:
        id: POSIX path below the root.
        reason: Reason, from the fixed enumeration.
        detail: Explanation for people.
    """

    id: str
    reason: Reason
    detail: str = ""


def write_rejects(path: Path, rejects: Iterable[Reject]) -> None:
    """Write a reject table, sorted, always with its header (an empty table says that nothing was lost)."""
    rows = ((reject.id, reject.reason.value, " ".join(reject.detail.split())) for reject in sorted(rejects))
    write_csv(path, HEADER, rows)


def read_rejects(path: Path) -> list[Reject]:
    """Read a reject table.

    Raises:
        DataError: The file is missing, or is not a reject table.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            if tuple(next(reader, ())) != HEADER:
                raise DataError(f"{path}: not a reject table (first line must be {','.join(HEADER)})")
            return [Reject(id_, Reason(reason), detail) for id_, reason, detail in reader]
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def count_reasons(rejects: Iterable[Reject]) -> str:
    """Summarise rejects for a message: ``12 truncated, 3 not_an_image``."""
    counts = Counter(reject.reason.value for reject in rejects)
    return ", ".join(
        f"{count} {reason}" for reason, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    )


def check_reject_fraction(stage: str, rejects: Sequence[Reject], total: int, limit: float, path: Path) -> None:
    """Fail a stage that lost more items than its ``max_reject_fraction`` allows.

    Raises:
        DataError: ``len(rejects) / total`` is above ``limit``, or nothing at all is left.
    """
    if total and len(rejects) <= limit * total and len(rejects) < total:
        return
    share = len(rejects) / total if total else 1.0
    raise DataError(
        f"{stage}: {len(rejects)} of {total} items rejected ({share:.1%}, max_reject_fraction is {limit:.1%}): "
        f"{count_reasons(rejects) or 'no items'}; see {path}"
    )
