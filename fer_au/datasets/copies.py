"""Pictures that a data set holds twice, byte by byte: in two splits, or under two labels. It is only told.

Splits that ``ingest`` makes itself keep copies together, see ``splits.py``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from fer_au.datasets.files import printable
from fer_au.datasets.manifest import ManifestRow, Split
from fer_au.expressions import ordered

_NO_TEST = "scores on them are no test"
_LEAKS: tuple[tuple[Split, tuple[Split, ...], str], ...] = (
    ("test", ("train", "valid"), _NO_TEST),
    ("valid", ("train",), "an epoch that is good on them may have learnt them by heart"),
)


def copy_lines(rows: Sequence[ManifestRow]) -> list[str]:
    """Say how many pictures lie in two splits, or in two folds of a set that has folds, and how many have two labels.

    Copies of one picture are files of the same bytes. Of a picture with several faces, each face is looked at alone.

    Args:
        rows: Rows of the manifest.
    """
    faces: dict[tuple[object, ...], list[ManifestRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.id):
        faces[row.sha256, row.id.removeprefix(row.path), row.box].append(row)
    copies = [same for same in faces.values() if len(same) > 1]
    folds = any(row.fold for row in rows)
    return [*(_fold_line(copies) if folds else _split_lines(copies)), *_label_line(copies)]


def _split_lines(copies: Sequence[Sequence[ManifestRow]]) -> Iterator[str]:
    for split, others, why in _LEAKS:
        found = []
        for same in copies:
            twins = [row for row in same if row.split in others]
            found += [(row, twins[0]) for row in same if row.split == split and twins]
        if not found:
            continue
        are = f"1 picture of {split} is" if len(found) == 1 else f"{len(found)} pictures of {split} are"
        where = " or ".join(other for other in others if any(twin.split == other for _, twin in found))
        example = printable(f"{found[0][0].id} = {found[0][1].id}")
        yield f"{are} in {where}, too (same bytes), such as {example}: {why}"


def _fold_line(copies: Sequence[Sequence[ManifestRow]]) -> Iterator[str]:
    found = [one for one in ({row.fold: row for row in same if row.fold} for same in copies) if len(one) > 1]
    if found:
        first = " = ".join(f"{row.id} (fold {fold})" for fold, row in list(found[0].items())[:2])
        are = "1 picture is" if len(found) == 1 else f"{len(found)} pictures are"
        yield f"{are} in more than one fold (same bytes), such as {printable(first)}: {_NO_TEST}"


def _label_line(copies: Sequence[Sequence[ManifestRow]]) -> Iterator[str]:
    found = [one for one in ({row.label: row for row in same} for same in copies) if len(one) > 1]
    if found:
        first = " = ".join(f"{found[0][label].id} ({label})" for label in ordered(found[0])[:2])
        have = "1 picture has" if len(found) == 1 else f"{len(found)} pictures have"
        labels = "two labels" if max(map(len, found)) == 2 else "two or more labels"
        yield f"{have} {labels} (same bytes), such as {printable(first)}"
