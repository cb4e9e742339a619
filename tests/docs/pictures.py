"""Rendered faces in the layout that an entry of ``datasets`` asks for, so that an example's entry can be ingested."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_au.config.data import DatasetConfig
from fer_au.datasets.csv_labels import CsvConfig
from fer_au.datasets.sep import CODES
from fer_au.datasets.video import VideoConfig
from fer_au.datasets.votes import VOTES
from fer_au.stores import Store


@dataclass(frozen=True)
class Face:
    """One rendered picture.

    Attributes:
        picture: The file.
        name: A file name that begins with the person.
        label: Expression.
        subject: Person.
        split: ``train`` or ``test``.
        points: (68, 2) xy in the picture.
    """

    picture: Path
    name: str
    label: str
    subject: str
    split: str
    points: NDArray[np.float32]


def read_faces(drawn: Path) -> list[Face]:
    """The faces of a rendered set."""
    truth = Store.open(drawn / "truth.h5", "truth")
    points = dict(zip(truth.ids, truth["points"], strict=True))
    with (drawn / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        Face(
            drawn / row["path"],
            f"{row['subject']}_{number:03d}.jpg",
            row["label"],
            row["subject"],
            row["split"],
            points[row["path"]],
        )
        for number, row in enumerate(rows)
    ]


def provide(config: DatasetConfig, drawn: Path) -> None:
    """Fill the root of a data set with pictures in its adapter's layout; a root that is there stays as it is.

    Raises:
        KeyError: An adapter that has no layout here.
    """
    if not config.root.exists():
        _LAYOUTS[config.adapter](config, read_faces(drawn))


def _folder(config: DatasetConfig, faces: list[Face]) -> None:
    """Class folders, below folders of splits where the entry carves no test split itself."""
    for face in faces:
        parent = config.root if config.test_fraction else config.root / face.split
        _copy(face, parent / face.label / face.name)


def _sep(config: DatasetConfig, faces: list[Face]) -> None:
    codes = {label: code for code, label in CODES.items()}
    rows: dict[str, list[list[object]]] = {"train": [], "test": []}
    for face in faces:
        if face.label in codes:
            name = f"{Path(face.name).stem}_{face.label}.jpg"
            _copy(face, config.root / face.split / name)
            rows[face.split].append([name, codes[face.label]])
    for split, lines in rows.items():
        with (config.root / f"{split}_FER_labels.csv").open("w", newline="") as file:
            csv.writer(file).writerows(lines)


def _csv(config: DatasetConfig, faces: list[Face]) -> None:
    """A label file with the columns that the entry names, and the source of points that it names."""
    assert isinstance(config, CsvConfig)
    codes = {label: str(code) for code, label in config.label_map.items()}
    table: list[dict[str, str]] = []
    for face in faces:
        _copy(face, config.root / config.images / face.name)
        table.append(_cells(config, face, codes.get(face.label, face.label)))
    with (config.root / config.labels).open("w", encoding=config.encoding, newline="") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    source = config.points and config.points.file
    if source:
        ids, points = [face.name for face in faces], np.stack([face.points for face in faces])
        if source.endswith(".npz"):
            np.savez(config.root / source, id=np.array(ids), points=points)
        else:
            header = [config.points.id, *(f"{axis}{number}" for number in range(68) for axis in "xy")]
            rows = np.column_stack([ids, points.reshape(len(points), -1).round(3).astype(str)])
            np.savetxt(config.root / source, rows, "%s", ",", header=",".join(header), comments="")


def _ferplus(config: DatasetConfig, faces: list[Face]) -> None:
    """A table of pixels, and one of ten votes for each row: eight for the expression and two for neutral or anger."""
    config.root.mkdir(parents=True)
    pixels, votes = ["emotion,pixels,Usage"], [",".join(["Usage", "Image name", *VOTES])]
    for number, face in enumerate(faces):
        usage = "PrivateTest" if face.split == "test" else "PublicTest" if number % 4 == 0 else "Training"
        grey = np.asarray(Image.open(face.picture).convert("L"))
        pixels.append(f"0,{' '.join(map(str, grey.ravel()))},{usage}")
        counts = dict.fromkeys(VOTES, 0) | {face.label: 8, "anger" if face.label == "neutral" else "neutral": 2}
        votes.append(",".join([usage, f"fer{number:07d}.png", *map(str, counts.values())]))
    (config.root / "fer2013.csv").write_text("\n".join(pixels) + "\n")
    (config.root / "fer2013new.csv").write_text("\n".join(votes) + "\n")


def _video(config: DatasetConfig, faces: list[Face]) -> None:
    """Clips of a face that stands still, and the table that the entry names."""
    assert isinstance(config, VideoConfig)
    columns = config.columns
    rows = []
    for face in faces:
        clip = f"{Path(face.name).stem}.avi"
        (config.root / clip).parent.mkdir(parents=True, exist_ok=True)
        image = np.asarray(Image.open(face.picture).convert("RGB"))
        with av.open(str(config.root / clip), "w") as container:
            stream = container.add_stream("mjpeg", rate=4)
            stream.height, stream.width = image.shape[:2]
            stream.pix_fmt = "yuvj420p"
            for _ in range(4):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
            container.mux(stream.encode())
        cells = {
            columns.clip: clip,
            columns.label: face.label,
            columns.subject: face.subject,
            columns.split: face.split,
        }
        rows.append({**cells, columns.start: "0.25", columns.end: "0:00.9"})
    names = [name for name in rows[0] if name is not None]
    with (config.root / str(config.labels)).open("w", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def _lines(config: DatasetConfig, faces: list[Face]) -> None:
    """The layout of the adapter that docs/parts.md shows."""
    for face in faces:
        _copy(face, config.root / face.name)
    (config.root / "faces.txt").write_text("".join(f"{face.label} {face.name}\n" for face in faces))


def _cells(config: CsvConfig, face: Face, label: str) -> dict[str, str]:
    """One row of a label file."""
    columns = config.columns
    left, top, right, bottom = (*face.points.min(0).tolist(), *face.points.max(0).tolist())
    sides = (right, bottom) if config.box_format == "xyxy" else (right - left, bottom - top)
    meanings: Mapping[Any, str] = {
        columns.image: face.name,
        columns.label: label,
        columns.subject: face.subject,
        columns.split: face.split,
        **{column: "8" if face.label == name else "1" for name, column in columns.soft.items()},
        **dict(zip(columns.box or (), map(str, (left, top, *sides)), strict=False)),
        config.points and config.points.column: ";".join(map(str, face.points.ravel().tolist())),
    }
    return {str(column): value for column, value in meanings.items() if column is not None}


def _copy(face: Face, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(face.picture, path)


_LAYOUTS: dict[str, Callable[[Any, list[Face]], None]] = {
    "csv": _csv,
    "ferplus": _ferplus,
    "folder": _folder,
    "lab-lines": _lines,
    "sep": _sep,
    "video": _video,
}
