"""Adapter ``ckplus``: the extended Cohn-Kanade set, sequences from a neutral face to the peak of an expression.

``cohn-kanade-images/S005/001/S005_001_00000011.png`` is a frame; ``Emotion/S005/001/S005_001_00000011_emotion.txt``
holds one number, the code of the sequence. 327 of the 593 sequences have one. The last frames are the expression.
Source: Lucey, Cohn, Kanade, Saragih, Ambadar and Matthews, "The Extended
Cohn-Kanade Dataset (CK+)", CVPR Workshops 2010.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import Field

from fer_au.datasets.base import ADAPTERS, Adapter, LayoutError, Outline, Record, Scan
from fer_au.datasets.files import Listing, check_below, check_root, first_names, list_folders, list_pictures
from fer_au.datasets.labels import check_label_keys, parse_label, tally_labels
from fer_au.datasets.persons import FoldedConfig, divide_persons
from fer_au.datasets.recognition import fitting_text
from fer_au.datasets.tally import Place
from fer_au.expressions import NEUTRAL
from fer_au.gate import TABLES, read_bytes
from fer_au.rejects import Reason, Reject

CODES: dict[str | int, str | None] = {
    0: "neutral",
    1: "anger",
    2: "contempt",
    3: "disgust",
    4: "fear",
    5: "happiness",
    6: "sadness",
    7: "surprise",
}
_IMAGES = ("cohn-kanade-images", "extended-cohn-kanade-images")
_LABELS = ("emotion", "emotion_labels")
_ENDING = "_emotion.txt"
_FRAME = re.compile(r"S\d+_\d+_\d+", re.IGNORECASE)
_COMPLETE = (327, 118)  # sequences with a label, and their persons


class CkplusConfig(FoldedConfig):
    """CK+, as its authors distribute it: frames, and a code of each labelled sequence.

    Attributes:
        last_frames: Number of frames at the end of a sequence that show its expression.
        first_as_neutral: Whether the first frame of each labelled sequence is a neutral face.
    """

    last_frames: Annotated[int, Field(ge=1, le=100)] = 3
    first_as_neutral: bool = False


@dataclass
class Sequence:
    """One sequence.

    Attributes:
        frames: POSIX paths of its frames below the root, in their order.
        codes: Files with its code, as paths below the root -> the code; empty where the file can't be read as one.
    """

    frames: list[str] = field(default_factory=list)
    codes: dict[str, str] = field(default_factory=dict)


@ADAPTERS.register("ckplus")
class CkplusAdapter(Adapter[CkplusConfig]):
    """Folders say person and sequence. A sequence without a label is one row of the rejects, and no loss."""

    Config = CkplusConfig

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Look for the folders of images and of emotions."""
        return _find_folder(root, _IMAGES) is not None and _find_folder(root, _LABELS) is not None

    def scan(self, config: CkplusConfig) -> Scan:
        """Take the last frames of each labelled sequence, and its first one where the entry says so.

        Raises:
            DataError: Missing or empty root, or no folder of images or of emotions.
        """
        sequences, listing, notes = _read(config)
        folds = divide_persons([_person(place) for place, one in sequences.items() if one.codes], config.folds)
        records: list[Record] = []
        rejects = list(listing.rejects)
        for place, sequence in sequences.items():
            fault = _fault(sequence)
            if fault is not None:
                rejects.append(Reject(place, *fault))
                continue
            for path, code in _taken(sequence, config):
                label = parse_label(code, CODES | config.label_map)
                if isinstance(label, str):
                    person = _person(place)
                    records.append(Record(path, label, fold=folds[person], subject=person))
                else:
                    rejects.append(Reject(path, *label))
        return Scan(tuple(records), tuple(rejects), notes=(*notes, *listing.notes(config.root)))

    def outline(self, config: CkplusConfig) -> Outline:
        """Count the frames that are taken.

        Raises:
            DataError: As for ``scan``.
        """
        sequences, _, _ = _read(config)
        folds = divide_persons([_person(place) for place, one in sequences.items() if one.codes], config.folds)
        listed: Counter[Place] = Counter()
        for place, sequence in sequences.items():
            if _fault(sequence) is None:
                listed.update((None, folds[_person(place)], code) for _, code in _taken(sequence, config))
        return Outline(
            subjects=True,
            folds=config.folds > 0,
            fold_names=config.fold_names,
            tally=tally_labels(listed, CODES | config.label_map),
        )

    def sketch(self, config: CkplusConfig) -> Outline:
        """Name the folds, which the entry alone decides."""
        return Outline(subjects=True, folds=config.folds > 0, fold_names=config.fold_names)


def _find_folder(root: Path, names: tuple[str, ...]) -> str | None:
    return next((name for name in list_folders(root) if name.casefold() in names), None)


def _read(config: CkplusConfig) -> tuple[dict[str, Sequence], Listing, list[str]]:
    """Read frames and codes: place of a sequence, as a path below the root -> the sequence.

    Raises:
        DataError: Missing or empty root.
        LayoutError: A folder is missing, or no sequence has a label.
    """
    check_root(config.root)
    images, labels = (_find_folder(config.root, names) for names in (_IMAGES, _LABELS))
    if images is None or labels is None:
        lacks = [name for name, found in ((_IMAGES[0], images), (_LABELS[0].title(), labels)) if found is None]
        there = first_names(list_folders(config.root)) or "none"
        text = f"{config.root}: no folder {' and no '.join(lacks)}; CK+ has both, each in an archive of its own"
        fit = fitting_text(config.root, config.adapter)
        raise LayoutError((("root", "adapter"), f"{text}; folders found: {there}{fit}"))
    sequences: dict[str, Sequence] = defaultdict(Sequence)
    listing = list_pictures(config.root, images, follow_links=config.follow_links)
    for path in listing.pictures:
        parts = PurePosixPath(path).parts
        if len(parts) == 4 and not _FRAME.fullmatch(PurePosixPath(path).stem):
            listing.rejects.append(Reject(path, Reason.UNLABELLED, "named like no frame, as S005_001_00000011.png is"))
        elif len(parts) == 4:
            sequences["/".join(parts[:3])].frames.append(path)
        else:
            listing.rejects.append(Reject(path, Reason.UNLABELLED, "lies in no folder of a person's sequence"))
    for place, file, text in _read_codes(config, images, labels):
        sequences[place].codes[file] = text
    found = dict(sorted(sequences.items()))
    coded = [place for place, one in found.items() if one.codes]
    if not coded:
        raise LayoutError((("root",), f"{config.root / labels}: no file ends in {_ENDING}: no sequence has a label"))
    notes = check_label_keys({code for _, one in found.items() for _, code in _taken(one, config)}, config)
    persons = len({_person(place) for place in coded})
    if len(coded) < _COMPLETE[0]:
        number, all_persons = _COMPLETE
        notes.append(
            f"CK+ has {number} sequences with a label, of {all_persons} persons; here are {len(coded)} of {persons}"
        )
    return found, listing, notes


def _read_codes(config: CkplusConfig, images: str, labels: str) -> Iterator[tuple[str, str, str]]:
    """Read the files of codes: place of the sequence, path of the file, and its code; empty if it isn't one number."""
    for path in list_pictures(config.root, labels, follow_links=config.follow_links).others:
        parts = PurePosixPath(path).parts
        if len(parts) == 4 and parts[3].casefold().endswith(_ENDING):
            check_below(config.root, path, follow_links=config.follow_links)
            try:
                words = read_bytes(config.root / path, TABLES).decode("utf-8-sig", "replace").split()
            except OSError:
                words = []
            yield f"{images}/{parts[1]}/{parts[2]}", path, words[0] if len(words) == 1 else ""


def _person(place: str) -> str:
    return place.split("/")[1]


def _fault(sequence: Sequence) -> tuple[Reason, str] | None:
    """Say why a sequence can't be used; None if it can."""
    frames = f"a sequence of {len(sequence.frames)} frames"
    if not sequence.codes:
        return Reason.UNLABELLED, f"{frames} without a label"
    files = " and ".join(sorted(sequence.codes))
    if not sequence.frames:
        return Reason.MISSING_FILE, f"{files} names it, and it has no frames"
    codes = {*sequence.codes.values()}
    if "" in codes:
        return Reason.BAD_ROW, f"{files} holds no single number"
    if len(codes) > 1:
        return Reason.CONFLICTING_LABELS, f"{files} hold {' and '.join(sorted(codes))}"
    return None


def _taken(sequence: Sequence, config: CkplusConfig) -> Iterator[tuple[str, str]]:
    """List the frames of a sequence that are taken, with their codes; a first frame that is neutral is nothing else."""
    if not sequence.frames or not sequence.codes:
        return
    rest = sequence.frames
    if config.first_as_neutral:
        yield rest[0], _NEUTRAL_CODE
        rest = rest[1:]
    for path in rest[-config.last_frames :]:
        yield path, next(iter(sequence.codes.values()))


_NEUTRAL_CODE = str(next(code for code, name in CODES.items() if name == NEUTRAL))
