"""Adapter ``disfa``: videos of 27 people watching a film, with the intensities of twelve action units in each frame.

``ActionUnit_Labels/SN001/SN001_au12.txt`` has a line ``frame,intensity`` for each frame, from 0 (absent) to 5, and
``Videos_LeftCamera/LeftVideoSN001_comp.avi`` the frames, which many extract: ``SN001/00001.png``. The set has no
expressions. A frame gets one where its action units are a combination that FACS predicts for it, and no other's. Action
units that DISFA doesn't code can't be asked for, so that no combination of anger is left.
Sources: Mavadati, Mahoor, Bartlett, Trinh and Cohn, "DISFA: A Spontaneous Facial Action Intensity Database", 2013; of
the combinations: Ekman, Friesen and Hager, "Facial Action Coding System, Investigator's Guide", 2002.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fer_au.datasets.base import ADAPTERS, Adapter, Annotations, LayoutError, Outline, Record, Scan
from fer_au.datasets.clips import NumberedFrames
from fer_au.datasets.files import CLIP_SUFFIXES, Listing, check_root, first_names, list_folders, list_pictures
from fer_au.datasets.labels import LabelMapConfig, check_label_keys, parse_label, tally_labels
from fer_au.datasets.persons import divide_persons
from fer_au.datasets.recognition import fitting_text
from fer_au.datasets.side_files import read_side_files
from fer_au.datasets.tally import Place, Tally
from fer_au.expressions import NEUTRAL
from fer_au.rejects import Reason, Reject

UNITS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
"""Action units that are coded."""
STRONGEST = 5
COMBINATIONS: dict[str, tuple[frozenset[int], ...]] = {
    "happiness": (frozenset({6, 12}),),
    "surprise": (frozenset({1, 2, 5}), frozenset({1, 2, 26}), frozenset({5, 26})),
    "fear": (frozenset({1, 2, 4, 5}), frozenset({5, 20})),
    "disgust": (frozenset({9}),),
    "sadness": (frozenset({1, 4, 15}), frozenset({6, 15})),
}
"""Expression -> combinations, one of which is present as a whole."""
_AGAINST = {"surprise": 4}  # a brow that is lowered, too, is fear's
PARTS = (
    ("SN001", "SN002", "SN009", "SN010", "SN016", "SN026", "SN027", "SN030", "SN032"),
    ("SN006", "SN011", "SN012", "SN013", "SN018", "SN021", "SN024", "SN028", "SN031"),
    ("SN003", "SN004", "SN005", "SN007", "SN008", "SN017", "SN023", "SN025", "SN029"),
)
"""Persons of the three folds that publications on action units test on."""

_LABELS = "actionunit_labels"
_FILE = re.compile(r"(SN\d{3})_au(\d+)\.txt", re.IGNORECASE)
_PERSON = re.compile(r"SN\d{3}", re.IGNORECASE)
_CAMERA = re.compile(r"left|right", re.IGNORECASE)
_NUMBER = re.compile(r"(\d+)$")
_TEXT = b"0123456789.,; \t\r\n"
_SEPARATORS = bytes.maketrans(b",;", b"  ")


class DisfaConfig(LabelMapConfig):
    """DISFA, as its authors distribute it: videos, or frames extracted from them, and intensities of action units.

    Attributes:
        camera: Camera whose videos or frames are taken.
        every: Each how many frames one is taken, the first one always.
        present: Intensity, of 1 to 5, from which on an action unit counts as present.
        folds: Number of folds that the persons are divided into, named from 0. 3 are the published ones; for other
            numbers, the persons are taken in the order of their names, each in the next fold; 0 makes none.
    """

    camera: Literal["left", "right"] = "left"
    every: Annotated[int, Field(ge=1)] = 10
    present: Annotated[int, Field(ge=1, le=STRONGEST)] = 2
    folds: Annotated[int, Field(ge=0, le=27)] = 3

    @property
    def fold_names(self) -> tuple[str, ...]:
        """Names of the folds."""
        return tuple(map(str, range(self.folds)))


@dataclass
class _Person:
    """What lies there of one person.

    Attributes:
        video: Path of the video.
        frames: Number of a frame, from 1 -> path of its extracted picture.
        intensities: Number of a frame -> intensities (12,), NaN where unknown.
    """

    video: str | None = None
    frames: dict[int, str] = field(default_factory=dict)
    intensities: dict[int, NDArray[np.float32]] = field(default_factory=dict)


@ADAPTERS.register("disfa")
class DisfaAdapter(Adapter[DisfaConfig]):
    """Persons stay in one fold. Frames without an expression are told in one row of the rejects for each person."""

    Config = DisfaConfig

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Look for the folder of labels."""
        return _labels_folder(root) is not None

    def scan(self, config: DisfaConfig) -> Scan:
        """List the frames that show an expression, and their intensities.

        Raises:
            DataError: Missing or empty root, no labels, or neither videos nor frames of the camera.
        """
        persons, listing, rejects, notes = _read(config)
        folds = _divide(persons, config)
        records: list[Record] = []
        inside: list[NumberedFrames] = []
        rows: list[NDArray[np.floating]] = []
        for name, person in persons.items():
            if fault := _fault(person):
                rejects.append(Reject(name, *fault))
                continue
            taken: list[int] = []
            seen = _expressions(person, config)
            for number, text in seen:
                path = f"{person.video}/{NumberedFrames.name(number)}" if person.video else person.frames.get(number)
                label = parse_label(text, config.label_map)
                if not text:
                    continue
                if path is None:
                    rejects.append(Reject(f"{name}/{number}", Reason.MISSING_FILE, f"no picture of frame {number}"))
                elif not isinstance(label, str):
                    rejects.append(Reject(path, *label))
                else:
                    records.append(Record(path, label, fold=folds[name], subject=name, clip=person.video or name))
                    rows.append(person.intensities[number] / STRONGEST)
                    taken.append(number)
            if none := sum(not text for _, text in seen):
                what = f"{none} of {len(seen)} frames that were looked at show no expression, or several"
                rejects.append(Reject(name, Reason.UNLABELLED, what))
            if person.video and taken:
                inside.append(NumberedFrames(person.video, tuple(taken)))
        annotations = Annotations(
            tuple(record.id for record in records),
            {"au": np.array(rows, np.float32).reshape(-1, len(UNITS))},
            {"au_names": ",".join(f"AU{unit}" for unit in UNITS)},
        )
        found = (*notes, *listing.notes(config.root, "frame or label file"))
        return Scan(tuple(records), tuple(rejects), annotations, found, tuple(inside))

    def outline(self, config: DisfaConfig) -> Outline:
        """Count the frames that show an expression.

        Raises:
            DataError: As for ``scan``.
        """
        persons, _, _, _ = _read(config)
        folds = _divide(persons, config)
        listed: Counter[Place] = Counter()
        for name, person in persons.items():
            for number, text in _expressions(person, config) if not _fault(person) else ():
                if text and (person.video or number in person.frames):
                    listed[None, folds[name], text] += 1
        return _outline(config, tally_labels(listed, config.label_map))

    def sketch(self, config: DisfaConfig) -> Outline:
        """Name the folds, which the entry alone decides."""
        return _outline(config)


def _outline(config: DisfaConfig, tally: Tally | None = None) -> Outline:
    folds, names = config.folds > 0, config.fold_names
    return Outline(subjects=True, folds=folds, columns=frozenset({"au"}), fold_names=names, tally=tally)


def _labels_folder(root: Path) -> str | None:
    """Find the folder of labels in a root, or in a folder below it, as a path below the root."""
    names = list_folders(root)
    places = [*names, *(f"{name}/{below}" for name in names for below in list_folders(root / name))]
    return next((place for place in places if PurePosixPath(place).name.casefold() == _LABELS), None)


def _read(config: DisfaConfig) -> tuple[dict[str, _Person], Listing, list[Reject], list[str]]:
    """Read what lies there of each person, and all faults but those of single persons.

    Raises:
        DataError: Missing or empty root.
        LayoutError: No labels, or neither videos nor frames of the camera.
    """
    check_root(config.root)
    labels = _labels_folder(config.root)
    if labels is None:
        there = first_names(list_folders(config.root)) or "none"
        text = (
            f"{config.root}: no folder ActionUnit_Labels, which lies in an archive of its own; folders found: {there}"
        )
        raise LayoutError((("root", "adapter"), f"{text}{fitting_text(config.root, config.adapter)}"))
    listing = list_pictures(config.root, follow_links=config.follow_links)
    persons: dict[str, _Person] = defaultdict(_Person)
    rejects = list(listing.rejects)
    notes = _find_frames(persons, listing, config)
    if not persons:
        text = f"{config.root}: neither a video nor a frame of camera {config.camera}, such as LeftVideoSN001_comp.avi"
        text += listing.links_text or "; the cameras' videos lie in an archive each"
        raise LayoutError((("camera", "root"), text))
    files = {path: found for path in listing.others if (found := _FILE.fullmatch(PurePosixPath(path).name))
             and path.startswith(f"{labels}/")}  # fmt: skip
    listing.others = [path for path in listing.others if path not in files]
    read = read_side_files(config.root, list(files), "read action units", follow_links=config.follow_links)
    for path, data in read.items():
        name, unit = files[path][1].upper(), int(files[path][2])
        if unit not in UNITS:
            rejects.append(Reject(path, Reason.BAD_ROW, f"AU{unit} is none of DISFA's"))
        elif isinstance(data, Reject):
            rejects.append(data)
        else:
            values, faults = read_intensities(data)
            rejects += (Reject(f"{path}:{line}", Reason.BAD_ROW, text) for line, text in faults)
            known = persons[name].intensities
            for number, value in values.items():
                known.setdefault(number, np.full(len(UNITS), np.nan, np.float32))[UNITS.index(unit)] = value
    people = dict(sorted(persons.items()))
    rejects += _without_units(people)
    notes += check_label_keys(
        {text for one in people.values() for _, text in _expressions(one, config) if text}, config
    )
    complete = sum(map(len, PARTS))
    if (whole := sum(not _fault(one) for one in people.values())) < complete:
        notes.append(f"DISFA has {complete} persons; here are {whole} with frames and labels")
    return people, listing, rejects, notes


def _find_frames(persons: dict[str, _Person], listing: Listing, config: DisfaConfig) -> list[str]:
    """Find the videos and the extracted frames of the camera; return lines about those that are passed over."""
    other: list[str] = []
    doubled: set[str] = set()
    videos = [path for path in listing.others if PurePosixPath(path).suffix.lower() in CLIP_SUFFIXES]
    taken: set[str] = set()
    for path in (*videos, *listing.pictures):
        found, cameras = _PERSON.findall(path), {one.lower() for one in _CAMERA.findall(path)}
        if not found:
            continue
        taken.add(path)
        if cameras and cameras != {config.camera}:
            other.append(path)
            continue
        person, number = persons[found[-1].upper()], _NUMBER.search(PurePosixPath(path).stem)
        if path in videos and person.video is None:
            person.video = path
        elif path not in videos and number and person.video is None and int(number[1]) not in person.frames:
            person.frames[int(number[1])] = path
        else:
            doubled.add(path)
    listing.others = sorted({*listing.others, *listing.pictures} - taken)
    notes = [f"passed over, {len(other)} of the other camera: {first_names(sorted(other))}"] if other else []
    if doubled:
        notes.append(f"passed over, {len(doubled)} of frames that are there already: {first_names(sorted(doubled))}")
    for person in persons.values():
        if 0 in person.frames:  # counted from 0, as programs do; the labels count from 1
            person.frames = {number + 1: path for number, path in person.frames.items()}
    return notes


def _without_units(persons: Mapping[str, _Person]) -> list[Reject]:
    """Tell of each person that has some intensities of which action units there are none: its frames get no label."""
    found = []
    for name, person in persons.items():
        values = np.array(list(person.intensities.values())).reshape(-1, len(UNITS))
        absent = [f"AU{unit}" for unit, known in zip(UNITS, np.isfinite(values).any(axis=0), strict=True) if not known]
        if len(values) and absent:
            found.append(Reject(name, Reason.MISSING_FILE, f"no intensities of {', '.join(absent)}"))
    return found


def read_intensities(data: bytes) -> tuple[dict[int, float], list[tuple[int, str]]]:
    """Read lines ``frame,intensity``.

    Returns:
        Number of a frame -> its intensity, 0 to 5; and numbers of lines that can't be read, each with the reason. A
        frame of which two lines say different things has none.
    """
    lines = data.removeprefix(b"\xef\xbb\xbf").splitlines()
    if not data.translate(None, _TEXT):  # the usual file, read as a whole
        numbers = np.array(b" ".join(lines).translate(_SEPARATORS).split(), np.float64) if b"." not in data else None
        filled = sum(bool(line.strip()) for line in lines)
        if numbers is not None and len(numbers) == 2 * filled:
            frames, values = numbers.reshape(-1, 2).T
            if len(np.unique(frames)) == len(frames) and (values <= STRONGEST).all():
                return dict(zip(frames.astype(int).tolist(), values.tolist(), strict=True)), []
    found: dict[int, float] = {}
    faults: list[tuple[int, str]] = []
    for place, line in enumerate(lines, 1):
        cells = line.translate(_SEPARATORS).decode("utf-8", "replace").split()
        if not cells:
            continue
        try:
            number, value = (float(cell) for cell in cells)
        except ValueError:
            faults.append((place, f"{line.decode('utf-8', 'replace').strip()[:40]!r} is no `frame,intensity`"))
            continue
        if not (number >= 1 and number.is_integer() and 0 <= value <= STRONGEST):
            faults.append((place, f"frame {cells[0]}, intensity {cells[1]}; expected 1 or more, and 0 to {STRONGEST}"))
        elif found.setdefault(int(number), value) != value:
            faults.append((place, f"frame {int(number)} has another intensity in an earlier line"))
            found[int(number)] = np.nan
    return found, faults


def _divide(persons: Mapping[str, _Person], config: DisfaConfig) -> dict[str, str | None]:
    """Name the fold of each person.

    Raises:
        LayoutError: A person is in none of the published folds, or there are more folds than persons.
    """
    if config.folds != len(PARTS):
        return divide_persons(list(persons), config.folds)
    known = {name: str(place) for place, names in enumerate(PARTS) for name in names}
    if unknown := [name for name in persons if name not in known]:
        text = f"the 3 published folds don't have {first_names(unknown)}; say another number, or 0 for none"
        raise LayoutError((("folds",), text))
    return {name: known[name] for name in persons}


def _fault(person: _Person) -> tuple[Reason, str] | None:
    """Say why nothing of a person can be used; None if something can."""
    if not person.video and not person.frames:
        return Reason.MISSING_FILE, f"{len(person.intensities)} frames have labels, and there is no video and no frame"
    if not person.intensities:
        return Reason.UNLABELLED, "its frames have no action units"
    return None


def _expressions(person: _Person, config: DisfaConfig) -> list[tuple[int, str]]:
    """Name the expression of each frame that is looked at; empty where its action units tell none."""
    numbers = sorted(person.intensities)[:: config.every]
    values = np.array([person.intensities[number] for number in numbers]).reshape(-1, len(UNITS))
    return list(zip(numbers, name_expressions(values, config.present), strict=True))


def name_expressions(intensities: NDArray[np.floating], present: int) -> list[str]:
    """Name the expressions that action units tell.

    Args:
        intensities: (N, 12), in the order of ``UNITS``; NaN where unknown.
        present: Least intensity of an action unit that counts.

    Returns:
        N names: neutral where all are known to be 0; an expression of which one combination is present, where no
        other's is; else an empty text.
    """
    there = {unit: intensities[:, place] >= present for place, unit in enumerate(UNITS)}
    seen: dict[str, NDArray[np.bool_]] = {NEUTRAL: np.asarray((intensities == 0).all(axis=1), np.bool_)}
    for name, combinations in COMBINATIONS.items():
        whole = [np.all([there[unit] for unit in units], axis=0) for units in combinations]
        seen[name] = np.any(whole, axis=0)
        if name in _AGAINST:
            seen[name] &= ~there[_AGAINST[name]]
    names: Sequence[str] = list(seen)
    matrix = np.stack([seen[name] for name in names], axis=1)
    return [names[row.argmax()] if row.sum() == 1 else "" for row in matrix]
