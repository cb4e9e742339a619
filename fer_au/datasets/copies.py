"""What ``leaks.py`` found, in lines for people: photographs and persons in two splits or folds, and under two labels.

Splits that ``ingest`` makes itself keep copies together, see ``splits.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fer_au.datasets.files import printable
from fer_au.datasets.leaks import Group
from fer_au.datasets.manifest import ManifestRow, Split
from fer_au.expressions import ordered
from fer_au.terminal import counted

_NO_TEST = "scores on them are no test"
_LEAKS: tuple[tuple[Split, tuple[Split, ...], str], ...] = (
    ("test", ("train", "valid"), _NO_TEST),
    ("valid", ("train",), "an epoch that is good on them may have learnt them by heart"),
)
_BYTES, _PHOTOGRAPH, _MIRRORED = "same bytes", "same photograph", "same photograph, mirrored"


def copy_lines(groups: Sequence[Group]) -> list[str]:
    """Say how many pictures and persons lie in two splits, folds or data sets, and how many pictures have two labels.

    Copies are files of the same bytes, or pictures that show one photograph.

    Args:
        groups: Faces of one photograph, and of one person.
    """
    copies = [group for group in groups if group.kind != "same-person"]
    folds = any(row.fold for group in groups for row in group.rows)
    lines = [*(_fold_lines(copies) if folds else _split_lines(copies)), *_set_lines(copies), *_label_lines(copies)]
    return [*lines, *_person_lines([group for group in groups if group.kind == "same-person"])]


def _how(group: Group, *, same_bytes: bool) -> str:
    if same_bytes:
        return _BYTES
    return _MIRRORED if group.kind == "mirrored" else _PHOTOGRAPH


def _split_lines(copies: Sequence[Group]) -> Iterator[str]:
    for split, others, why in _LEAKS:
        for how in (_BYTES, _PHOTOGRAPH, _MIRRORED):
            found = []
            for group in copies:
                for row in group.rows if group.leaks else ():
                    twins = [twin for twin in group.rows if row.split == split and twin.split in others]
                    equal = [twin for twin in twins if twin.sha256 == row.sha256]
                    if twins and _how(group, same_bytes=bool(equal)) == how:
                        found.append((row, equal or twins))
            if found:
                are = counted(len(found), f"picture of {split} is", f"pictures of {split} are")
                places = {twin.split for _, twins in found for twin in twins[:1]}
                where = " or ".join(other for other in others if other in places)
                example = printable(f"{found[0][0].id} = {found[0][1][0].id}")
                yield f"{are} in {where}, too ({how}), such as {example}: {why}"


def _fold_lines(copies: Sequence[Group]) -> Iterator[str]:
    for how in (_BYTES, _PHOTOGRAPH, _MIRRORED):
        found = []
        for group in copies:
            folds = {row.fold: row for row in group.rows if row.fold}
            if len(folds) > 1 and _how(group, same_bytes=group.kind == "same-bytes") == how:
                found.append(folds)
        if found:
            first = " = ".join(f"{row.id} (fold {fold})" for fold, row in list(found[0].items())[:2])
            are = counted(len(found), "picture is", "pictures are")
            yield f"{are} in more than one fold ({how}), such as {printable(first)}: {_NO_TEST}"


def _set_lines(copies: Sequence[Group]) -> Iterator[str]:
    found = [group for group in copies if len(group.origins) > 1]
    if found:
        first = [next(row for row in found[0].rows if row.id.startswith(f"{name}/")) for name in found[0].origins[:2]]
        example = printable(" = ".join(row.id for row in first))
        are = counted(len(found), "photograph is", "photographs are")
        yield f"{are} in more than one of the sets, such as {example}"


def _label_lines(copies: Sequence[Group]) -> Iterator[str]:
    """Say which pictures have two labels; by bytes first, and of a photograph only where its bytes don't say so."""
    equal: list[dict[str, ManifestRow]] = []
    alike: list[dict[str, ManifestRow]] = []
    for group in copies:
        by_bytes: dict[str, dict[str, ManifestRow]] = {}
        for row in group.rows:
            by_bytes.setdefault(row.sha256, {})[row.label] = row
        several = [labels for labels in by_bytes.values() if len(labels) > 1]
        equal += several
        if not several and len(group.labels) > 1:
            alike.append({row.label: row for row in group.rows})
    for found, how in ((equal, _BYTES), (alike, _PHOTOGRAPH)):
        if found:
            first = " = ".join(f"{found[0][label].id} ({label})" for label in ordered(found[0])[:2])
            have = counted(len(found), "picture has", "pictures have")
            labels = "two labels" if max(map(len, found)) == 2 else "two or more labels"
            yield f"{have} {labels} ({how}), such as {printable(first)}"


def _person_lines(persons: Sequence[Group]) -> Iterator[str]:
    if persons:
        first = persons[0]
        are = counted(len(persons), "person is", "persons are")
        where = f"{printable(first.rows[0].subject or '')} in {' and '.join(first.parts)}"
        kind = "fold" if any(row.fold for row in first.rows) else "split"
        yield f"{are} in more than one {kind}, such as {where}: {_NO_TEST} of faces that are new"
