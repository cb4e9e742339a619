"""Per-item faults: nothing is dropped silently, every lost item is a row of ``rejects/<stage>.csv``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from textwrap import shorten

from fer_au.csv_files import harmless, original, read_csv, write_csv
from fer_au.errors import DataError

_EXAMPLES = 2
_LONGEST = 160  # characters of an example

HEADER = ("id", "reason", "detail")


class Reason(StrEnum):
    """Reasons for rejecting an item: a fixed enumeration, part of the file format."""

    MISSING_FILE = "missing_file"
    UNLABELLED = "unlabelled"
    UNKNOWN_LABEL = "unknown_label"
    CONFLICTING_LABELS = "conflicting_labels"
    DUPLICATE_ID = "duplicate_id"
    LEAK = "leak"  # dropped by the data set's own key on_leak
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
    BAD_POINTS = "bad_points"  # of the data set itself; the face stays, without them
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


REJECT_STAGES = ("ingest", "align", "landmarks")
"""Stages that write a reject table, in their order."""


def write_rejects(path: Path, rejects: Iterable[Reject]) -> None:
    """Write a reject table, sorted, always with its header (an empty table says that nothing was lost)."""
    rows = (
        (harmless(reject.id), reject.reason.value, harmless(" ".join(reject.detail.split())))
        for reject in sorted(rejects)
    )
    write_csv(path, HEADER, rows)


def read_rejects(path: Path) -> list[Reject]:
    """Read a reject table.

    Raises:
        DataError: The file is missing, or is not a reject table.
    """

    def parse(cells: list[str]) -> Reject:
        id_, reason, detail = cells
        return Reject(original(id_), Reason(reason), original(detail))

    return read_csv(path, HEADER, "a reject table", parse)


def name_reasons(rejects: Iterable[Reject]) -> str:
    """Summarise rejects for a message: how many of each reason, the most frequent first, each with its first items.

    Example:
        >>> name_reasons([Reject("b.jpg", Reason.TRUNCATED, "at byte 7"), Reject("a.jpg", Reason.MISSING_FILE)])
        '1 missing_file (a.jpg), 1 truncated (b.jpg: at byte 7)'
    """
    found: dict[str, list[Reject]] = {}
    for reject in sorted(rejects):
        found.setdefault(reject.reason.value, []).append(reject)
    ranked = sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return ", ".join(f"{len(items)} {reason} ({_examples(items)})" for reason, items in ranked)


def _examples(items: Sequence[Reject]) -> str:
    texts = [f"{one.id}: {one.detail}" if one.detail else one.id for one in items[:_EXAMPLES]]
    short = [shorten(text, _LONGEST, placeholder=" ...") for text in texts]
    return "; ".join([*short, "..."] if len(items) > _EXAMPLES else short)


def loses_too_many(lost: int, total: int, limit: float) -> bool:
    """Tell whether a stage that loses so many of its items fails: above its limit, or with nothing left."""
    return not total or lost > limit * total or lost >= total


def check_reject_fraction(stage: str, rejects: Sequence[Reject], total: int, limit: float, path: Path | str) -> None:
    """Fail a stage that lost more items than its ``max_reject_fraction`` allows.

    Raises:
        DataError: ``len(rejects) / total`` is above ``limit``, or nothing at all is left.
    """
    if not loses_too_many(len(rejects), total, limit):
        return
    share = len(rejects) / total if total else 1.0
    raise DataError(
        f"{stage}: {len(rejects)} of {total} items rejected ({share:.1%}, max_reject_fraction is {limit:.1%}): "
        f"{name_reasons(rejects) or 'no items'}; see {path}"
    )
