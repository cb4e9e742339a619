"""Which column of a label file holds what: guessed from its header and from its cells, and every guess with its reason.

Cells decide where they can: a column of pictures has the names of files, one of labels has names of expressions. A
header decides between columns that may both be meant, and about codes. What contradicts its header is told, not used.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from fer_au.data_check.result import Guess
from fer_au.datasets.labels import parse_label, parse_split
from fer_au.datasets.spelling import code, says_nothing
from fer_au.expressions import parse_expression
from fer_au.ibug68 import N_POINTS

_LABEL = {"label", "labels", "labelname", "class", "classname", "target", "category", "gt", "y"} | {
    *("emotion", "emotions", "emotionlabel", "expression", "expressionlabel", "facialexpression", "mood", "affect"),
}
_SPLIT = {"split", "usage", "subset", "set", "partition", "phase", "part"}
_SUBJECT = {"subject", "subjectid", "person", "personid", "identity", "identityid", "individual"} | {
    *("participant", "participantid", "actor", "actorid", "performer", "speaker"),
}
_FOLD = {"fold", "folds", "cvfold", "kfold", "foldid"}
_FACE = {"face", "faceid", "faceindex", "facenumber", "faceidinimage"}
_BOXES = {
    ("x1", "y1", "x2", "y2"): "xyxy",
    ("x0", "y0", "x1", "y1"): "xyxy",
    ("left", "top", "right", "bottom"): "xyxy",
    ("xmin", "ymin", "xmax", "ymax"): "xyxy",
    ("minx", "miny", "maxx", "maxy"): "xyxy",
    ("x", "y", "w", "h"): "xywh",
    ("x", "y", "width", "height"): "xywh",
    ("left", "top", "width", "height"): "xywh",
    ("cx", "cy", "w", "h"): "middle and size",
    ("xcenter", "ycenter", "width", "height"): "middle and size",
}
"""Headers of four columns -> order of the box, as the key ``box_format`` names it where it can."""
_BOX_PREFIX = re.compile(r"^(bbox|box|face|rect|bb|roi)(?=[a-z])")
_BETWEEN = re.compile(r"[;,\s]+")
_MOST = 0.9  # share of cells that makes a column certain
_HALF = 0.5
_MOST_CODES = 30  # different labels of a set
_MOST_FOLDS = 50
_VOTES = 4  # columns named by expressions

Column = str | int


@dataclass(frozen=True)
class Sheet:
    """A label file as it was read.

    Attributes:
        names: Names of its columns; empty where it has no header.
        columns: Cells of each column, all or evenly spread.
    """

    names: Sequence[str]
    columns: Sequence[Sequence[str]]

    def key(self, position: int) -> Column:
        """Give a column as the entry names it."""
        name = self.names[position] if position < len(self.names) else ""
        return name if name and self.names.index(name) == position else position

    def plain(self, position: int) -> str:
        """Give the letters and digits of a column's name."""
        return plain_name(self.names[position]) if position < len(self.names) else ""

    def told(self, position: int) -> list[str]:
        """List the cells of a column that say something."""
        return [cell for cell in self.columns[position] if not says_nothing(cell)]


@dataclass
class Meanings:
    """What the columns hold.

    Attributes:
        columns: Key of ``columns`` -> column, or the four columns of the box.
        settings: Other keys of the entry.
        guesses: Every guess.
        doubts: Columns that aren't used, and why.
        used: Positions of the columns that are used.
    """

    columns: dict[str, object] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)
    guesses: list[Guess] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    used: set[int] = field(default_factory=set)

    def take(self, sheet: Sheet, key: str, position: int, why: str) -> None:
        """Take a column for what a key of ``columns`` means."""
        column = sheet.key(position)
        self.columns[key] = column
        self.guesses.append(Guess(f"columns.{key}", column, why))
        self.used.add(position)


def plain_name(name: str) -> str:
    """Give the letters and digits of a name, in lower case.

    Example:
        >>> plain_name("Image_Name ")
        'imagename'
    """
    return "".join(char for char in name.casefold() if char.isalnum())


def guess_columns(sheet: Sheet, image: int, why: str, given: set[str]) -> Meanings:
    """Guess what the columns of a label file hold.

    Args:
        sheet: The label file.
        image: Position of the column of pictures.
        why: What that was guessed by.
        given: Keys of ``columns``, and ``points``, that the user has given: nothing is guessed of them.
    """
    found = Meanings()
    found.take(sheet, "image", image, why)
    repeated = len(set(sheet.columns[image])) < len(sheet.columns[image])
    looks: tuple[tuple[str, Callable[[Sheet, Meanings], None]], ...] = (
        ("label", _label),
        ("split", _split),
        ("fold", _fold),
        ("subject", _subject),
        ("face", _face if repeated else lambda *_: None),
        ("points", _points),
        ("box", _box),
    )
    for key, look in looks:
        if key not in given:
            look(sheet, found)
    unused = [str(sheet.key(one)) for one in range(len(sheet.columns)) if one not in found.used]
    if unused:
        found.doubts.append(f"columns that aren't used: {', '.join(unused[:8])}{', ...' if len(unused) > 8 else ''}")
    return found


def _free(sheet: Sheet, found: Meanings) -> list[int]:
    return [one for one in range(len(sheet.columns)) if one not in found.used and sheet.told(one)]


def _named(sheet: Sheet, found: Meanings, names: set[str]) -> Iterator[int]:
    return (one for one in _free(sheet, found) if sheet.plain(one) in names)


def _share(cells: Sequence[str], test: Callable[[str], object]) -> float:
    return sum(bool(test(cell)) for cell in cells) / len(cells) if cells else 0.0


def _is_label(cell: str) -> bool:
    return isinstance(parse_label(cell, {}), str)


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _header_words(sheet: Sheet, position: int) -> str:
    return f"its header '{sheet.names[position]}'" if position < len(sheet.names) else "its place"


def _label(sheet: Sheet, found: Meanings) -> None:
    """Find the labels: names of expressions, or else a column whose header says so."""
    free = _free(sheet, found)
    shares = {one: _share(sheet.told(one), _is_label) for one in free}
    named = [one for one in free if shares[one] >= _HALF]
    if named:
        best = max(named, key=lambda one: (sheet.plain(one) in _LABEL, shares[one], -one))
        found.take(sheet, "label", best, f"{shares[best]:.0%} of its cells name an expression")
        others = [str(sheet.key(one)) for one in named if one != best]
        if others:
            found.doubts.append(f"{', '.join(others)} names expressions, too; another one by --set columns.label=NAME")
        return
    votes = [one for one in free if parse_expression(sheet.names[one] if one < len(sheet.names) else "")]
    votes = [one for one in votes if _share(sheet.told(one), _is_number) >= _MOST]
    if len(votes) >= _VOTES:
        names = ", ".join(str(sheet.key(one)) for one in votes[:3])
        found.doubts.append(
            f"columns {names}, ... hold numbers for each expression: adapter ferplus reads such votes in a table as "
            "FER+'s; else write the expression of most into one column"
        )
        return
    few = [one for one in free if 1 < len({code(cell) for cell in sheet.told(one)}) <= _MOST_CODES]
    coded = [one for one in few if sheet.plain(one) in _LABEL]
    coded = coded or [one for one in few if not sheet.names and _share(sheet.told(one), str.isdecimal) >= _MOST]
    if coded:
        cells = sorted(set(sheet.told(coded[0])))
        what = f"{_header_words(sheet, coded[0])}, and few different cells ({', '.join(cells[:4])}, ...)"
        found.take(sheet, "label", coded[0], what)


def _split(sheet: Sheet, found: Meanings) -> None:
    free = _free(sheet, found)
    shares = {one: _share(sheet.told(one), parse_split) for one in free}
    good = [one for one in free if shares[one] >= _MOST and len({parse_split(cell) for cell in sheet.told(one)}) > 1]
    if good:
        best = max(good, key=lambda one: (sheet.plain(one) in _SPLIT, shares[one]))
        found.take(sheet, "split", best, f"{shares[best]:.0%} of its cells name a split")
        return
    for one in _named(sheet, found, _SPLIT):
        cells = sorted(set(sheet.told(one)))
        shown = ", ".join(cells[:3])
        found.doubts.append(
            f"{sheet.key(one)} isn't taken for the split: its cells ({shown}) name none; if they mean them, "
            f"--set columns.split={sheet.key(one)} and --set 'split_map={{{cells[0]}: train, ...}}'"
        )


def _fold(sheet: Sheet, found: Meanings) -> None:
    for one in _named(sheet, found, _FOLD):
        if 1 < (number := len({code(cell) for cell in sheet.told(one)})) <= _MOST_FOLDS:
            found.take(sheet, "fold", one, f"{_header_words(sheet, one)}, and {number} different cells")
            return


def _subject(sheet: Sheet, found: Meanings) -> None:
    for one in _named(sheet, found, _SUBJECT):
        number, cells = len(set(sheet.told(one))), len(sheet.columns[one])
        if 1 < number < cells:
            found.take(sheet, "subject", one, f"{_header_words(sheet, one)}, and {number} different cells")
            return
        found.doubts.append(
            f"{sheet.key(one)} isn't taken for the person: {'each row has another' if number > 1 else 'all have one'}"
        )


def _face(sheet: Sheet, found: Meanings) -> None:
    for one in _named(sheet, found, _FACE):
        found.take(sheet, "face", one, f"{_header_words(sheet, one)}, and pictures stand in several rows")
        return
    found.doubts.append(
        "pictures stand in several rows, and no column tells their faces apart (--set columns.face=NAME): rows that "
        "differ are rejected"
    )


def _points(sheet: Sheet, found: Meanings) -> None:
    """Find the 68 points: a column of 136 numbers, or a column for each coordinate."""
    for one in _free(sheet, found):
        cells = sheet.told(one)
        if _share(cells, lambda cell: len(_BETWEEN.split(cell.strip("[]() "))) == 2 * N_POINTS) >= _HALF:
            _take_points(found, {"column": sheet.key(one)}, f"its cells hold {2 * N_POINTS} numbers")
            found.used.add(one)
            return
    names = {name.strip(): position for position, name in enumerate(sheet.names)}
    for style in ("{}{}", "{}_{}"):
        wanted = [style.format(axis, number) for number in range(N_POINTS) for axis in "xy"]
        if all(name in names for name in wanted):
            found.used |= {names[name] for name in wanted}
            file = {"file": "", "id": found.columns["image"]}  # whoever knows the file's name puts it in
            _take_points(found, file, f"columns {wanted[0]} to {wanted[-1]}")
            return


def _take_points(found: Meanings, source: dict[str, object], why: str) -> None:
    found.settings["points"] = source
    found.guesses.append(Guess("points", source, f"{why}; they serve where landmarks.extractor is provided"))


def _box(sheet: Sheet, found: Meanings) -> None:
    """Find the box of the face, and look whether its numbers are what the headers say."""
    names = {_BOX_PREFIX.sub("", sheet.plain(one)): one for one in _free(sheet, found)}
    for wanted, order in _BOXES.items():
        if not all(name in names for name in wanted):
            continue
        places = [names[name] for name in wanted]
        title = ", ".join(str(sheet.key(place)) for place in places)
        rows = [
            tuple(map(float, cells))
            for cells in zip(*(sheet.columns[place] for place in places), strict=True)
            if all(map(_is_number, cells))
        ]
        found.used |= {*places}
        if fault := _box_fault(rows, order):
            found.doubts.append(f"{title} isn't taken for the face's box: {fault}")
            return
        columns = [sheet.key(place) for place in places]
        found.columns["box"] = columns
        found.guesses.append(Guess("columns.box", columns, "their headers, and areas that are none of them empty"))
        if order != "xyxy":
            found.settings["box_format"] = order
            found.guesses.append(Guess("box_format", order, "their headers"))
        return


def _box_fault(rows: Sequence[tuple[float, ...]], order: str) -> str:
    """Say why four columns can't be used as boxes; empty if they can."""
    if order == "middle and size":
        return "it is given by its middle and size; write its corners (xyxy), or corner and size (xywh)"
    if not rows:
        return "not four numbers"
    if all(max(row) <= 2 for row in rows):
        return "it looks normalised to [0, 1]; multiply x by the picture's width and y by its height"
    corners = order == "xyxy"
    whole = sum(row[2] > corners * row[0] and row[3] > corners * row[1] for row in rows)
    if whole < _MOST * len(rows):
        return f"as {order}, {len(rows) - whole} of {len(rows)} have no area"
    return ""
