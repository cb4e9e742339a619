"""FERPlus: the table of votes beside FER2013's, and the folders that the authors' tool writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.datasets.miniatures import fer2013
from tests.datasets.miniatures.noise import write_noise

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
NAMELESS = 3  # the row that all took for no face: it has no name, and names after it count one less
PARTS = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}


def votes() -> list[list[int]]:
    """Give ten votes for each row: seven for the expression of its number, three for the next one."""
    found = []
    for number in range(len(fer2013.USAGES)):
        counts = [0] * 10
        counts[number % 8], counts[(number + 1) % 8] = 7, 3
        found.append(counts)
    found[NAMELESS] = [0] * 9 + [10]
    return found


def names() -> list[str]:
    """Give the name of each row's picture; their numbers are no numbers of rows."""
    found, number = [], 0
    for row in range(len(fer2013.USAGES)):
        found.append("" if row == NAMELESS else f"fer{number:07d}.png")
        number += row != NAMELESS
    return found


def write_votes(path: Path, counts: Sequence[Sequence[int]] | None = None) -> None:
    """Write the table of votes."""
    table = zip(fer2013.USAGES, names(), votes() if counts is None else counts, strict=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "\n".join([HEADER, *(f"{use},{name},{','.join(map(str, one))}" for use, name, one in table)]) + "\n"
    )


def write(root: Path, counts: Sequence[Sequence[int]] | None = None) -> None:
    """Write the table of votes, and FER2013's table beside it."""
    fer2013.write(root)
    write_votes(root / "fer2013new.csv", counts)


def write_parts(root: Path) -> None:
    """Write the folders of the authors' tool, without the rows that have no name."""
    for use, folder in PARTS.items():
        lines = []
        for name, usage, counts in zip(names(), fer2013.USAGES, votes(), strict=True):
            if name and usage == use:
                lines.append(f'{name},"(0, 0, 48, 48)",{",".join(map(str, counts))}')
                write_noise(root / "data" / folder / name, grey=True, size=(48, 48))
        (root / "data" / folder / "label.csv").write_text("\n".join(lines) + "\n")
