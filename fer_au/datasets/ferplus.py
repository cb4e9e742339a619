"""Adapter ``ferplus``: FER2013's pictures with the votes of ten people each, as the authors distribute them.

``fer2013new.csv`` has the votes and no pixels: they are joined to ``fer2013.csv`` row by row, since the numbers in its
names (``fer0000017.png``) are no numbers of rows: 173 rows have no name. The authors' own tool writes folders with a
``label.csv`` each, whose names are those of its pictures. ``votes`` has the rules that make a label of the votes.
Source: Barsoum, Zhang, Canton Ferrer and Zhang, "Training Deep Networks for Facial Expression Recognition with
Crowd-Sourced Label Distribution", ICMI 2016.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from fer_au.datasets.base import ADAPTERS, Adapter, Annotations, LayoutError, Outline, Record, Scan
from fer_au.datasets.fer2013 import Unknown, find_table, read_usage
from fer_au.datasets.files import check_below, check_root, find_near, first_names, list_pictures
from fer_au.datasets.inside import Inside
from fer_au.datasets.labels import LabelMapConfig, check_label_keys, lay_over, parse_label, tally_labels
from fer_au.datasets.manifest import Split
from fer_au.datasets.recognition import fitting_text
from fer_au.datasets.tables import MissingColumnsError, Table, read_table
from fer_au.datasets.tally import Place
from fer_au.datasets.votes import SOFT, VOTES, Mode, read_votes
from fer_au.gate import open_table
from fer_au.rejects import Reason, Reject

CODES: dict[str | int, str | None] = dict(enumerate(VOTES[:8]))
_TABLE, _PART = "fer2013new.csv", "label.csv"
_PIXELS = "fer2013.csv"
_FOLDERS: dict[str, Split] = {"FER2013Train": "train", "FER2013Valid": "valid", "FER2013Test": "test"}
_PARTS: dict[str, Split] = {name.lower(): split for name, split in _FOLDERS.items()}
_PARTED = {"image": 0, **{name: place + 2 for place, name in enumerate(VOTES)}}  # of label.csv: name, box, ten votes
_NAMED = {"usage": "Usage", "image": "Image name", **{name: name for name in VOTES}}


class FerplusConfig(LabelMapConfig):
    """FERPlus, as its authors distribute it.

    Attributes:
        mode: Rule that makes a label of the votes. `majority` takes what more than half of them say; `plurality` what
            most say, also if they are fewer than half (no vote is a slip then); `probability` the leading expressions,
            up to three, until they have three quarters of the votes; `multi-target` each that has three tenths. The
            last two give soft labels, too, for experiments with `target: soft`.
    """

    mode: Mode = "majority"


@dataclass(frozen=True)
class Face:
    """One row of votes.

    Attributes:
        path: POSIX path of its picture below the root; a name for the rejects where it has none.
        split: Its split.
        votes: Votes in the order of ``VOTES``, or what is wrong with the row.
    """

    path: str
    split: Split | Unknown | None
    votes: tuple[int, ...] | str


@dataclass
class _Found:
    """All rows, and what was found beside them."""

    faces: list[Face] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    inside: dict[str, Sequence[Inside]] = field(default_factory=dict)


@ADAPTERS.register("ferplus")
class FerplusAdapter(Adapter[FerplusConfig]):
    """Votes become a label by a rule; pictures are rows of FER2013's csv, or files that the votes name."""

    Config = FerplusConfig

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Look for the votes: the authors' table, the folders of their tool, or a table with columns as theirs."""
        return bool(_find_tables(root) or _find_parts(root))

    def scan(self, config: FerplusConfig) -> Scan:
        """Read the votes and join the pictures.

        Raises:
            DataError: Missing or empty root, no votes, or votes without pictures that fit.
        """
        found = _read(config)
        codes = lay_over(CODES, config.label_map)
        notes = [*found.notes, *_check_keys(config)]
        records: list[Record] = []
        rejects = found.rejects
        shares: dict[str, tuple[float, ...]] = {}
        for face in found.faces:
            fault = _fault(face)
            votes = fault or read_votes(face.votes if not isinstance(face.votes, str) else (), config.mode)
            if isinstance(votes, Reject):
                rejects.append(votes)
            elif isinstance(votes, str):
                rejects.append(Reject(face.path, Reason.UNLABELLED, votes))
            elif not isinstance(label := parse_label(_winner(votes), codes), str):
                rejects.append(Reject(face.path, *label))
            else:
                split = face.split if not isinstance(face.split, Unknown) else None
                records.append(Record(face.path, label, split))
                shares.setdefault(face.path, votes)
        inside = tuple(part for one in found.inside.values() for part in one)
        soft = _soft_labels(shares, codes) if config.mode in SOFT else Annotations()
        return Scan(tuple(records), tuple(rejects), soft, tuple(notes), inside)

    def outline(self, config: FerplusConfig) -> Outline:
        """Count the faces that have a label.

        Raises:
            DataError: As for ``scan``.
        """
        listed: Counter[Place] = Counter()
        for face in {face.path: face for face in reversed(_read(config).faces)}.values():
            if isinstance(face.votes, str) or isinstance(face.split, Unknown):
                continue
            votes = read_votes(face.votes, config.mode)
            if not isinstance(votes, str):
                listed[face.split, None, _winner(votes)] += 1
        _check_keys(config)
        columns = frozenset({"soft_label"} if config.mode in SOFT else ())
        splits = frozenset(split for split, _, _ in listed)
        return Outline(splits, columns=columns, tally=tally_labels(listed, lay_over(CODES, config.label_map)))


def _winner(shares: Sequence[float]) -> str:
    """Give the code of the expression with the largest share, the first of equal ones."""
    return str(max(range(len(shares)), key=shares.__getitem__))


def _fault(face: Face) -> Reject | None:
    """Say what is wrong with a row of votes."""
    if isinstance(face.votes, str):
        return Reject(face.path, Reason.BAD_ROW, face.votes)
    if isinstance(face.split, Unknown):
        detail = f"usage {face.split.text!r} is none of Training, PublicTest, PrivateTest"
        return Reject(face.path, Reason.BAD_ROW, detail)
    return None


def _soft_labels(shares: Mapping[str, tuple[float, ...]], codes: Mapping[str | int, str | None]) -> Annotations:
    """Lay out the shares of the faces, by the expressions that ``label_map`` leaves of the eight."""
    meant = {place: parse_label(str(place), codes) for place in range(len(CODES))}
    kept = {place: name for place, name in meant.items() if isinstance(name, str)}
    columns = np.array([[one[place] for place in kept] for one in shares.values()], np.float32)
    return Annotations(
        tuple(shares), {"soft_label": columns.reshape(-1, len(kept))}, {"soft_label_names": ",".join(kept.values())}
    )


def _read(config: FerplusConfig) -> _Found:
    """Read all votes, wherever they lie.

    Raises:
        LayoutError: There are none, or no pictures that fit.
    """
    check_root(config.root)
    if tables := _find_tables(config.root):
        return _read_table(tables[0], config)
    if parts := _find_parts(config.root):
        return _read_parts(parts, config)
    text = f"{config.root}: no {_TABLE}, and no folders FER2013Train, FER2013Valid, FER2013Test with a {_PART} each"
    raise LayoutError((("root", "adapter"), f"{text}{fitting_text(config.root, config.adapter)}"))


def _find_tables(root: Path) -> list[str]:
    """Find tables of votes that have a header: the authors', or others with the same columns."""
    return find_near(root, (_TABLE,)) or [path.name for path in sorted(root.glob("*.csv")) if _has_votes(path)]


def _has_votes(path: Path) -> bool:
    try:
        with open_table(path, "utf-8-sig") as file:
            header = file.readline(1000).lower()
    except (OSError, UnicodeError):
        return False
    return all(name.lower() in header for name in (_NAMED["image"], *VOTES))


def _find_parts(root: Path) -> dict[str, Split]:
    """Find the label files of the tool's folders: path below the root -> split."""
    found = {}
    for name in find_near(root, (_PART,)):
        if split := _PARTS.get(PurePosixPath(name).parent.name.lower()):
            found[name] = split
    return found


def _read_parts(parts: Mapping[str, Split], config: FerplusConfig) -> _Found:
    found = _Found()
    for name, split in parts.items():
        check_below(config.root, name, follow_links=config.follow_links)
        table = read_table(config.root / name, _PARTED, header=False, delimiter=",")
        folder = PurePosixPath(name).parent
        listing = list_pictures(config.root, folder.as_posix(), follow_links=config.follow_links)
        named = set()
        for line, cells in table.rows:
            image = table.cell(cells, "image")
            path = listing.spellings.find((folder / image).as_posix()) if image else f"{name}:{line}"
            named.add(path)
            found.faces.append(Face(path, split, _votes(table, cells) if image else "names no picture"))
        found.rejects += [
            Reject(one, Reason.UNLABELLED, f"not in {name}") for one in listing.pictures if one not in named
        ]
        found.rejects += listing.rejects
    if lacking := [name for name, split in _FOLDERS.items() if split not in parts.values()]:
        found.notes.append(f"FERPlus has more: here is no {' and no '.join(f'{name}/{_PART}' for name in lacking)}")
    return found


def _read_table(name: str, config: FerplusConfig) -> _Found:
    """Read the table of votes, and join the rows of FER2013's csv, or else pictures by name."""
    root = config.root
    check_below(root, name, follow_links=config.follow_links)
    try:
        votes = read_table(root / name, _NAMED)
    except MissingColumnsError as error:
        raise LayoutError((("root",), f"{error}; a row of FERPlus is {', '.join(_NAMED.values())}")) from error
    pixels = find_table(root, follow_links=config.follow_links)
    if pixels is None:
        return _join_names(name, votes, config)
    if pixels.count != len(votes.rows):
        text = f"{root}: {name} has {len(votes.rows)} rows, and {pixels.file} {pixels.count}"
        raise LayoutError((("root",), f"{text}; they are joined row by row, so that both must be whole"))
    found = _Found(rejects=list(pixels.rejects))
    rows = {row.number: row for row in pixels.rows}
    wanted = []
    for number, (_, cells) in enumerate(votes.rows):
        row = rows.get(number)
        if row is None:
            continue  # among the rejects
        split, theirs = read_usage({"usage": votes.cell(cells, "usage")}), read_usage(row.cells)
        if theirs is not None and theirs != split:
            uses = f"{votes.cell(cells, 'usage')!r} in {name} and {row.cells['usage']!r} in {pixels.file}"
            text = (
                f"{root}: row {number}, counted from 0, has the usage {uses}: the rows of one were sorted or left out"
            )
            raise LayoutError((("root",), text))
        found.faces.append(Face(pixels.path(row), split, _votes(votes, cells)))
        wanted.append(row)
    found.inside[pixels.file] = pixels.inside(wanted)
    return found


def _join_names(name: str, votes: Table, config: FerplusConfig) -> _Found:
    """Join pictures by the names that the votes give them, as the authors' tool names them.

    Raises:
        LayoutError: There are no such pictures.
    """
    listing = list_pictures(config.root, follow_links=config.follow_links)
    paths: dict[str, list[str]] = {}
    for path in listing.pictures:
        paths.setdefault(PurePosixPath(path).name, []).append(path)
    if not any(votes.cell(cells, "image") in paths for _, cells in votes.rows):
        there = f"; pictures found: {first_names(listing.pictures[:3])}" if listing.pictures else ""
        text = f"{config.root}: {name} has the votes alone; put FER2013's {_PIXELS} beside it, as Kaggle has it{there}"
        raise LayoutError((("root",), text))
    found = _Found(rejects=list(listing.rejects))
    named = set()
    for line, cells in votes.rows:
        image = votes.cell(cells, "image")
        split = read_usage({"usage": votes.cell(cells, "usage")})
        if not image:
            detail = "names no picture: all took it for no face"
            found.rejects.append(Reject(f"{name}:{line}", Reason.UNLABELLED, detail))
            continue
        same = paths.get(image, [image])
        if len(same) > 1:
            found.rejects.append(Reject(same[0], Reason.DUPLICATE_ID, f"{same[1]} has the same name"))
            continue
        named.add(same[0])
        found.faces.append(Face(same[0], split, _votes(votes, cells)))
    found.rejects += [Reject(one, Reason.UNLABELLED, f"not in {name}") for one in listing.pictures if one not in named]
    return found


def _votes(table: Table, cells: list[str]) -> tuple[int, ...] | str:
    texts = [table.cell(cells, name) for name in VOTES]
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        numbers = [math.nan]
    if not all(number >= 0 and number.is_integer() for number in numbers):
        return f"its votes are no {len(VOTES)} whole numbers: {' '.join(texts)}"
    return tuple(map(int, numbers))


def _check_keys(config: FerplusConfig) -> list[str]:
    return check_label_keys({*map(str, CODES), *VOTES[: len(CODES)]}, config)
