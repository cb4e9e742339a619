"""Tables whose rows hold pixels, as FER2013's: read in one pass, and made into grey pictures row by row.

Only where each row's pixels lie is kept of them, and a piece of the file is in memory at a time.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.atomic import read_at
from fer_au.datasets.inside import Inside
from fer_au.datasets.plain_png import plain_png
from fer_au.datasets.spelling import plain
from fer_au.datasets.tables import MissingColumnsError
from fer_au.errors import DataError
from fer_au.gate import TABLES, open_regular
from fer_au.rejects import Reason, Reject

PIXELS = "pixels"
_DELIMITERS = (b",", b";", b"\t", b"|")  # no blank: it stands between pixels
_TOGETHER = 512  # rows that a worker makes at a time
_NUMBERS = b"0123456789 \t"
_NO_BYTES = "its pixels are not all whole numbers from 0 to 255"
_AROUND = b" \t\"'"  # a cell
_PIECE = 1 << 22  # bytes that are read at a time
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_MANY = 16 * 16  # numbers, which no cell but that of the pixels has


@dataclass(frozen=True)
class PixelRow:
    """One row.

    Attributes:
        number: Number of the row from 0, without the header, as programs count them.
        cells: Column -> text, without the pixels.
        start: Position of its pixels in the file.
        length: Length of their text.
    """

    number: int
    cells: Mapping[str, str]
    start: int
    length: int

    @property
    def name(self) -> str:
        """Name of its picture in the table."""
        return f"{self.number:05d}.png"


@dataclass(frozen=True)
class PixelTable:
    """The rows of a table.

    Attributes:
        file: POSIX path of the table below the root.
        columns: Its columns besides the pixels.
        rows: Its rows.
        rejects: Lines that are no rows.
        count: Number of its lines without headers.
    """

    file: str
    columns: frozenset[str]
    rows: tuple[PixelRow, ...]
    rejects: tuple[Reject, ...]
    count: int

    def path(self, row: PixelRow) -> str:
        """Give the path of a row's picture below the root."""
        return f"{self.file}/{row.name}"

    def inside(self, rows: Sequence[PixelRow]) -> tuple[Inside, ...]:
        """Give the pictures of some rows, in pieces for workers."""
        places = [(row.name, row.start, row.length) for row in rows]
        return tuple(
            PixelRows(self.file, tuple(places[start : start + _TOGETHER])) for start in range(0, len(places), _TOGETHER)
        )


@dataclass(frozen=True)
class PixelRows(Inside):
    """Rows of one table: name, position and length of each one's pixels."""

    places: tuple[tuple[str, int, int], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the rows' pictures."""
        return tuple(name for name, _, _ in self.places)

    def pictures(self, path: Path) -> Iterator[tuple[str, bytes | Reject]]:
        """Make a grey PNG of each row.

        Raises:
            OSError: The table can't be read.
        """
        descriptor = open_regular(path, TABLES)
        try:
            for name, start, length in self.places:
                pixels = read_pixels(read_at(descriptor, start, length))
                fault = Reject(f"{self.file}/{name}", Reason.BAD_ROW, pixels) if isinstance(pixels, str) else None
                yield name, fault or plain_png(np.asarray(pixels, np.uint8))
        finally:
            os.close(descriptor)


def read_pixel_table(root: Path, file: str, required: Mapping[str, str], optional: Sequence[str] = ()) -> PixelTable:
    """Read a table with a column ``pixels``, whatever its line ends, delimiter and order of columns.

    Names of columns are compared without case and blanks. A table without a header has its columns in the order of
    FER2013's: the label, the pixels, and what is left.

    Args:
        root: Root of the data set.
        file: POSIX path of the table below it.
        required: Columns that it must have besides the pixels -> what they are for, for the message.
        optional: Columns that it may have.

    Raises:
        DataError: It can't be read, or is no text; one line that names it.
        MissingColumnsError: A column is absent.
    """
    path = root / file
    try:
        descriptor = open_regular(path, TABLES)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    try:
        return _read_table(path, file, _lines(descriptor), required, optional)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _read_table(
    path: Path, file: str, lines: Iterator[tuple[int, bytes]], required: Mapping[str, str], optional: Sequence[str]
) -> PixelTable:
    place, first = next(lines, (0, b""))
    if first.startswith(_BOMS[1:]) or b"\0" in first[:4096]:
        raise DataError(f"{path}: no UTF-8 text; save it as plain csv")
    if not first:
        raise DataError(f"{path}: no rows")
    if first.startswith(_BOMS[0]):
        place, first = place + len(_BOMS[0]), first.removeprefix(_BOMS[0])
    delimiter = max(_DELIMITERS, key=first.count)
    names = [plain(cell.strip(_AROUND).decode("utf-8", "replace")) for cell in first.split(delimiter)]
    headed = PIXELS in names
    if not headed and not any(name.replace(" ", "").isdecimal() and name.count(" ") + 1 >= _MANY for name in names):
        found = ", ".join(names)[:300]
        raise MissingColumnsError(f"{path}: no column 'pixels'; its columns are: {found}")
    if not headed:
        names = [*required, PIXELS, *optional][: len(names)]
    if absent := [f"{name!r} ({why})" for name, why in required.items() if name not in names]:
        raise MissingColumnsError(f"{path}: no column {' and '.join(absent)}; its columns are: {', '.join(names)}")
    return _read_rows(file, names, delimiter, lines if headed else chain([(place, first)], lines))


def _read_rows(file: str, names: Sequence[str], delimiter: bytes, lines: Iterable[tuple[int, bytes]]) -> PixelTable:
    column = list(names).index(PIXELS)
    others = [name for name in names if name != PIXELS]
    rows: list[PixelRow] = []
    rejects: list[Reject] = []
    number = 0
    for start, line in lines:
        if not line.strip(_AROUND + delimiter):
            continue
        parts = _part(line, delimiter, column, len(names) - 1 - column)
        if parts is None:
            detail = f"{line.count(delimiter) + 1} cells, expected {len(names)}"
            rejects.append(Reject(f"{file}/{number:05d}.png", Reason.BAD_ROW, detail))
        elif parts[2] - parts[1] == len(PIXELS) and line[parts[1] : parts[2]].lower() == PIXELS.encode():
            rejects.append(Reject(f"{file}/{number:05d}.png", Reason.BAD_ROW, "the header once more"))
            continue  # whoever numbers the rows counts no header
        else:
            cells, begin, end = parts
            known = {name: cell.decode("utf-8", "replace") for name, cell in zip(others, cells, strict=True)}
            rows.append(PixelRow(number, known, start + begin, end - begin))
        number += 1
    return PixelTable(file, frozenset(others), tuple(rows), tuple(rejects), number)


def _part(line: bytes, delimiter: bytes, before: int, after: int) -> tuple[list[bytes], int, int] | None:
    """Part a line, without a copy of the pixels, which are nearly all of it.

    Args:
        line: The line.
        delimiter: What stands between two cells.
        before: Number of cells before that of the pixels.
        after: Number of cells after it.

    Returns:
        The other cells, and begin and end of the pixels; None where there are more cells, or fewer.
    """
    cells, begin, end = list[bytes](), 0, len(line)
    for _ in range(before):
        if (at := line.find(delimiter, begin)) < 0:
            return None
        cells.append(line[begin:at].strip(_AROUND))
        begin = at + 1
    for _ in range(after):
        if (at := line.rfind(delimiter, begin, end)) < 0:
            return None
        cells.insert(before, line[at + 1 : end].strip(_AROUND))
        end = at
    if line.find(delimiter, begin, end) >= 0:
        return None
    while begin < end and line[begin] in _AROUND:
        begin += 1
    while begin < end and line[end - 1] in _AROUND:
        end -= 1
    return cells, begin, end


def _lines(descriptor: int) -> Iterator[tuple[int, bytes]]:
    """Read the lines of a file piece by piece, with LF, CRLF or bare CR: where each begins, and the line."""
    newline, place, begun = b"", 0, list[bytes]()
    while piece := os.read(descriptor, _PIECE):
        newline = newline or (b"\n" if b"\n" in piece else b"\r" if b"\r" in piece else b"")
        if not newline or newline not in piece:
            begun.append(piece)
            continue
        *whole, rest = b"".join([*begun, piece]).split(newline)
        for line in whole:
            if line.strip(b"\r"):
                yield place, line.removesuffix(b"\r")
            place += len(line) + 1
        begun = [rest]
    if last := b"".join(begun).removesuffix(b"\r"):
        yield place, last


def read_pixels(text: bytes) -> NDArray[np.uint8] | str:
    """Read the pixels of a square grey picture (S, S), row by row; a text about the fault where there is one."""
    if not text.strip():
        return "no pixels"
    if text.translate(None, _NUMBERS):
        return _NO_BYTES
    values = np.fromstring(text, np.int64, sep=" ")  # numbers too large for it become its largest
    side = math.isqrt(len(values))
    if side * side != len(values):
        return f"{len(values)} pixels, which make no square"
    if values.min() < 0 or values.max() > np.iinfo(np.uint8).max:
        return _NO_BYTES
    return values.reshape(side, side).astype(np.uint8)
