"""FER2013: a table of pixels as the contest and Kaggle have it, or Kaggle's folders of classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.datasets.miniatures.noise import write_noise

USAGES = ("Training",) * 14 + ("PublicTest",) * 7 + ("PrivateTest",) * 7
CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")  # in the order of the table's codes
SIDE = 48


def pixels(seed: int, side: int = SIDE) -> str:
    """Write the pixels of a picture, as the table has them."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4))
    return " ".join(map(str, np.kron(coarse, np.ones((side // 4, side // 4), int)).ravel()))


def rows(count: int = len(USAGES)) -> list[tuple[str, str, str]]:
    """Give code, pixels and usage of each row."""
    return [(str(number % 7), pixels(number), USAGES[number]) for number in range(count)]


def write(root: Path, table: Sequence[tuple[str, str, str]] | None = None) -> None:
    """Write the contest's table."""
    root.mkdir(parents=True, exist_ok=True)
    lines = ["emotion,pixels,Usage", *(",".join(row) for row in (rows() if table is None else table))]
    (root / "fer2013.csv").write_text("\n".join(lines) + "\n")


def write_kaggle_table(root: Path) -> None:
    """Write the table of the same rows that Kaggle has since: other order of columns, blanks in their names, CRLF."""
    root.mkdir(parents=True, exist_ok=True)
    lines = ["emotion, Usage, pixels", *(f"{code},{usage},{text}" for code, text, usage in rows())]
    (root / "icml_face_data.csv").write_bytes("\r\n".join(lines).encode())


def write_folders(root: Path, *, named: bool = True) -> None:
    """Write Kaggle's folders, whose ``test`` holds PublicTest and PrivateTest."""
    for number, usage in enumerate(USAGES):
        folder = "train" if usage == "Training" else "test"
        name = f"{usage if named else 'im'}_{10_000_000 + number}.jpg"
        write_noise(root / folder / CLASSES[number % 7] / name, grey=True, size=(SIDE, SIDE))
