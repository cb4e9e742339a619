"""Faces that tell the answer: one photograph or one person in two splits, folds or data sets, or under two labels.

``rejects/leaks.csv`` lists them, a row for each face of a group; ``on_leak`` of a data set says what follows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from fer_au.csv_files import harmless, original, read_csv, write_csv
from fer_au.datasets.files import printable
from fer_au.datasets.manifest import Box, ManifestRow, Split
from fer_au.datasets.photographs import NONE, Photographs
from fer_au.expressions import ordered
from fer_au.rejects import Reason, Reject

Kind = Literal["same-bytes", "same-photograph", "mirrored", "same-person"]
LEAKS = "leaks.csv"
"""Name of the table, below ``rejects/``."""

HEADER = ("group", "kind", "problem", "id", "split", "fold", "label", "subject", "likeness", "faces", "dropped")

_RANK: dict[Split, int] = {"test": 0, "valid": 1, "train": 2}  # the first of a group's splits keeps its faces
_OVERLAP = 0.5  # of the boxes of one face in two pictures
_SHOWN = 3  # faces of a person in each part that the table names


@dataclass(frozen=True)
class Group:
    """Faces of one photograph, or of one person.

    Attributes:
        kind: What they share.
        rows: The faces, by id.
        sets: Names of the data sets of a union, whose faces have ids that begin so; none elsewhere.
    """

    kind: Kind
    rows: tuple[ManifestRow, ...]
    sets: tuple[str, ...] = ()

    @property
    def shared(self) -> str:
        """What they share, in words."""
        return "same photograph, mirrored," if self.kind == "mirrored" else self.kind.replace("-", " ")

    @property
    def parts(self) -> tuple[str, ...]:
        """Folds, or splits where none of the faces has a fold, that the faces lie in."""
        if folds := {row.fold for row in self.rows if row.fold}:
            return tuple(f"fold {fold}" for fold in sorted(folds))
        return tuple(sorted({row.split for row in self.rows}, key=lambda split: _RANK[split], reverse=True))

    @property
    def labels(self) -> tuple[str, ...]:
        """Their expressions."""
        return ordered(row.label for row in self.rows)

    @property
    def origins(self) -> tuple[str, ...]:
        """Data sets of a union that they come from."""
        return tuple(name for name in self.sets if any(row.id.startswith(f"{name}/") for row in self.rows))

    @property
    def leaks(self) -> bool:
        """Whether they lie in two splits or folds."""
        return len(self.parts) > 1

    @property
    def problem(self) -> str:
        """What is wrong, in words."""
        place = " and ".join(self.parts)
        words = [f"between {place}" if self.leaks else f"within {place}"]
        if len(self.origins) > 1:
            words.append(f"between the sets {' and '.join(self.origins)}")
        if self.kind != "same-person" and len(self.labels) > 1:
            words.append(f"labels {' and '.join(self.labels)}")
        return "; ".join(words)

    def to_drop(self) -> list[ManifestRow]:
        """List the faces to drop, so that the others lie in one split or fold: test keeps its faces, then valid."""
        if not self.leaks:
            return []
        folds = [row.fold for row in self.rows if row.fold]
        if folds:
            return [row for row in self.rows if row.fold != folds[0]]
        first = min((row.split for row in self.rows), key=lambda split: _RANK[split])
        return [row for row in self.rows if row.split != first]


@dataclass(frozen=True)
class Leaks:
    """All groups of a data set.

    Attributes:
        groups: Photographs, and persons that lie in two parts.
        photographs: What shows one photograph.
        dropped: Ids of the faces that were dropped.
    """

    groups: tuple[Group, ...] = ()
    photographs: Photographs = NONE
    dropped: frozenset[str] = field(default_factory=frozenset)

    @property
    def told(self) -> tuple[Group, ...]:
        """Groups of the faces that stayed."""
        if not self.dropped:
            return self.groups
        stayed = (
            replace(group, rows=tuple(row for row in group.rows if row.id not in self.dropped)) for group in self.groups
        )
        return tuple(group for group in stayed if len(group.rows) > 1 and (group.kind != "same-person" or group.leaks))


def find_leaks(
    rows: Sequence[ManifestRow],
    photographs: Photographs = NONE,
    sets: Sequence[str] = (),
    clips: Mapping[str, str | None] = MappingProxyType({}),
) -> tuple[Group, ...]:
    """Group the faces of one photograph, and those of a person who lies in two parts.

    Of a picture with several faces, each face is looked at alone. Frames of one clip alone are no group.

    Args:
        rows: Rows of the manifest.
        photographs: Pictures of other bytes that show one photograph.
        sets: Names of the data sets of a union.
        clips: Id of a face -> clip that its picture is a frame of.
    """
    shown: dict[str, list[ManifestRow]] = defaultdict(list)
    persons: dict[str, list[ManifestRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.id):
        shown[photographs.name(row.sha256)].append(row)
        if row.subject:
            persons[row.subject].append(row)
    groups = []
    for same in shown.values():
        for faces in _part_faces(same, photographs) if len(same) > 1 else ():
            if len(shots := {clips.get(row.id) for row in faces}) == 1 and shots != {None}:
                continue
            groups.append(Group(_kind(faces, photographs), tuple(faces), tuple(sets)))
    people = (Group("same-person", tuple(faces), tuple(sets)) for faces in persons.values())
    return (*groups, *(group for group in people if group.leaks))


def _kind(rows: Sequence[ManifestRow], photographs: Photographs) -> Kind:
    """Say what faces of one photograph share."""
    if len({row.sha256 for row in rows}) == 1:
        return "same-bytes"
    return "mirrored" if len({row.sha256 in photographs.turned for row in rows}) > 1 else "same-photograph"


def _part_faces(rows: Sequence[ManifestRow], photographs: Photographs) -> Iterator[list[ManifestRow]]:
    """Part the faces of pictures of one photograph: the same key, and boxes at the same place of the picture."""
    found: list[list[ManifestRow]] = []
    for row in rows:
        group = next((one for one in found if _is_face(one[0], row, photographs)), None)
        if group is None:
            found.append([row])
        else:
            group.append(row)
    return (group for group in found if len(group) > 1)


def _is_face(one: ManifestRow, other: ManifestRow, photographs: Photographs) -> bool:
    if one.path == other.path or one.id.removeprefix(one.path) != other.id.removeprefix(other.path):
        return False
    if one.box is None or other.box is None:
        return True
    places = (_share(row, mirrored=row.sha256 in photographs.turned) for row in (one, other))
    return _overlap(*places) >= _OVERLAP


def _share(row: ManifestRow, *, mirrored: bool) -> Box:
    """Give a box in shares of its picture's width and height."""
    left, top, right, bottom = row.box or (0, 0, row.width, row.height)
    if mirrored:
        left, right = row.width - right, row.width - left
    return left / row.width, top / row.height, right / row.width, bottom / row.height


def _overlap(one: Box, other: Box) -> float:
    """Divide what two boxes share by what they cover."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / max(sum(areas) - shared, 1e-12)


def drop_leaks(rows: Sequence[ManifestRow], groups: Sequence[Group]) -> tuple[list[ManifestRow], list[Reject]]:
    """Drop the faces that leak, so that no photograph and no person lies in two parts any more.

    Returns:
        The rows that stay, and a reject for each other one.
    """
    lost: dict[str, str] = {}
    for group in groups:
        dropped = group.to_drop()
        gone = {row.id for row in dropped}
        stays = next((row for row in group.rows if row.id not in gone), None)
        for row in dropped:
            if stays is not None:
                place = f"fold {stays.fold}" if stays.fold else stays.split
                lost.setdefault(row.id, f"{group.shared} as {stays.id} in {place}; on_leak dropped it")
    kept = [row for row in rows if row.id not in lost]
    return kept, [Reject(id_, Reason.LEAK, detail) for id_, detail in lost.items()]


def leak_fault(groups: Sequence[Group]) -> str:
    """Say what ``on_leak: fail`` refuses; empty if nothing leaks."""
    leaking = [group for group in groups if group.leaks]
    if not leaking:
        return ""
    counts = Counter(group.shared for group in leaking)
    what = ", ".join(f"{number} of the {shared}" for shared, number in sorted(counts.items()))
    first = leaking[0]
    example = printable(" = ".join(row.id for row in (*first.to_drop()[:1], *_staying(first)[:1])))
    return f"{len(leaking)} groups of faces lie in two splits or folds ({what}), such as {example}; on_leak is fail"


def _staying(group: Group) -> list[ManifestRow]:
    gone = {row.id for row in group.to_drop()}
    return [row for row in group.rows if row.id not in gone]


def write_leaks(path: Path, leaks: Leaks) -> None:
    """Write ``leaks.csv``, always with its header; what lies in two parts first.

    Raises:
        StoreError: The disk refuses.
    """
    write_csv(path, HEADER, _table(leaks))


def _table(leaks: Leaks) -> Iterator[list[str]]:
    ranked = sorted(leaks.groups, key=lambda group: (not group.leaks, group.kind, group.rows[0].id))
    for number, group in enumerate(ranked, 1):
        for row, faces in _shown(group):
            likeness = (
                leaks.photographs.likeness.get(row.sha256) if group.kind in ("same-photograph", "mirrored") else None
            )
            cells = (row.id, row.split, row.fold or "", row.label, row.subject or "")
            dropped = "yes" if row.id in leaks.dropped else "no"
            more = ("" if likeness is None else f"{likeness:.2f}", str(faces), dropped)
            yield [str(number), group.kind, *(harmless(printable(cell)) for cell in (group.problem, *cells)), *more]


def _shown(group: Group) -> Iterator[tuple[ManifestRow, int]]:
    """List the rows of a group; of a person, one for each part, with the number of faces that it stands for."""
    if group.kind != "same-person":
        yield from ((row, 1) for row in group.rows)
        return
    parts: Mapping[str, list[ManifestRow]] = defaultdict(list)
    for row in group.rows:
        parts[row.fold or row.split].append(row)
    yield from ((rows[0], len(rows)) for rows in parts.values())


@dataclass(frozen=True)
class LeakRow:
    """One row of ``leaks.csv``; attributes are its columns."""

    group: int
    kind: str
    problem: str
    id: str
    split: str
    fold: str
    label: str
    subject: str
    likeness: str
    faces: int
    dropped: bool

    @classmethod
    def parse(cls, cells: Sequence[str]) -> LeakRow:
        """Read a row.

        Raises:
            ValueError: It has other cells.
        """
        group, kind, problem, id_, split, fold, label, subject, likeness, faces, dropped = map(original, cells)
        return cls(int(group), kind, problem, id_, split, fold, label, subject, likeness, int(faces), dropped == "yes")


def read_leaks(path: Path) -> list[LeakRow]:
    """Read ``leaks.csv``.

    Raises:
        DataError: The file is missing, or is no such table.
    """
    return read_csv(path, HEADER, "a table of leaks", LeakRow.parse)
