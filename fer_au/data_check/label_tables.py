"""Label files below a folder, and the settings of adapter ``csv`` that each seems to need."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from fer_au.data_check.columns import Sheet, guess_columns
from fer_au.data_check.contents import TABLES
from fer_au.data_check.result import Guess
from fer_au.datasets.absent import explain_absent
from fer_au.datasets.files import PICTURE_SUFFIXES, Listing
from fer_au.datasets.spelling import compose
from fer_au.datasets.tables import DELIMITERS, find_columns, parse_rows, read_any_text
from fer_au.errors import DataError

_MOST_TABLES = 24
_DEPTH = 2  # folders above a label file
_FIRST = 50  # rows by which the delimiter is found
_SAMPLE = 2000  # rows that are looked at, evenly spread
_FEWEST, _FEWEST_LOOSE = 0.5, 0.9  # share of a column's cells that are pictures, and that may mean some
_NAMED = ("label", "legend", "annotation", "emotion", "list")  # in names of label files, which are looked at first


@dataclass(frozen=True)
class TableGuess:
    """A label file, and what seems to be in it.

    Attributes:
        labels: Path of the file below the root.
        rows: Number of its rows.
        settings: Keys of the entry.
        guesses: What of them was guessed, and by what.
        doubts: What isn't used, and why.
        fault: Why its names lead to no pictures; empty if they do.
    """

    labels: str
    rows: int = 0
    settings: Mapping[str, object] = field(default_factory=dict)
    guesses: tuple[Guess, ...] = ()
    doubts: tuple[str, ...] = ()
    fault: str = ""


def guess_tables(root: Path, listing: Listing, given: Mapping[str, object]) -> list[TableGuess]:
    """Guess how adapter ``csv`` would read each label file below a root; tables that name no picture are left out.

    Args:
        root: The root.
        listing: What lies below it.
        given: Keys of the entry that the user has given.
    """
    names = PictureNames(listing.pictures)
    wanted = given.get("labels")
    tables = [str(wanted)] if wanted else _find_tables(listing.others)
    found = []
    for path in tables:
        try:
            guess = _guess_table(root, path, names, given)
        except DataError:  # no text, or no table: another file
            continue
        if guess is not None:
            found.append(guess)
    return found


def _find_tables(others: Sequence[str]) -> list[str]:
    paths = [PurePosixPath(path) for path in others]
    tables = [path for path in paths if path.suffix.lower() in TABLES and len(path.parts) <= _DEPTH + 1]
    ranked = sorted(
        tables,
        key=lambda path: (len(path.parts), not any(word in path.stem.lower() for word in _NAMED), str(path)),
    )
    return [path.as_posix() for path in ranked[:_MOST_TABLES]]


class PictureNames:
    """Pictures below a root, to be found by what a label file calls them.

    Args:
        paths: POSIX paths below the root.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = paths
        self._by_name: dict[str, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for path in paths:
            name = compose(PurePosixPath(path).name)
            self._by_name[name].append(path)
            self._by_stem[PurePosixPath(name).stem.casefold()].append(path)

    def folder(self, cell: str) -> str | None:
        """Give the folder below the root that a cell's path starts from; None if there is no such picture."""
        wanted = PurePosixPath(compose(cell))
        for path in self._by_name.get(wanted.name, ()):
            if compose(path).endswith(f"/{wanted}") or compose(path) == str(wanted):
                return PurePosixPath(path).parents[len(wanted.parts) - 1].as_posix()
        return None

    def means(self, cell: str) -> str | None:
        """Give the folder of a picture that a cell may mean by another spelling: suffix, folders, case."""
        path = PurePosixPath(cell.replace("\\", "/"))
        if (folder := self.folder(path.as_posix())) is not None:
            return folder
        found = self._by_stem.get(compose(_stem(path)).casefold(), ())
        return _start(PurePosixPath(found[0]), path) if found else None


def _stem(path: PurePosixPath) -> str:
    return path.stem if path.suffix.lower() in PICTURE_SUFFIXES else path.name


def _start(picture: PurePosixPath, cell: PurePosixPath) -> str:
    """Give the folder of a picture without what a cell says of it, in any case of letters."""
    folder, above = picture.parent, cell.parent
    while above.name and above.name.casefold() == folder.name.casefold():
        folder, above = folder.parent, above.parent
    return folder.as_posix()


def _guess_table(root: Path, labels: str, names: PictureNames, given: Mapping[str, object]) -> TableGuess | None:
    """Guess the settings of one label file; None if it names no picture."""
    path = root / labels
    text, encoding = read_any_text(path)
    delimiter = _delimiter(path, text)
    rows = [cells for _, cells in parse_rows(path, text, delimiter)]
    if not rows:
        return None
    number = Counter(map(len, rows)).most_common(1)[0][0]
    body = rows[1 :: max(1, (len(rows) - 1) // _SAMPLE)]
    columns = [[cells[place] if place < len(cells) else "" for cells in body] for place in range(number)]
    image, images, why = _image_column(root, columns, names)
    if image is None:
        return None
    first = [*rows[0], *[""] * number][:number]
    header = not _is_picture(first[image], names)
    sheet = Sheet(first if header else (), columns)
    inner = given.get("columns")
    told = {*(inner if isinstance(inner, Mapping) else ()), *(("points",) if "points" in given else ())}
    found = guess_columns(sheet, image, why, told)
    guesses = [Guess("labels", labels, f"{len(rows) - header} rows, of which a column names pictures")]
    settings: dict[str, object] = {"labels": labels}
    if images != ".":
        settings["images"] = images
        guesses.append(Guess("images", images, "there the pictures lie that the rows name"))
    settings["columns"] = found.columns
    if not header:
        settings["header"] = False
        guesses.append(Guess("header", False, "the first row names a picture"))
    if delimiter != _usual(first, found.columns, header, text, path):
        settings["delimiter"] = {"\t": "tab", " ": "space"}.get(delimiter, delimiter)
    if encoding != "utf-8":
        settings["encoding"] = encoding
        guesses.append(Guess("encoding", encoding, "the first usual encoding that reads it"))
    points = found.settings.get("points")
    if isinstance(points, dict) and "file" in points:
        points["file"] = labels
    settings |= found.settings
    guesses += found.guesses
    listed = {PurePosixPath(images, _below(root, cell)).as_posix() for cell in columns[image] if cell}
    fault = explain_absent(root, images, listed, names.paths)
    return TableGuess(labels, len(rows) - header, settings, tuple(guesses), tuple(found.doubts), fault)


def _delimiter(path: Path, text: str) -> str:
    """Find the character that parts most rows into equally many cells."""
    best, most = DELIMITERS[0], 0.0
    for candidate in DELIMITERS:
        widths = Counter(len(cells) for _, cells in parse_rows(path, text, candidate, limit=_FIRST))
        wide = {width: number for width, number in widths.items() if width > 1}
        if wide and (share := max(wide.values()) / widths.total()) > most:
            best, most = candidate, share
    return best


def _usual(first: list[str], columns: Mapping[str, object], header: bool, text: str, path: Path) -> str:
    """Give the delimiter that the reader of label files would find by itself."""
    flat = [one for value in columns.values() for one in (value if isinstance(value, list) else [value])]
    wanted = {str(number): column for number, column in enumerate(flat) if isinstance(column, str | int)}
    for candidate in DELIMITERS:
        cells = next((cells for _, cells in parse_rows(path, text, candidate, limit=1)), [])
        if len(find_columns(cells, wanted, header)) == len(wanted):
            return candidate
    return ""


def _image_column(root: Path, columns: Sequence[Sequence[str]], names: PictureNames) -> tuple[int | None, str, str]:
    """Find the column of pictures, and the folder from which its names start.

    Returns:
        Position, None if there is no such column; folder below the root; and why.
    """
    best: tuple[float, int, str, str] | None = None
    for place, cells in enumerate(columns):
        told = [_below(root, cell) for cell in cells if cell]
        if not told:
            continue
        exact = Counter(folder for cell in told if (folder := names.folder(cell)) is not None)
        loose = Counter(folder for cell in told if (folder := names.means(cell)) is not None)
        for counts, rank, how in ((exact, 1.0, "name a picture"), (loose, 0.5, "may mean a picture by another name")):
            share = counts.total() / len(told)
            numbers = counts is loose and len(set(told)) < _FEWEST * len(told)  # codes of labels may be names, too
            if share < (_FEWEST_LOOSE if counts is loose else _FEWEST) or numbers:
                continue
            folder = max(sorted(counts, key=lambda one: (one.count("/"), one)), key=lambda one: counts[one])
            found = (rank * share, -place, folder, f"{share:.0%} of its cells {how}")
            best = max(best, found) if best else found
            break
    return (-best[1], best[2], best[3]) if best else (None, ".", "")


def _below(root: Path, cell: str) -> str:
    """Give a path below the root as it reads from there; others as they are."""
    if not cell.startswith("/"):
        return cell.removeprefix("./")
    for folder in (root.absolute(), root.resolve()):
        if Path(cell).is_relative_to(folder):
            return Path(cell).relative_to(folder).as_posix()
    return cell


def _is_picture(cell: str, names: PictureNames) -> bool:
    return names.means(cell) is not None or PurePosixPath(cell).suffix.lower() in PICTURE_SUFFIXES
