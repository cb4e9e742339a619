"""Adapter ``union``: several data sets as one, such as the aggregate of GiMeFive.

Each is read by its own adapter, from a folder below the root; ids, persons and rejects begin with that folder. Classes
are those that all sets have. What lies in two of them is told as any leak is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from fer_au.config.data import DatasetConfig
from fer_au.config.unread import no_effect
from fer_au.datasets.base import (
    ADAPTERS,
    Adapter,
    Annotations,
    LayoutError,
    Outline,
    Record,
    Scan,
    create_adapter,
    examine_dataset,
    list_records,
)
from fer_au.datasets.files import check_root
from fer_au.datasets.tally import Place, Tally
from fer_au.errors import DataError
from fer_au.expressions import EXPRESSIONS, ordered
from fer_au.home import at_home
from fer_au.rejects import Reason, Reject

_SHARED = frozenset(DatasetConfig.model_fields) - {"adapter", "root"}
Expression = Literal["neutral", "happiness", "surprise", "fear", "anger", "disgust", "sadness", "contempt"]


class UnionConfig(DatasetConfig):
    """Several data sets as one.

    Attributes:
        sets: Name -> entry of a data set, as below `datasets`; its `root` is a folder below this one's. Keys that all
            data sets have stand in the union's own entry.
        classes: Expressions that are taken: `common` takes those that all sets have, `all` every one, or a list.
    """

    sets: dict[str, dict[str, Any]] = Field(min_length=2)
    classes: Literal["common", "all"] | tuple[Expression, ...] = "common"

    @field_validator("sets")
    @classmethod
    def _right_entries(cls, sets: dict[str, dict[str, Any]], known: ValidationInfo) -> dict[str, dict[str, Any]]:
        if "root" in known.data:  # else that is the fault
            faults = [text for name, entry in sets.items() for text in _faults(name, entry, known.data["root"])]
            if faults:
                raise ValueError("; ".join(faults))
        return sets


def _faults(name: str, entry: Mapping[str, Any], root: Path) -> Iterator[str]:
    """Say what is wrong with an entry of a set, below the union's root."""
    for key in sorted(_SHARED & entry.keys()):
        yield f"{name}.{key}: {no_effect('the key of the union decides')}"
    _, found = examine_dataset(name, {key: value for key, value in entry.items() if key not in _SHARED})
    for fault in found:
        yield f"{fault.key.removeprefix('datasets.')}: {fault.text}"
    if not found and (place := _place(root, entry)) in (None, "."):
        where = "the root itself" if place == "." else "not below the union's root"
        yield f"{name}.root: {entry['root']} is {where}, {root}; ids begin with the folder of their set"


def _place(root: Path, entry: Mapping[str, Any]) -> str | None:
    """Give the folder of a set as a path below the union's root; None if it lies elsewhere."""
    own = at_home(str(entry["root"]))
    if not own.is_absolute():
        return None if ".." in own.parts else own.as_posix()
    return own.relative_to(root.absolute()).as_posix() if own.is_relative_to(root.absolute()) else None


@dataclass(frozen=True)
class Member:
    """One set of a union.

    Attributes:
        place: Its folder, as a path below the union's root.
        adapter: Its adapter.
        config: Its entry.
    """

    place: str
    adapter: Adapter[Any]
    config: DatasetConfig


@ADAPTERS.register("union")
class UnionAdapter(Adapter[UnionConfig]):
    """Each set keeps its splits; faces without one are divided by the union's fractions, all together."""

    Config = UnionConfig

    def scan(self, config: UnionConfig) -> Scan:
        """List the faces of all sets.

        Raises:
            DataError: Missing or empty root, or a set that its adapter can't read; the message names the set.
        """
        members = _members(config)
        scans = {member.place: _within(member, list_records) for member in members}
        classes = _classes({place: {one.label for one in scan.records} for place, scan in scans.items()}, config)
        folds = all(any(one.fold for one in scan.records) for scan in scans.values())
        records: list[Record] = []
        rejects: list[Reject] = []
        notes: list[str] = []
        for place, scan in scans.items():
            for record in scan.records:
                moved = _moved(record, place, folds=folds)
                if record.label in classes:
                    records.append(moved)
                else:
                    rejects.append(Reject(moved.id, Reason.UNLABELLED, f"classes leave {record.label} out"))
            rejects += (replace(one, id=f"{place}/{one.id}") for one in scan.rejects)
            notes += (f"{place}: {line}" for line in scan.notes)
        annotations, lost = _annotations(scans)
        return Scan(
            tuple(records),
            tuple(rejects),
            annotations,
            (*notes, *lost, *_part_notes(scans)),
            tuple(replace(part, file=f"{place}/{part.file}") for place, scan in scans.items() for part in scan.inside),
            tuple(scans),
        )

    def outline(self, config: UnionConfig) -> Outline | None:
        """Add up what the sets tell.

        Raises:
            DataError: As for ``scan``.
        """
        outlines = {one.place: _within(one, lambda adapter, entry: adapter.outline(entry)) for one in _members(config)}
        known = {place: outline for place, outline in outlines.items() if outline and outline.tally}
        if len(known) < len(outlines):
            return None
        tallies = {place: outline.tally for place, outline in known.items() if outline.tally}
        present = {
            place: {label for (_, _, label), number in tally.faces.items() if number}
            for place, tally in tallies.items()
        }
        classes, folds = _classes(present, config), all(tally.folds for tally in tallies.values())
        faces: Counter[Place] = Counter()
        for tally in tallies.values():
            for (split, fold, label), number in tally.faces.items():
                if label in classes:
                    faces[split, fold if folds else None, label] += number
        unknown = sum((Counter(tally.unknown) for tally in tallies.values()), Counter[str]())
        return Outline(
            frozenset(split for split, _, _ in faces),
            subjects=any(outline.subjects for outline in known.values()),
            folds=folds,
            columns=frozenset.intersection(*(outline.columns for outline in known.values())),
            tally=Tally(faces, unknown),
        )


def _members(config: UnionConfig) -> list[Member]:
    """Build the entries of the sets.

    Raises:
        DataError: The root is missing or empty, or one set's folder holds another's.
    """
    check_root(config.root)
    members = []
    for name, entry in config.sets.items():
        place = _place(config.root, entry)
        data = {**entry, "root": str(config.root / str(place)), "follow_links": config.follow_links}
        made, _ = examine_dataset(name, data)
        if made is not None and place is not None:
            members.append(Member(place, create_adapter(made.adapter), made))
    places = sorted(member.place for member in members)
    for one, other in pairwise(places):
        if f"{other}/".startswith(f"{one}/"):
            raise LayoutError((("sets",), f"sets: {one} and {other} are one folder, or one holds the other"))
    return members


def _within(member: Member, ask: Any) -> Any:  # noqa: ANN401 (what a set's adapter answers)
    """Ask a set's adapter; what it refuses is said of the set.

    Raises:
        LayoutError: It refuses.
    """
    try:
        return ask(member.adapter, member.config)
    except DataError as error:
        raise LayoutError((("sets", "root"), f"sets: {member.place}: {error}")) from error


def _classes(present: Mapping[str, set[str]], config: UnionConfig) -> frozenset[str]:
    """Choose the classes.

    Raises:
        LayoutError: No class is left, or a class that is asked for is in no set.
    """
    union, common = set[str]().union(*present.values()), set(EXPRESSIONS).intersection(*present.values())
    if config.classes == "all":
        return frozenset(union)
    if config.classes != "common":
        if absent := {*config.classes} - union:
            raise LayoutError((("classes",), f"classes: no set has {' or '.join(ordered(absent))}"))
        return frozenset(config.classes)
    if not common:
        texts = (f"{place} has {', '.join(ordered(labels)) or 'none'}" for place, labels in present.items())
        raise LayoutError((("classes", "sets"), f"classes: the sets have no expression in common: {'; '.join(texts)}"))
    return frozenset(common)


def _moved(record: Record, place: str, *, folds: bool) -> Record:
    """Say of a face where its set lies."""
    subject = f"{place}/{record.subject}" if record.subject else None
    clip = f"{place}/{record.clip}" if record.clip else None
    fold = record.fold if folds else None
    return replace(record, path=f"{place}/{record.path}", subject=subject, clip=clip, fold=fold)


def _part_notes(scans: Mapping[str, Scan]) -> list[str]:
    """Say which sets lack a part that others bring: all of theirs is trained on."""
    parts = {place: {one.split for one in scan.records} for place, scan in scans.items()}
    notes = []
    for part in ("valid", "test"):
        lacking = [place for place, splits in parts.items() if part not in splits]
        if 0 < len(lacking) < len(parts):
            notes.append(f"{', '.join(lacking)}: no {part} part of its own, as others have: it has no face in {part}")
    return notes


def _annotations(scans: Mapping[str, Scan]) -> tuple[Annotations, list[str]]:
    """Join the columns that fit together, NaN where a set has none; the lines name those that don't."""
    having = {place: scan.annotations for place, scan in scans.items() if scan.annotations.ids}
    if not having:
        return Annotations(), []
    attributes: dict[str, set[str]] = {}
    for one in having.values():
        for key, value in one.attributes.items():
            attributes.setdefault(key, set()).add(value)
    ids = [f"{place}/{id_}" for place, one in having.items() for id_ in one.ids]
    columns: dict[str, Any] = {}
    notes = [f"annotations: the sets differ in {key}" for key, values in attributes.items() if len(values) > 1]
    for name in sorted({name for one in having.values() for name in one.columns}) if not notes else ():
        found = [one.columns[name] for one in having.values() if name in one.columns]
        forms = {(values.dtype, values.shape[1:]) for values in found}
        if len(forms) > 1 or (found[0].dtype.kind != "f" and len(found) < len(scans)):
            notes.append(f"annotations: column {name} is not the same in all sets, and is left out")
            continue
        columns[name] = np.concatenate([_filled(one, name, found[0]) for one in having.values()])
    kept = {key: next(iter(values)) for key, values in attributes.items()} if columns else {}
    return Annotations(tuple(ids), columns, kept) if columns else Annotations(), notes


def _filled(annotations: Annotations, name: str, like: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Give a set's column; NaN where it has none."""
    if name in annotations.columns:
        return np.asarray(annotations.columns[name])
    return np.full((len(annotations.ids), *like.shape[1:]), np.nan, like.dtype)
