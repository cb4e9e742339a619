"""Adapter ``fer2013``: the csv of pixels as the contest and Kaggle distribute it, or Kaggle's folders of classes.

PublicTest is ``valid`` and PrivateTest ``test``, as in the contest. Kaggle's folders merge both as ``test/``; names of
the pictures part them again. The csv's codes are not positions in the alphabet, which most readers of the folders use.
Source: Goodfellow et al., "Challenges in Representation Learning: A Report on Three Machine Learning Contests", 2013.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from fer_au.datasets.base import ADAPTERS, Adapter, LayoutError, Outline, Record, Scan
from fer_au.datasets.files import Listing, check_below, check_root, find_near, first_names, list_folders, list_pictures
from fer_au.datasets.labels import LabelMapConfig, check_coded_keys, lay_over, parse_label, parse_split, tally_labels
from fer_au.datasets.manifest import Split
from fer_au.datasets.pixel_table import PIXELS, PixelTable, read_pixel_table
from fer_au.datasets.recognition import fitting_text, sample_pictures
from fer_au.datasets.tally import Place
from fer_au.gate import open_table
from fer_au.rejects import Reason, Reject

CODES: dict[str | int, str | None] = {
    0: "anger",
    1: "disgust",
    2: "fear",
    3: "happiness",
    4: "sadness",
    5: "surprise",
    6: "neutral",
}
TABLES = ("fer2013.csv", "icml_face_data.csv", "train.csv")
"""Names of the table: the contest's and Kaggle's, which have all rows, and Kaggle's with the training rows alone."""
COLUMNS = {"emotion": "the label"}
_USAGE = "usage"
_VOTES = "fer2013new.csv"  # of FERPlus, which has the same table beside it
_USAGES = ("training", "publictest", "privatetest")
_COMPLETE: dict[Split, int] = {"train": 28_709, "valid": 3_589, "test": 3_589}
_OTHERWISE = f"{' or '.join(TABLES)}, nor folders train and test of classes (angry, disgust, ...)"


class Fer2013Config(LabelMapConfig):
    """FER2013, as its owners and Kaggle distribute it; no further keys."""


@ADAPTERS.register("fer2013")
class Fer2013Adapter(Adapter[Fer2013Config]):
    """Rows of the csv become pictures, called by their number from 0; names of pictures in folders give their split."""

    Config = Fer2013Config

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Look for the table, or for pictures that are called by their use, and lie in folders of classes."""
        if find_near(root, (_VOTES,)):
            return False
        if find_near(root, TABLES[:-1]) or any(_begins_with_pixels(root / one) for one in find_near(root, TABLES[-1:])):
            return True
        paths = [PurePosixPath(path) for path in sample_pictures(root)]
        named = [path for path in paths if path.name.partition("_")[0].lower() in _USAGES]
        return 2 * sum(parse_split(path.parent.name) is None for path in named) > len(paths)

    def scan(self, config: Fer2013Config) -> Scan:
        """Read the table, or list the pictures of the folders.

        Raises:
            DataError: Missing or empty root, or neither table nor folders.
        """
        check_root(config.root)
        table = find_table(config.root, follow_links=config.follow_links)
        scan = _scan_folders(config) if table is None else _scan_table(table, config)
        return replace(scan, notes=(*_part_notes(scan.records), *scan.notes))

    def outline(self, config: Fer2013Config) -> Outline:
        """Count the rows, or the pictures of the folders.

        Raises:
            DataError: As for ``scan``.
        """
        check_root(config.root)
        table = find_table(config.root, follow_links=config.follow_links)
        if table is None:
            found = [(place.split, place.label) for place in _read_places(_list_folders(config), config).values()]
            _check_numbers({label.strip() for _, label in found}, config)
        else:
            found = [(read_usage(row.cells), row.cells["emotion"]) for row in table.rows]
        check_coded_keys({label for _, label in found}, CODES, config)
        listed: Counter[Place] = Counter(
            (split, None, label) for split, label in found if not isinstance(split, Unknown) and label
        )
        splits = frozenset(split for split, _, _ in listed)
        return Outline(splits, tally=tally_labels(listed, lay_over(CODES, config.label_map)))


@dataclass(frozen=True)
class Unknown:
    """A word for a use that is none of a picture's."""

    text: str


def read_usage(cells: Mapping[str, str]) -> Split | Unknown | None:
    """Read the split of a row; None in a table that has none."""
    if _USAGE not in cells:
        return None
    return parse_split(cells[_USAGE]) or Unknown(cells[_USAGE])


def find_table(root: Path, *, follow_links: bool) -> PixelTable | None:
    """Read the table of pixels in a root, or in a folder below it; None where there is none.

    Raises:
        DataError: It can't be read, or lacks its label.
    """
    names = [name for name in find_near(root, TABLES) if PurePosixPath(name).name.lower() != TABLES[-1]]
    alone = [name for name in find_near(root, TABLES[-1:]) if _begins_with_pixels(root / name)]
    for name in (*sorted(names, key=_rank), *alone):
        check_below(root, name, follow_links=follow_links)
        return read_pixel_table(root, name, COLUMNS, (_USAGE,))
    return None


def _rank(name: str) -> tuple[int, str]:
    return TABLES.index(PurePosixPath(name).name.lower()), name


def _begins_with_pixels(path: Path) -> bool:
    """Tell whether a table of a name that many have begins as one of pixels does; not where it can't be read."""
    try:
        with open_table(path, "latin-1") as file:
            return PIXELS in file.readline(1000).lower()
    except OSError:
        return False


def _scan_table(table: PixelTable, config: Fer2013Config) -> Scan:
    codes = lay_over(CODES, config.label_map)
    notes = check_coded_keys({row.cells["emotion"] for row in table.rows}, CODES, config)
    records: list[Record] = []
    rejects = list(table.rejects)
    rows = []
    for row in table.rows:
        label, split, path = parse_label(row.cells["emotion"], codes), read_usage(row.cells), table.path(row)
        if not isinstance(label, str):
            rejects.append(Reject(path, *label))
        elif isinstance(split, Unknown):
            detail = f"usage {split.text!r} is none of Training, PublicTest, PrivateTest"
            rejects.append(Reject(path, Reason.BAD_ROW, detail))
        else:
            records.append(Record(path, label, split))
            rows.append(row)
    if _USAGE not in table.columns:
        notes.append(f"{table.file} has no column Usage: all its rows are train")
    return Scan(tuple(records), tuple(rejects), notes=tuple(notes), inside=table.inside(rows))


@dataclass(frozen=True)
class _PlaceOf:
    """What the folders and the name of a picture say: its split, its class folder, and whether they agree."""

    split: Split | Unknown | None
    label: str
    fault: str = ""


def _read_places(listing: Listing, config: Fer2013Config) -> dict[str, _PlaceOf]:
    """Read split and class of each picture; the name of a picture parts what Kaggle's folder ``test`` merges."""
    found = {}
    for path in listing.pictures:
        parts = PurePosixPath(path).parts
        at = next((place for place, part in enumerate(parts[:-1]) if parse_split(part)), None)
        if at is None or at + 2 >= len(parts):
            found[path] = _PlaceOf(None, "", "lies in no class folder of train or test")
            continue
        folder, named = parse_split(parts[at]), None
        if (word := parts[-1].partition("_")[0].lower()) in _USAGES:
            named = parse_split(word)
        fault = ""
        if named and folder != named and not (folder == "test" and named == "valid"):
            fault = f"its folder says {parts[at]}, its name {parts[-1].partition('_')[0]}"
        found[path] = _PlaceOf(named or folder, parts[at + 1], fault)
    return found


def _list_folders(config: Fer2013Config) -> Listing:
    """List the pictures of the folders of splits, in the root or in a folder below it.

    Raises:
        LayoutError: There are no such folders.
    """
    names = list_folders(config.root)
    inner = [one for name in names for one in list_folders(config.root / name)]
    if not any(parse_split(name) for name in (*names, *inner)):
        found = first_names(names) or "none"
        text = f"{config.root}: no {_OTHERWISE}; folders found: {found}"
        raise LayoutError((("root", "adapter"), f"{text}{fitting_text(config.root, config.adapter)}"))
    return list_pictures(config.root, follow_links=config.follow_links)


def _scan_folders(config: Fer2013Config) -> Scan:
    listing = _list_folders(config)
    places = _read_places(listing, config)
    _check_numbers({place.label.strip() for place in places.values()}, config)
    notes = check_coded_keys({place.label for place in places.values() if place.label}, CODES, config)
    codes = lay_over(CODES, config.label_map)
    records: list[Record] = []
    rejects = list(listing.rejects)
    for path, place in places.items():
        if not place.label:
            rejects.append(Reject(path, Reason.UNLABELLED, place.fault))
            continue
        label = parse_label(place.label, codes)
        if not isinstance(label, str):
            rejects.append(Reject(path, *label))
        elif place.fault or isinstance(place.split, Unknown):
            rejects.append(Reject(path, Reason.BAD_ROW, place.fault))
        else:
            records.append(Record(path, label, place.split))
    return Scan(tuple(records), tuple(rejects), notes=(*_folder_notes(places), *notes, *listing.notes(config.root)))


def _check_numbers(folders: Collection[str], config: Fer2013Config) -> None:
    """Refuse class folders whose numbers are another set's codes: most of them would be read, and wrongly.

    Raises:
        LayoutError: There are numbers, and one is no code.
    """
    known = {*map(str, CODES), *map(str, config.label_map)}
    odd = sorted(name for name in folders if name.isdecimal() and name not in known)
    if odd:
        text = f"{config.root}: class folders {first_names(odd)} are no codes of FER2013, which are 0 to 6"
        raise LayoutError((("root", "adapter"), f"{text}{fitting_text(config.root, config.adapter)}"))


def _folder_notes(places: Mapping[str, _PlaceOf]) -> list[str]:
    """Say what the folders leave open: which part a picture of test belongs to, and what numbers of classes mean."""
    notes = []
    named = [PurePosixPath(path).name.partition("_")[0].lower() in _USAGES for path in places]
    if places and not any(named):
        notes.append("no picture's name says PublicTest or PrivateTest: folder test is test as it stands")
    if any(place.label.strip().isdecimal() for place in places.values()):
        notes.append(
            "class folders are numbers, taken as the codes of fer2013.csv (4 is sadness, 6 neutral); if they count the "
            "alphabet (4 is neutral, 6 surprise), say `label_map: {4: neutral, 5: sadness, 6: surprise}`"
        )
    return notes


def _part_notes(records: Sequence[Record]) -> list[str]:
    """Say which part of the set is here."""
    counts = Counter(record.split for record in records)
    lacking = [f"{counts[split]} of {number} {split}" for split, number in _COMPLETE.items() if counts[split] < number]
    return [f"FER2013 has more: here are {', '.join(lacking)}"] if lacking and counts[None] == 0 else []
