"""Tables whose rows hold pixels, as FER2013's: read in one pass, and made into grey pictures row by row.

Only where each row's pixels lie is kept of them, so that 300 MB of numbers are in memory once and for a moment.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.atomic import read_at
from fer_au.datasets.inside import Inside
from fer_au.datasets.plain_png import plain_png
from fer_au.datasets.spelling import plain
from fer_au.datasets.tables import MissingColumnsError
from fer_au.errors import DataError
from fer_au.gate import TABLES, open_regular, read_bytes
from fer_au.rejects import Reason, Reject

PIXELS = "pixels"
_DELIMITERS = (b",", b";", b"\t", b"|")  # no blank: it stands between pixels
_TOGETHER = 512  # rows that a worker makes at a time
_NUMBERS = b"0123456789 \t"
_NO_BYTES = "its pixels are not all whole numbers from 0 to 255"
_QUOTES = b"\"'"
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
        data = read_bytes(path, TABLES)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    if data.startswith(_BOMS[1:]) or b"\0" in data[:4096]:
        raise DataError(f"{path}: no UTF-8 text; save it as plain csv")
    lines = _lines(data)
    first = next(lines, None)
    if first is None:
        raise DataError(f"{path}: no rows")
    head = data[first[0] : first[1]].removeprefix(_BOMS[0])
    delimiter = max(_DELIMITERS, key=head.count)
    names = [plain(cell.strip(b" " + _QUOTES).decode("utf-8", "replace")) for cell in head.split(delimiter)]
    headed = PIXELS in names
    if not headed and not any(name.replace(" ", "").isdecimal() and name.count(" ") + 1 >= _MANY for name in names):
        found = ", ".join(names)[:300]
        raise MissingColumnsError(f"{path}: no column 'pixels'; its columns are: {found}")
    if not headed:
        names = [*required, PIXELS, *optional][: len(names)]
    if absent := [f"{name!r} ({why})" for name, why in required.items() if name not in names]:
        raise MissingColumnsError(f"{path}: no column {' and '.join(absent)}; its columns are: {', '.join(names)}")
    return _read_rows(data, file, names, delimiter, [] if headed else [first], lines)


def _read_rows(
    data: bytes,
    file: str,
    names: Sequence[str],
    delimiter: bytes,
    begun: Sequence[tuple[int, int]],
    lines: Iterator[tuple[int, int]],
) -> PixelTable:
    column = list(names).index(PIXELS)
    rows: list[PixelRow] = []
    rejects: list[Reject] = []
    number = 0
    for start, end in (*begun, *lines):
        cells = data[start:end].split(delimiter)
        texts = [cell.strip(b" \t" + _QUOTES) for cell in cells]
        if not any(texts):
            continue
        if len(cells) != len(names):
            detail = f"{len(cells)} cells, expected {len(names)}"
            rejects.append(Reject(f"{file}/{number:05d}.png", Reason.BAD_ROW, detail))
        elif len(texts[column]) == len(PIXELS) and texts[column].lower() == PIXELS.encode():
            rejects.append(Reject(f"{file}/{number:05d}.png", Reason.BAD_ROW, "the header once more"))
            continue  # whoever numbers the rows counts no header
        else:
            place = start + sum(map(len, cells[:column])) + column * len(delimiter)
            place += cells[column].find(texts[column]) if texts[column] else 0
            known = {
                name: text.decode("utf-8", "replace") for name, text in zip(names, texts, strict=True) if name != PIXELS
            }
            rows.append(PixelRow(number, known, place, len(texts[column])))
        number += 1
    return PixelTable(file, frozenset(names) - {PIXELS}, tuple(rows), tuple(rejects), number)


def _lines(data: bytes) -> Iterator[tuple[int, int]]:
    """Find where lines begin and end, with LF, CRLF or bare CR."""
    newline = b"\n" if b"\n" in data else b"\r"
    start = 0
    while start < len(data):
        end = data.find(newline, start)
        end = len(data) if end < 0 else end
        stop = end - 1 if end > start and data[end - 1 : end] == b"\r" else end
        if stop > start:
            yield start, stop
        start = end + 1


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
