"""Forms in which AffectNet lies on disks: tables, arrays beside pictures, or folders of classes.

* tables: ``training.csv`` and ``validation.csv``, with or without a header, whose paths start from the folder
  ``Manually_Annotated_Images``; boxes and 68 points lie in the whole pictures.
* arrays: ``train_set`` and ``val_set`` of the small release, with ``images/7.jpg`` and ``annotations/7_exp.npy``, whose
  points lie in the crops; arrays hold numbers, or texts in some copies.
* folders: ``train/3/...`` and ``val/3/...``, by codes or by names of classes; a copy on Kaggle, which mixes in faces of
  FFHQ, has folders of classes alone.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

import numpy as np

from fer_au.datasets.base import LayoutError
from fer_au.datasets.files import Listing, check_below, find_near, list_folders, list_pictures
from fer_au.datasets.labels import Fault, parse_split
from fer_au.datasets.manifest import Box, Split
from fer_au.datasets.points import Points, parse_points, to_points
from fer_au.datasets.recognition import sample_pictures
from fer_au.datasets.side_files import read_side_files
from fer_au.datasets.spelling import says_nothing
from fer_au.datasets.tables import Column, Table, read_table
from fer_au.errors import DataError
from fer_au.expressions import parse_expression
from fer_au.gate import open_table
from fer_au.rejects import Reason, Reject
from fer_au.terminal import counted

Part = Literal["train", "valid"]
_TABLES: dict[str, Part] = {"training.csv": "train", "validation.csv": "valid"}
_COLUMNS = (
    "subDirectory_filePath",
    "face_x",
    "face_y",
    "face_width",
    "face_height",
    "facial_landmarks",
    "expression",
)
_MEANINGS = ("image", "x", "y", "width", "height", "points", "expression")
_IMAGES = "Manually_Annotated"  # begins the names of folders that hold the pictures
_LISTS = "Manually_Annotated_file_lists"  # holds the tables, as the owners pack them
_SETS: dict[str, Part] = {"train_set": "train", "val_set": "valid"}
_CODES = {str(number) for number in range(8)}
_KAGGLE = "ffhq_"  # begins the names of pictures that a copy on Kaggle has added


@dataclass(frozen=True)
class Item:
    """One face, as a form has it.

    Attributes:
        path: POSIX path of the picture below the root.
        part: Part of the set; None in a copy without parts.
        code: Expression, as it is written.
        box: Box of the face, or what is wrong with it.
        points: 68 points, or what is wrong with them; None where there are none.
        fault: Why the face can't be used.
    """

    path: str
    part: Part | None
    code: str
    box: Box | str | None = None
    points: Points | str | None = None
    fault: Fault | None = None

    def split(self, validation: Split) -> Split | None:
        """Give the split, where the validation part is ``validation``; None in a copy without parts."""
        return validation if self.part == "valid" else self.part


@dataclass
class Found:
    """All that a form has.

    Attributes:
        items: Faces.
        listings: Folder below the root -> what is in it.
        images: Folder that names of pictures start from.
        rejects: Rows that are no faces.
        own: Files that were read.
        notes: Lines for people.
        points_from: Place of the points, for messages.
    """

    items: list[Item] = field(default_factory=list)
    listings: dict[str, Listing] = field(default_factory=dict)
    images: str = "."
    rejects: list[Reject] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    points_from: str = ""


class Form(ABC):
    """One form of the set.

    Attributes:
        wanted: What a folder of this form holds, for messages.
    """

    wanted: ClassVar[str]

    @abstractmethod
    def parts(self, root: Path) -> Mapping[str, Part | None]:
        """Find the parts of the set: what holds each, below the root -> part; empty where the form is another one.

        The part is None where the form has none.
        """

    @abstractmethod
    def read(self, root: Path, *, annotations: bool, follow_links: bool) -> Found:
        """List the faces.

        Args:
            root: Root of the data set, of this form.
            annotations: Whether boxes and points are read.
            follow_links: Whether links may lead out of the root.

        Raises:
            DataError: A table can't be used, or there are no pictures.
        """


class TableForm(Form):
    """Two tables, and folders of pictures."""

    wanted = "training.csv and validation.csv"

    def parts(self, root: Path) -> Mapping[str, Part]:
        """Find the tables."""
        return {name: _TABLES[PurePosixPath(name).name.lower()] for name in find_near(root, tuple(_TABLES))}

    def read(self, root: Path, *, annotations: bool, follow_links: bool) -> Found:
        """Read the tables, and find the folder that their paths start from."""
        parts = self.parts(root)
        tables = {name: _read_table(root, name, follow_links) for name in parts}
        first = [
            image for table in tables.values() for _, cells in table.rows[:50] if (image := table.cell(cells, "image"))
        ]
        images = _find_images(root, first)
        found = Found(
            images=images, own=[*parts], points_from=" and ".join(f"{name}, column facial_landmarks" for name in parts)
        )
        found.listings[images] = list_pictures(root, images, follow_links=follow_links)
        spellings = found.listings[images].spellings
        for name, table in tables.items():
            for line, cells in table.rows:
                image = table.cell(cells, "image").replace("\\", "/")
                if not image or image.lower() == _COLUMNS[0].lower():
                    detail = "names no picture" if not image else "the header once more"
                    found.rejects.append(Reject(f"{name}:{line}", Reason.BAD_ROW, detail))
                    continue
                path = spellings.find(PurePosixPath(images, image).as_posix())
                item = Item(path, parts[name], table.cell(cells, "expression"))
                found.items.append(_annotated(item, table, cells) if annotations else item)
        return _with_lacking(found, parts, self.wanted)


def _annotated(item: Item, table: Table, cells: list[str]) -> Item:
    """Add box and points of a row; those without a face have none."""
    texts = [table.cell(cells, name) for name in ("x", "y", "width", "height")]
    points = table.cell(cells, "points")
    box = None if all(map(says_nothing, texts)) else _read_box(texts)
    return Item(item.path, item.part, item.code, box, None if says_nothing(points) else parse_points(points))


def _read_box(texts: Sequence[str]) -> Box | str:
    try:
        x, y, width, height = map(float, texts)
    except ValueError:
        return f"box {texts} is not four numbers"
    if not (width > 0 and height > 0):
        return f"box {texts} has no area"
    return x, y, x + width, y + height


def _read_table(root: Path, name: str, follow_links: bool) -> Table:
    """Read a table with or without its header."""
    check_below(root, name, follow_links=follow_links)
    try:
        with open_table(root / name, "latin-1") as file:
            header = _COLUMNS[0].lower() in file.readline(10_000).lower()
    except OSError as error:
        raise LayoutError((("root",), f"{root / name}: {error.strerror}")) from error
    named: dict[str, Column] = dict(zip(_MEANINGS, _COLUMNS if header else range(len(_COLUMNS)), strict=True))
    try:
        return read_table(root / name, named, header=header)
    except DataError as error:
        text = f"{error}; a row of AffectNet is {','.join(_COLUMNS)},valence,arousal"
        raise LayoutError((("root",), text)) from error


def _find_images(root: Path, names: Sequence[str]) -> str:
    """Find the folder that paths of the tables start from: the one with most of the first pictures.

    Raises:
        LayoutError: There is no folder that may be meant.
    """
    candidates = ["."]
    for _ in range(3):
        inner = [PurePosixPath(one, name).as_posix() for one in candidates for name in list_folders(root / one)]
        near = [one for one in inner if (name := PurePosixPath(one).name).startswith(_IMAGES) and name != _LISTS]
        candidates += [one for one in near if one not in candidates]
    counts = {one: sum(_is_file(root / one / name.replace("\\", "/")) for name in names) for one in candidates}
    best = max(candidates, key=lambda one: (counts[one], one.count("/"), one != "."))
    if not counts[best] and best == ".":
        text = f"{root}: no folder {_IMAGES}_Images, and no {names[0] if names else 'pictures'} below the root itself"
        raise LayoutError((("root",), f"{text}: AffectNet's tables are here without the pictures"))
    return best


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False


class ArrayForm(Form):
    """The small release: crops, and arrays beside them."""

    wanted = "folders train_set and val_set with images and annotations"

    def parts(self, root: Path) -> Mapping[str, Part]:
        """Find the folders, here or in one folder below."""
        names = ["", *(f"{name}/" for name in list_folders(root))]
        paths = {f"{above}{name}": part for above in names for name, part in _SETS.items()}
        return {path: part for path, part in paths.items() if (root / path / "annotations").is_dir()}

    def read(self, root: Path, *, annotations: bool, follow_links: bool) -> Found:
        """Read the code, and the points, of each picture."""
        parts = self.parts(root)
        found = Found(points_from="annotations/*_lnd.npy")
        for name, part in parts.items():
            images = f"{name}/images"
            listing = found.listings[images] = list_pictures(root, images, follow_links=follow_links)
            stems = {path: f"{name}/annotations/{PurePosixPath(path).stem}" for path in listing.pictures}
            endings = ("exp", "lnd") if annotations else ("exp",)
            wanted = [f"{stem}_{end}.npy" for stem in stems.values() for end in endings]
            files = read_side_files(root, wanted, f"read {name}/annotations", follow_links=follow_links)
            for path, stem in stems.items():
                found.items.append(_array_item(path, part, files[f"{stem}_exp.npy"], files.get(f"{stem}_lnd.npy")))
            found.rejects += _without_picture(root, f"{name}/annotations", {*stems.values()}, follow_links)
        return _with_lacking(found, parts, self.wanted)


def _without_picture(root: Path, folder: str, stems: set[str], follow_links: bool) -> list[Reject]:
    """Reject arrays of expressions beside which there is no picture."""
    files = list_pictures(root, folder, follow_links=follow_links).others
    ends = [path for path in files if path.endswith("_exp.npy") and path.removesuffix("_exp.npy") not in stems]
    return [Reject(path, Reason.MISSING_FILE, "no picture of its number") for path in sorted(ends)]


def _array_item(path: str, part: Part, label: bytes | Reject, points: bytes | Reject | None) -> Item:
    """Make a face of its arrays; one without a code has no label, one without points is a face all the same."""
    if isinstance(label, Reject):
        reason = Reason.UNLABELLED if label.reason is Reason.MISSING_FILE else label.reason
        return Item(path, part, "", fault=(reason, f"{label.id}: {label.detail}"))
    texts = _array_texts(label)
    if texts is None or len(texts) != 1:
        return Item(
            path, part, "", fault=(Reason.BAD_ROW, "its array of the expression holds no single number or text")
        )
    if points is None or isinstance(points, Reject):
        return Item(path, part, texts[0])
    numbers = _array_texts(points)
    read = "its array of points holds no numbers" if numbers is None else to_points(numbers)
    return Item(path, part, texts[0], points=read)


def _array_texts(data: bytes) -> list[str] | None:
    """Read the numbers or texts of an array; None where it holds anything else, which could be code."""
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, OSError, EOFError):
        return None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iufUS":
        return None
    items = array.ravel().tolist()
    return [one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in items]


class FolderForm(Form):
    """Folders of classes below those of the parts."""

    wanted = "folders train and val of the codes 0 to 7 or of classes"

    def parts(self, root: Path) -> Mapping[str, Part | None]:
        """Find folders of parts whose class folders are the set's codes, or names of expressions, or those alone."""
        return coded_parts(root) or _named_parts(root) or ({".": None} if is_mixed(root) else {})

    def read(self, root: Path, *, annotations: bool, follow_links: bool) -> Found:
        """List the pictures of each class folder."""
        found, parts = Found(), self.parts(root)
        for name, part in parts.items():
            listing = found.listings[name] = list_pictures(root, name, follow_links=follow_links)
            for path in listing.pictures:
                inner = PurePosixPath(path).relative_to(name).parts
                fault = None if len(inner) > 1 else (Reason.UNLABELLED, "lies in no class folder")
                found.items.append(Item(path, part, inner[0] if len(inner) > 1 else "", fault=fault))
        added = sum(PurePosixPath(item.path).name.startswith(_KAGGLE) for item in found.items)
        if added:
            found.notes.append(
                f"{counted(added, 'picture is', 'pictures are')} named {_KAGGLE}...: of FFHQ, and not AffectNet's"
            )
        return _with_lacking(found, parts, self.wanted)


def coded_parts(root: Path) -> Mapping[str, Part]:
    """Find folders of parts whose class folders are the set's codes, here or in one folder below."""
    for above in ("", *(f"{name}/" for name in list_folders(root))):
        found: dict[str, Part] = {}
        for name in list_folders(root / above):
            if split := parse_split(name):
                found[f"{above}{name}"] = "train" if split == "train" else "valid"
        classes = {one for name in found for one in list_folders(root / name)}
        if "train" in found.values() and {*map(str, range(7))} <= classes <= _CODES:
            return found
    return {}


def _named_parts(root: Path) -> Mapping[str, Part]:
    """Find folders of parts whose class folders are named by expressions, contempt among them."""
    found: dict[str, Part] = {}
    for name in list_folders(root):
        split = parse_split(name)
        classes = {parse_expression(one) for one in list_folders(root / name)}
        if split and "contempt" in classes:
            found[name] = "train" if split == "train" else "valid"
    return found


def is_mixed(root: Path) -> bool:
    """Tell whether a folder is the copy on Kaggle: class folders, contempt among them, with pictures named of FFHQ."""
    folders = list_folders(root)
    inner = [one for name in folders if parse_split(name) for one in list_folders(root / name)]
    if "contempt" not in map(parse_expression, (*folders, *inner)):
        return False
    return any(PurePosixPath(path).name.startswith(_KAGGLE) for path in sample_pictures(root))


def _with_lacking(found: Found, parts: Mapping[str, Part | None], wanted: str) -> Found:
    """Say which part is not there."""
    lacking = {"train", "valid"} - {*parts.values()}
    if lacking and None not in parts.values():
        word = "training" if "train" in lacking else "validation"
        found.notes.append(f"half of AffectNet is here, and no {word} part: {wanted} belong together")
    return found


FORMS: dict[str, Form] = {"tables": TableForm(), "arrays": ArrayForm(), "folders": FolderForm()}
"""Forms by name, in the order in which a folder is asked."""


def find_form(root: Path) -> str | None:
    """Name the form in which the set lies in a folder; None if in none."""
    return next((name for name, form in FORMS.items() if form.parts(root)), None)
