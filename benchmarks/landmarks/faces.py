"""Provide faces with true points to measure on: rendered for the run, or those of a data folder of the pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.landmarks.accuracy import Truth
from fer_au.config.data import DemoConfig
from fer_au.datasets import ingest_dataset, read_manifest
from fer_au.datasets.demo import DemoAdapterConfig
from fer_au.datasets.inside import PictureFiles
from fer_au.decoding import decode_image
from fer_au.demo.generate import generate
from fer_au.errors import DataError
from fer_au.stores import Store


@dataclass(frozen=True)
class FaceSet:
    """Pictures and the truth about them.

    Attributes:
        source: Description of the faces.
        paths: N files, decoded when they are needed.
        truth: Truth about the N faces.
        hints: Boxes xyxy that the data set knows, None where it knows none.
        people: Number of persons; 0 if unknown.
    """

    source: str
    paths: tuple[Path, ...]
    truth: Truth
    hints: tuple[tuple[float, float, float, float] | None, ...]
    people: int

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, rows: Sequence[int]) -> FaceSet:
        """Take some of the faces."""
        return FaceSet(
            self.source,
            tuple(self.paths[row] for row in rows),
            self.truth.take(rows),
            tuple(self.hints[row] for row in rows),
            self.people,
        )

    def picture(self, row: int) -> NDArray[np.uint8]:
        """Decode one picture, (H, W, 3) uint8 RGB."""
        return decode_image(self.paths[row].read_bytes())


def evenly(count: int, wanted: int) -> list[int]:
    """Choose ``wanted`` of ``count`` positions at even steps; all of them if there are no more."""
    return sorted({int(place) for place in np.linspace(0, count - 1, min(count, wanted)).round()})


@contextmanager
def rendered_faces(people: int, pictures: int, seed: int) -> Iterator[FaceSet]:
    """Render faces with exact truth into a temporary folder.

    The defaults of ``benchmarks.landmarks`` give the people of the demo set, whom no part of the project that was
    fitted to rendered faces has seen.
    """
    config = DemoConfig(identities=people, images=pictures, seed=seed)
    with TemporaryDirectory() as name:
        folder = Path(name)
        generate(config, folder / "raw")
        ingest_dataset("rendered", DemoAdapterConfig(adapter="demo", root=folder / "raw"), folder)
        source = f"rendered faces, {people} people × {pictures}, {config.size} px, seed {seed}"
        yield stored_faces(folder, folder / "raw", source)


def stored_faces(folder: Path, root: Path, source: str = "") -> FaceSet:
    """Read the faces of a data set that has 68 annotated points.

    Args:
        folder: ``data/<key>`` with manifest.csv and annotations.h5, as the stage ingest leaves it.
        root: The folder of the pictures.
        source: Name of the faces in the results; default the folder.

    Raises:
        DataError: No points are annotated, or a file is missing or damaged.
    """
    manifest = read_manifest(folder / "manifest.csv")
    store = Store.open(folder / "annotations.h5", "annotations")
    store.check_ids([row.id for row in manifest], "manifest.csv")
    points = np.asarray(store["points"], np.float64) if "points" in store else np.empty((0, 68, 2))
    usable = [row for row in range(len(points)) if np.isfinite(points[row]).all()]
    if not usable:
        raise DataError(f"{store.path}: no face has 68 annotated points, so there is no truth to compare with")
    pose = np.asarray(store["pose"], np.float64) if "pose" in store else np.full((len(points), 3), np.nan)
    rows = [manifest[row] for row in usable]
    truth = Truth(
        points[usable],
        tuple(row.label for row in rows),
        tuple(row.subject or row.id for row in rows),
        pose[usable, 0],
    )
    people = len({row.subject for row in rows if row.subject})
    files = PictureFiles(root.resolve())
    paths = tuple(files.path(row.path, row.sha256) for row in rows)
    return FaceSet(source or f"faces of {folder.name}", paths, truth, tuple(row.box for row in rows), people)
