"""What can't be used of a data set, by kind, with what to do; and what else to know before ``ingest``."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath
from textwrap import shorten

from fer_au.config.data import DatasetConfig
from fer_au.data_check.result import Problem
from fer_au.datasets.labels import NO_ROW, unknown_label
from fer_au.datasets.manifest import ManifestRow
from fer_au.datasets.summary import name_unknown_labels, small_split_lines, split_lines
from fer_au.picture_formats import CONVERT, READ
from fer_au.rejects import Reason, Reject

_EXAMPLES = 3
_LONGEST = 200  # characters of a text
_FEWEST_PERSONS = 20
_NAMED = re.compile(r"([^\W\d_]+(?:[_ -][^\W\d_]+)+)_\d+$")  # first and last name, and a number

_REMEDIES = {
    Reason.MISSING_FILE: "looked up below {root}: bring them, or mend the names in the label file",
    Reason.UNLABELLED: "they are left out; give them a label if they belong to the set",
    Reason.CONFLICTING_LABELS: "they are left out; decide for one label each",
    Reason.DUPLICATE_ID: "they are left out; leave one row, or one file, for each face",
    Reason.LEAK: "they are not trained on, by on_leak",
    Reason.BAD_ROW: "mend these rows",
    Reason.OUTSIDE_ROOT: "point root above them, or set follow_links: true for links that you trust",
    Reason.NOT_AN_IMAGE: f"read are {READ}; take other files away",
    Reason.TRUNCATED: "copy or download them again",
    Reason.UNSUPPORTED_FORMAT: CONVERT,
    Reason.TOO_LARGE: "scale them down",
    Reason.TOO_SMALL: "nothing could be seen in them; they are left out",
    Reason.UNREADABLE: "look at their permissions, and at the disk",
    Reason.BAD_POINTS: "these faces stay in the set, without points",
    Reason.NO_TRUTH: "render the set anew",
}
"""Reason -> what to do."""


def find_problems(
    notes: Sequence[str], rows: Sequence[ManifestRow], rejects: Sequence[Reject], config: DatasetConfig
) -> tuple[Problem, ...]:
    """List what can't be used, the most frequent kind first, and then what adapter and splits tell.

    Args:
        notes: Lines about files passed over and choices made.
        rows: Rows of the manifest.
        rejects: Items that can't be used.
        config: Entry of the data set.
    """
    found: dict[Reason, list[Reject]] = defaultdict(list)
    for reject in sorted(rejects):
        found[reject.reason].append(reject)
    ranked = sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    kinds = [_problem(reason, items, config, len(found.get(Reason.MISSING_FILE, ()))) for reason, items in ranked]
    lines = (*notes, *split_lines(rows, config), *small_split_lines(rows), *_person_lines(rows, config))
    return (*kinds, *(_note(line) for line in lines))


def _person_lines(rows: Sequence[ManifestRow], config: DatasetConfig) -> list[str]:
    """Say how names of files tell persons, where they look so and nothing else knows any."""
    if "subject_pattern" not in type(config).model_fields or any(row.subject for row in rows):
        return []
    found = [match[1] for row in rows if (match := _NAMED.match(PurePosixPath(row.path).stem))]
    persons = len({*found})
    if 2 * len(found) <= len(rows) or not _FEWEST_PERSONS <= persons < len(found):
        return []
    first = next(row.path for row in rows if _NAMED.match(PurePosixPath(row.path).stem))
    return [
        f"{len(found)} files are named like {PurePosixPath(first).name}, maybe by {persons} persons; "
        "`subject_pattern: '^(.+)_\\d+$'` in the entry keeps each person in one split (`--set` of check-data tries it)"
    ]


def _note(line: str) -> Problem:
    text, _, remedy = line.partition("; ")
    return Problem("note", 0, text, remedy=remedy)


def _problem(reason: Reason, items: Sequence[Reject], config: DatasetConfig, missing: int) -> Problem:
    if reason is Reason.UNKNOWN_LABEL:
        labels, remedy = name_unknown_labels(Counter(unknown_label(item.detail) for item in items), config)
        shown = ", ".join(labels[:8]) + (", ..." if len(labels) > 8 else "")
        return Problem(reason.value, len(items), f"labels that name no expression: {shown}", _ids(items), remedy[2:])
    remedy = _REMEDIES.get(reason, "").format(root=config.root)
    if _EXAMPLES < len(items) <= missing and all(item.detail == NO_ROW for item in items):  # one cause
        remedy = "no more than are missing, so the rows may mean these by other names"
    return Problem(reason.value, len(items), _frequent([item.detail for item in items]), _ids(items), remedy)


def _ids(items: Sequence[Reject]) -> tuple[str, ...]:
    return tuple(item.id for item in items[:_EXAMPLES])


def _frequent(details: Sequence[str]) -> str:
    """Write the most frequent details, without their remedies; with numbers where there are several."""
    counts = Counter(shorten(detail.partition("; ")[0], _LONGEST, placeholder=" ...") for detail in details)
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    if len(ranked) == 1:
        return ranked[0][0]
    more = [f"{len(ranked) - _EXAMPLES} other reasons"] if len(ranked) > _EXAMPLES else []
    return "; ".join([*(f"{number}: {text}" for text, number in ranked[:_EXAMPLES]), *more])
