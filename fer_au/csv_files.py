"""CSV files as every table of the project is written: UTF-8, LF, whole or not at all."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from fer_au.atomic import write_atomically
from fer_au.errors import DataError
from fer_au.gate import open_table

Row = TypeVar("Row")


class LineFeeds:
    """Receives whole lines from a csv writer and ends them in LF."""

    def __init__(self, target: io.StringIO) -> None:
        self._target = target

    def write(self, line: str) -> int:
        """Write a line."""
        return self._target.write(line.removesuffix("\r\n") + "\n")


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def harmless(text: str) -> str:
    """Mark a text that a spreadsheet would run as a formula by a quote in front; numbers and others stay as they are.

    Names of files and persons are a stranger's, and tables for people are opened in spreadsheets.

    Example:
        >>> harmless("=1+1"), harmless("-0.5"), original(harmless("'=1+1"))
        ("'=1+1", '-0.5', "'=1+1")
    """
    if not text.lstrip("'").startswith(_FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def original(cell: str) -> str:
    """Read a cell that ``harmless`` wrote."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell


def read_csv(path: Path, header: Sequence[str], title: str, parse: Callable[[list[str]], Row]) -> list[Row]:
    """Read a table that ``write_csv`` wrote.

    Args:
        path: Path of the file.
        header: Its first line.
        title: What it is, for messages, such as ``a reject table``.
        parse: Function that makes a row of the cells of one; raises ``ValueError`` where they are none.

    Raises:
        DataError: The file is missing, or is no such table.
    """
    try:
        with open_table(path) as file:
            reader = csv.reader(file)
            if tuple(next(reader, ())) != tuple(header):
                raise DataError(f"{path}: not {title} (first line must be {','.join(header)})")
            return [parse(cells) for cells in reader]
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path}: {error}") from error


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table.

    Raises:
        StoreError: The disk refuses.
    """
    buffer = io.StringIO()
    # A two-character line end makes the writer quote cells that hold either character; lines still end in LF alone.
    writer = csv.writer(LineFeeds(buffer), lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_atomically(path, buffer.getvalue().encode())
