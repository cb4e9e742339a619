"""Adapter ``sfew``: Static Facial Expressions in the Wild 2.0, film stills in ``Train/Angry``, ``Val/Happy``, ``Test``.

The labels of Test were never published, so that papers report Val: it is ``test`` here, unless Test has class folders.
Source: Dhall, Goecke, Lucey and Gedeon, "Static Facial Expression Analysis in Tough Conditions", ICCV Workshops 2011.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Literal

from fer_au.datasets.base import ADAPTERS, Adapter, LayoutError, Outline, Record, Scan
from fer_au.datasets.files import Listing, check_root, first_names, list_folders, list_pictures
from fer_au.datasets.labels import (
    LabelledConfig,
    check_label_keys,
    check_subject_pattern,
    parse_label,
    parse_subject,
    tally_labels,
)
from fer_au.datasets.manifest import Split
from fer_au.datasets.recognition import fitting_text
from fer_au.datasets.tally import Place
from fer_au.rejects import Reason, Reject

CODES: dict[str | int, str | None] = {
    "Angry": "anger",
    "Disgust": "disgust",
    "Fear": "fear",
    "Happy": "happiness",
    "Neutral": "neutral",
    "Sad": "sadness",
    "Surprise": "surprise",
}
Pictures = Literal["original", "aligned"]
_PARTS = ("train", "val", "test")
_BEHIND: dict[Pictures, str] = {"original": "", "aligned": "_aligned_faces"}
_COMPLETE = {"train": 958, "val": 436}


class SfewConfig(LabelledConfig):
    """SFEW 2.0, as its authors distribute it.

    Attributes:
        pictures: Whole film stills (folders `Train`, `Val`, `Test`), or the authors' crops (`Train_Aligned_Faces` and
            so on).
    """

    pictures: Pictures = "original"


@ADAPTERS.register("sfew")
class SfewAdapter(Adapter[SfewConfig]):
    """Splits and labels are names of folders; the pictures of Test without labels are listed as such, and no loss."""

    Config = SfewConfig

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Look for the folders Train and Val with the set's own class folders, as stills or as crops."""
        folders = [_find_folders(root, pictures) for pictures in _BEHIND]
        return any(
            {"train", "val"} <= found.keys() and {*map(str, CODES)} <= {*list_folders(root / found["train"])}
            for found in folders
        )

    def scan(self, config: SfewConfig) -> Scan:
        """List the pictures of each class folder.

        Raises:
            DataError: Missing or empty root, or no folder Train and Val.
        """
        listings, splits = _list_parts(config)
        records: list[Record] = []
        rejects: list[Reject] = []
        for part, listing in listings.items():
            rejects += listing.rejects
            for path in listing.pictures:
                folder = _class_folder(path)
                label = parse_label(folder, CODES | config.label_map) if folder else None
                if label is None:
                    why = "its label was never published" if part == "test" else "lies in no class folder"
                    rejects.append(Reject(path, Reason.UNLABELLED, why))
                elif isinstance(label, str):
                    person = parse_subject(path, config.subject_pattern)
                    records.append(Record(path, label, splits[part], subject=person))
                else:
                    rejects.append(Reject(path, *label))
        notes = [*_check_keys(listings, config), *_count_notes(listings, splits)]
        notes += [line for part, listing in listings.items() for line in listing.notes(config.root / part)]
        return Scan(tuple(records), tuple(rejects), notes=tuple(notes))

    def outline(self, config: SfewConfig) -> Outline:
        """Count the pictures of each class folder.

        Raises:
            DataError: As for ``scan``.
        """
        listings, splits = _list_parts(config)
        _check_keys(listings, config)
        listed: Counter[Place] = Counter()
        for part, listing in listings.items():
            listed.update((splits[part], None, folder) for path in listing.pictures if (folder := _class_folder(path)))
        return Outline(
            frozenset(split for split, _, _ in listed),
            subjects=config.subject_pattern is not None,
            tally=tally_labels(listed, CODES | config.label_map),
        )


def _find_folders(root: Path, pictures: Pictures) -> dict[str, str]:
    """Find the folder of each part, in any case."""
    names = {name.casefold(): name for name in list_folders(root)}
    found = {part: names.get(f"{part}{_BEHIND[pictures]}") for part in _PARTS}
    return {part: name for part, name in found.items() if name}


def _list_parts(config: SfewConfig) -> tuple[dict[str, Listing], dict[str, Split]]:
    """List the pictures of each part, and say which split it is.

    Raises:
        DataError: Missing or empty root.
        LayoutError: No folders of the wanted kind of pictures.
    """
    check_root(config.root)
    folders = _find_folders(config.root, config.pictures)
    if not {"train", "val"} <= folders.keys():
        other: Pictures = "aligned" if config.pictures == "original" else "original"
        if {"train", "val"} <= _find_folders(config.root, other).keys():
            text = f"{config.root}: its folders are those of the {other} pictures: say `pictures: {other}`"
            raise LayoutError((("pictures", "root"), text))
        lacks = [f"{part.capitalize()}{_BEHIND[config.pictures].title()}" for part in ("train", "val")]
        lacks = [name for name in lacks if name.casefold() not in {one.casefold() for one in folders.values()}]
        found = first_names(list_folders(config.root)) or "none"
        text = f"{config.root}: no folder {' and no '.join(lacks)}; folders found: {found}"
        raise LayoutError((("root", "adapter"), f"{text}{fitting_text(config.root, config.adapter)}"))
    listings = {
        part: list_pictures(config.root, name, follow_links=config.follow_links) for part, name in folders.items()
    }
    told = any(_class_folder(path) for path in listings["test"].pictures) if "test" in listings else False
    splits: dict[str, Split] = {"train": "train", "val": "valid" if told else "test", "test": "test"}
    return listings, splits


def _class_folder(path: str) -> str:
    """Give the folder between that of the part and the picture; empty if there is none."""
    folders = PurePosixPath(path).parts[1:-1]
    return folders[0] if folders else ""


def _check_keys(listings: dict[str, Listing], config: SfewConfig) -> list[str]:
    paths = [path for listing in listings.values() for path in listing.pictures]
    check_subject_pattern(paths, config)
    return check_label_keys({folder for path in paths if (folder := _class_folder(path))}, config)


def _count_notes(listings: dict[str, Listing], splits: dict[str, Split]) -> list[str]:
    """Say which part is tested, and whether this is a part of the set."""
    notes = ["Val is the test split, as the labels of Test were never published"] if splits["val"] == "test" else []
    for part, number in _COMPLETE.items():
        found = sum(bool(_class_folder(path)) for path in listings[part].pictures)
        if found < number:
            notes.append(f"SFEW 2.0 has {number} pictures in {part.capitalize()}; here are {found}")
    return notes
