"""Finished parts of a long prediction: small files beside the table, from which a killed run goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from fer_au.atomic import AtomicFile, sweep, write_atomically
from fer_au.errors import DataError
from fer_au.gate import TABLES, read_bytes
from fer_au.rejects import Reason, Reject

_ROWS, MAPS, MODULE = ".rows", ".maps", ".module"


@dataclass(frozen=True)
class Part:
    """What a part tells of its pictures.

    Attributes:
        rows: Number of its rows in the table.
        faces: Row of each face that has an answer, from 0.
        unused: Pictures that can't be used.
        faceless: Number of pictures in which no face was found.
        lines: Rows as CSV.
    """

    rows: int
    faces: tuple[int, ...]
    unused: tuple[Reject, ...]
    faceless: int
    lines: str


@dataclass(frozen=True)
class Parts:
    """The parts of one table.

    Attributes:
        table: Path of the table; its parts lie in a folder beside it.
        keys: Key of each part: a hash of all that decides it.
    """

    table: Path
    keys: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Folder of the parts."""
        return self.table.with_name(f"{self.table.name}.parts")

    def lacking(self) -> list[int]:
        """List the numbers of the parts that aren't finished."""
        return [number for number in range(len(self.keys)) if not self.path(number, _ROWS).is_file()]

    def path(self, number: int, suffix: str) -> Path:
        """Give the path of a file of a part."""
        return self.folder / f"{self.keys[number]}{suffix}"

    def keep(self, number: int, part: Part) -> None:
        """Write a part, after its other files: what is there now is finished.

        Raises:
            StoreError: The disk refuses.
        """
        head = {
            "rows": part.rows,
            "faces": part.faces,
            "unused": [[one.id, one.reason.value, one.detail] for one in part.unused],
            "faceless": part.faceless,
        }
        write_atomically(self.path(number, _ROWS), (json.dumps(head) + "\n" + part.lines).encode())

    def read(self, number: int) -> Part:
        """Read a finished part.

        Raises:
            DataError: It can't be read.
        """
        path = self.path(number, _ROWS)
        try:
            head, _, lines = read_bytes(path, TABLES).decode().partition("\n")
            told = json.loads(head)
            unused = tuple(Reject(id_, Reason(reason), detail) for id_, reason, detail in told["unused"])
            return Part(int(told["rows"]), tuple(told["faces"]), unused, int(told["faceless"]), lines)
        except OSError as error:
            raise DataError(f"{path}: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: not a part of this table; delete {self.folder}, and run again") from error

    def every(self) -> Iterator[Part]:
        """Read all parts, in order, one at a time."""
        return (self.read(number) for number in range(len(self.keys)))

    def assemble(self, header: Sequence[str]) -> None:
        """Write the table of all parts.

        Raises:
            StoreError: The disk refuses.
            DataError: A part can't be read.
        """
        with AtomicFile(self.table) as file:
            place = 0
            for lines in chain([",".join(header) + "\n"], (part.lines for part in self.every())):
                file.write(place, data := lines.encode())
                place += len(data)

    def remove(self) -> None:
        """Remove the parts, also those of other options; files of anyone else stay."""
        if not self.folder.is_dir():
            return
        sweep(self.folder)
        for path in self.folder.iterdir():
            if path.name.endswith((_ROWS, MAPS, MODULE)):
                path.unlink(missing_ok=True)
        with suppress(OSError):  # someone else's file is in it
            self.folder.rmdir()
