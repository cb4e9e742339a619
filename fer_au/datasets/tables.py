"""Label files of any delimiter, line end or header: columns are found, faults are one clear line."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import category

from fer_au.datasets.spelling import plain
from fer_au.errors import DataError
from fer_au.gate import TABLES, read_bytes
from fer_au.registry import near_keys

Column = str | int
_LONGEST = 500  # characters of a first row in a message
DELIMITERS = (",", ";", "\t", "|", " ")


class MissingColumnsError(DataError):
    """A table lacks columns that are wanted; the message names the file, them, and the columns that it has."""


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
    encoding: str | None = None,
) -> Table:
    """Read a delimited text file with LF, CRLF or bare CR line ends, with or without a byte-order mark.

    Args:
        path: Label file.
        wanted: Meaning -> name of the column (any case), or its position counted from 0.
        header: Whether the first row names the columns.
        delimiter: Character between two cells. None tries comma, semicolon, tab, bar and space, and takes the first
            one that yields all columns.
        encoding: Encoding of the text, as a key of the entry says it; None where there is no such key: UTF-8.

    Raises:
        DataError: Missing file, other encoding, or broken quoting; the message names the file.
        MissingColumnsError: A wanted column is absent.
    """
    try:
        data = read_bytes(path, TABLES)
        text = data.decode("utf-8-sig" if encoding in (None, "utf-8") else encoding)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except UnicodeError as error:
        remedy = "save it as UTF-8" if encoding is None else "name its encoding with the key encoding"
        raise DataError(f"{path}: not {encoding or 'utf-8'} text; {remedy}{_encoding_hint(data)}") from error
    best: list[str] = []
    for candidate in [delimiter] if delimiter else DELIMITERS:
        first = next((cells for _, cells in parse_rows(path, text, candidate, limit=1)), [])
        columns = find_columns(first, wanted, header)
        if len(columns) == len(wanted):
            rows = parse_rows(path, text, candidate)
            return Table(columns, rows[1:] if header else rows)
        best = max(best, first, key=len)
    if not best:
        raise DataError(f"{path}: no rows")
    absent = {key: column for key, column in wanted.items() if key not in find_columns(best, wanted, header)}
    raise MissingColumnsError(f"{path}: {' '.join(_absent_text(absent, best, header).split())}")


def _encoding_hint(data: bytes) -> str:
    """Name encodings that read a file, and a word that shows whether they do so rightly; empty if none does."""
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    groups = (["utf-16"], []) if marked else (["utf-8", "cp1252", "latin-1"], ["gb18030", "shift_jis", "euc_kr"])
    for group in groups:
        texts = {name: text for name in group if (text := _decode(data, name)) is not None}
        if texts:
            first = next(iter(texts.values()))
            word = next((word for word in re.findall(r"[^\W\d_]+", first) if not word.isascii()), "")
            same = [name for name, text in texts.items() if text == first]
            return f": {' or '.join(same)} reads it{f', such as {word!r}' if word else ''}"
    return ""


def read_any_text(path: Path) -> tuple[str, str]:
    """Read a text whose encoding is not known.

    Returns:
        The text, and the first of the usual encodings that reads it, as the key ``encoding`` names it.

    Raises:
        DataError: The file can't be read, or none of them does.
    """
    try:
        data = read_bytes(path, TABLES)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if marked else ("utf-8", "cp1252", "latin-1"):
        if (text := _decode(data, encoding)) is not None:
            return text.removeprefix("\ufeff"), encoding
    raise DataError(f"{path}: no text of a usual encoding")


def _decode(data: bytes, encoding: str) -> str | None:
    """Decode a text; None if it is of another encoding, as control characters tell, too."""
    try:
        text = data.decode(encoding)
    except UnicodeError:
        return None
    return None if any(category(char) == "Cc" and char not in "\t\n\r" for char in set(text)) else text


def _absent_text(absent: Mapping[str, Column], first: Sequence[str], header: bool) -> str:
    """Say which columns are absent, which ones the file has, and which of them may be meant."""
    columns = ", ".join(sorted(map(repr, absent.values())))
    if not header:
        return f"no column {columns}; columns count from 0, and the first row is: {', '.join(first)[:_LONGEST]}"
    near = {key: near_keys(str(column), first, limit=1) for key, column in absent.items()}
    meant = [f"{key}: {names[0]}" for key, names in near.items() if names]
    hint = f"; did you mean {', '.join(meant)}?" if meant else ""
    return f"no column {columns}; its columns are: {', '.join(first)[:_LONGEST]}{hint}"


def parse_rows(path: Path, text: str, delimiter: str, limit: int | None = None) -> list[tuple[int, list[str]]]:
    """Part a text into rows: the line number of each row's end, and its stripped cells, without blank rows.

    Args:
        path: File of the text, for messages.
        text: The text.
        delimiter: Character between two cells.
        limit: Most rows; None for all.

    Raises:
        DataError: Broken quoting.
    """
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
        any_case: Whether names may differ in case, blanks and Unicode form. They may not in a table of points: OpenFace
            calls 2-D points ``x_0`` and 3-D ones ``X_0``.

    Returns:
        Meaning -> position, for the columns that are there, in the order of ``wanted``. A name that several columns
        have means the first of them.
    """

    def key(name: str) -> str:
        return plain(name) if any_case else name.strip()

    names = {key(cell): position for position, cell in reversed(list(enumerate(first)))} if header else {}
    found = {}
    for meaning, column in wanted.items():
        position = column if isinstance(column, int) else names.get(key(column))
        if position is not None and position < len(first):
            found[meaning] = position
    return found
