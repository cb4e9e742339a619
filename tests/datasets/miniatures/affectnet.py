"""AffectNet: the tables and folders of the whole set, the small release's arrays, and folders of codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fer_au.ibug68 import MEAN_FACE
from tests.datasets.miniatures.noise import write_noise

HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
IMAGES = "Manually_Annotated/Manually_Annotated_Images"
CODES = {"training": 22, "validation": 11}  # rows: codes 0 to 10 in turn
SIZE = (90, 80)


def points() -> np.ndarray:
    """Give the 68 points of a face in the box of every row, (68, 2) xy pixels."""
    face = np.asarray(MEAN_FACE, np.float64)
    face = (face - face.min(0)) / np.ptp(face, axis=0).max()
    return (face * 48 + [16, 14]).round(2)


def row(part: str, number: int) -> str:
    """Write a row of a table; one of no face has neither box nor points."""
    code = number % 11
    path = f"{number % 3 + 1}/{part}{number}.jpg"
    where = "NULL,NULL,NULL,NULL,NULL"
    if code != 10:
        where = "10,8,60,62," + ";".join(f"{value:g}" for value in points().ravel())
    return f"{path},{where},{code},0.1,-0.2"


def write(root: Path, *, headed: bool = True) -> None:
    """Write both tables and the pictures; in some copies the tables, or one of them, have no header."""
    for part, count in CODES.items():
        lines = [row(part, number) for number in range(count)]
        for line in lines:
            write_noise(root / IMAGES / line.partition(",")[0], size=SIZE)
        (root / f"{part}.csv").write_text("\n".join([HEADER] * (headed or part == "training") + lines) + "\n")


def write_arrays(root: Path, *, texts: bool = False) -> None:
    """Write the small release; in some copies arrays hold texts."""
    for folder, count in (("train_set", 16), ("val_set", 8)):
        arrays = root / folder / "annotations"
        arrays.mkdir(parents=True)
        for number in range(count):
            write_noise(root / folder / "images" / f"{number}.jpg", size=(90, 90))
            code, face = number % 8, points().ravel()
            np.save(arrays / f"{number}_exp.npy", np.array(str(code) if texts else code))
            np.save(arrays / f"{number}_lnd.npy", face.astype(str) if texts else face)
            for end in ("val", "aro"):
                np.save(arrays / f"{number}_{end}.npy", np.array(0.25))


def write_folders(root: Path) -> None:
    """Write folders of codes, as many scripts lay the set out."""
    for folder, count in (("train", 16), ("val", 8)):
        for number in range(count):
            write_noise(root / folder / str(number % 8) / f"{number}.jpg")
