"""Label files of any delimiter, line end or header: columns are found, faults are one clear line."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fer_au.errors import DataError

Column = str | int
DELIMITERS = (",", ";", "\t", "|", " ")


@dataclass(frozen=True)
class Table:
    """Rows of a delimited text file.

    Attributes:
        columns: Meaning -> position in a row.
        rows: Line number of each row's end, and its stripped cells; blank rows are left out.
    """

    columns: Mapping[str, int]
    rows: Sequence[tuple[int, list[str]]]

    def cell(self, cells: list[str], wanted: str) -> str:
        """Return the cell of a wanted column; empty where the column isn't wanted or the row is too short."""
        position = self.columns.get(wanted)
        return "" if position is None or position >= len(cells) else cells[position]


def read_table(
    path: Path,
    wanted: Mapping[str, Column],
    *,
    header: bool = True,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    limit: int | None = None,
) -> Table:
    """Read a delimited text file with LF, CRLF or bare CR line ends, with or without a byte-order mark.

    Args:
        path: Label file.
        wanted: Meaning -> name of the column (any case), or its position counted from 0.
        header: Whether the first row names the columns.
        delimiter: Character between two cells. None tries comma, semicolon, tab, bar and space, and takes the first
            one that yields all columns.
        encoding: Encoding of the text.
        limit: Number of rows to read, those without any cell not counted; None for all.

    Raises:
        DataError: Missing file, other encoding, broken quoting, or a wanted column is absent; the message names the
            file and what it has.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except UnicodeError as error:
        raise DataError(f"{path}: not {encoding} text; name its encoding with the key encoding") from error
    best: list[str] = []
    for candidate in [delimiter] if delimiter else DELIMITERS:
        first = next((cells for _, cells in _parse(path, text, candidate, limit=1)), [])
        columns = find_columns(first, wanted, header)
        if len(columns) == len(wanted):
            rows = _parse(path, text, candidate, limit=None if limit is None else limit + header)
            return Table(columns, rows[1:] if header else rows)
        best = max(best, first, key=len)
    if not best:
        raise DataError(f"{path}: no rows")
    absent = sorted(repr(column) for key, column in wanted.items() if key not in find_columns(best, wanted, header))
    raise DataError(f"{path}: no column {', '.join(absent)}; the first row is: {', '.join(best)[:200]}")


def _parse(path: Path, text: str, delimiter: str, limit: int | None = None) -> list[tuple[int, list[str]]]:
    # newline="" leaves line ends to the csv reader, which takes LF, CRLF and bare CR and keeps those inside quotes.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        for raw in reader:
            cells = [cell.strip() for cell in raw]
            if any(cells):
                rows.append((reader.line_num, cells))
            if limit is not None and len(rows) >= limit:
                break
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from error
    return rows


def find_columns(
    first: list[str], wanted: Mapping[str, Column], header: bool = True, *, any_case: bool = True
) -> dict[str, int]:
    """Find wanted columns in the first row of a table.

    Args:
        first: Cells of the first row.
        wanted: Meaning -> name of the column, or its position counted from 0.
        header: Whether the first row names the columns.
        any_case: Whether names may differ in upper and lower case. They may not in a table of points: OpenFace calls
            2-D points ``x_0`` and 3-D ones ``X_0``.

    Returns:
        Meaning -> position, for the columns that are there, in the order of ``wanted``. A name that several columns
        have means the first of them.
    """

    def key(name: str) -> str:
        return name.strip().casefold() if any_case else name.strip()

    names = {key(cell): position for position, cell in reversed(list(enumerate(first)))} if header else {}
    found = {}
    for meaning, column in wanted.items():
        position = column if isinstance(column, int) else names.get(key(column))
        if position is not None and position < len(first):
            found[meaning] = position
    return found
