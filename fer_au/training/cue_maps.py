"""The cue maps of a data set's faces, one guidance entry at a time: drawn once, kept where they fit.

A cue hangs on an image's landmarks, label and annotations, and so does landmark noise on its id: nothing of it changes
during training. So the maps of all faces are drawn before the first epoch, by threads, and kept in memory with 8 bits
per cell, the precision of heatmaps.h5; an epoch then only looks them up. Maps of more than a gigabyte are drawn batch
by batch instead, with the same result.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_au.batches.faces import FaceDataset
from fer_au.compute import worker_count
from fer_au.cues.cue import Annotated, Cue
from fer_au.errors import DataError
from fer_au.stores.reader import Store
from fer_au.training.landmark_noise import LandmarkNoise

_KEPT_BYTES = 1 << 30
_ROWS = 1024  # drawn at a time: bounds the memory of the float maps

Maps = NDArray[np.uint8]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class _Drawing:
    """How the maps of a data set's faces are drawn: what ``CueMaps`` was given, and a row per face."""

    cue: Cue
    noise: LandmarkNoise
    versions: tuple[Annotated, ...]
    ids: tuple[str, ...]
    points: NDArray[np.float32]
    labels: tuple[str, ...]
    crop_size: float
    map_size: int

    def __call__(self, rows: NDArray[np.int64]) -> tuple[Maps, Flags]:
        """All versions of the maps of some rows, (V, n, s, s), and valid (V, n)."""
        points = self.noise(torch.from_numpy(self.points[rows]), [self.ids[row] for row in rows]).numpy()
        labels = [self.labels[row] for row in rows]
        drawn = []
        for version in self.versions:
            columns = {name: values[rows] for name, values in version.columns.items()}
            annotated = Annotated(columns, version.attributes)
            maps, valid = self.cue.render(points, labels, self.crop_size, self.map_size, annotated)
            shown = np.where(valid[:, None, None], 1 - maps if self.cue.avoid else maps, 0)
            drawn.append((np.rint(shown * 255).astype(np.uint8), np.asarray(valid, np.bool_)))
        return np.stack([maps for maps, _ in drawn]), np.stack([valid for _, valid in drawn])

    def all(self) -> tuple[Maps, Flags]:
        """Of all rows, by threads: numpy draws without Python's lock."""
        blocks = [np.arange(i, min(i + _ROWS, len(self.ids))) for i in range(0, len(self.ids), _ROWS)]
        with ThreadPoolExecutor(worker_count()) as pool:
            maps, valid = zip(*pool.map(self, blocks), strict=True)
        return np.concatenate(maps, axis=1), np.concatenate(valid, axis=1)


class CueMaps:
    """The maps of one cue for all faces of a data set, as *where to look*: a cue to avoid is inverted.

    Args:
        cue: What is drawn.
        faces: The data set.
        noise: Of the landmarks.
        versions: What is known of all faces, in their order. A second one belongs to mirrored images, mirrored once
            more so that the augmentation's mirroring puts it right.

    Raises:
        DataError: A column that the cue needs is wrong.
    """

    def __init__(self, cue: Cue, faces: FaceDataset, noise: LandmarkNoise, versions: Sequence[Annotated]) -> None:
        labels = tuple(faces.classes[label] for label in faces.labels.tolist())
        size = faces.crop_size, faces.map_size
        drawing = _Drawing(cue, noise, tuple(versions), faces.ids, faces.points, labels, *size)
        fits = len(versions) * len(faces) * faces.map_size**2 <= _KEPT_BYTES
        self._maps: _Drawing | tuple[Maps, Flags] = drawing.all() if fits else drawing
        self._count = len(versions)
        self._row = {id_: row for row, id_ in enumerate(faces.ids)}

    def __call__(self, ids: Sequence[str], mirrored: Tensor) -> tuple[Tensor, Tensor]:
        """The maps of some faces.

        Args:
            ids: N ids of faces of the data set.
            mirrored: (N,) bool: which images the augmentation will mirror.

        Returns:
            maps (N, s, s) float32 in [0, 1], where to look, zero where not valid; valid (N,) bool; on the device of
            ``mirrored``.
        """
        rows = np.array([self._row[id_] for id_ in ids], np.int64)
        version = mirrored.cpu().numpy().astype(np.int64) % self._count
        if isinstance(self._maps, _Drawing):
            (maps, valid), rows = self._maps(rows), np.arange(len(rows))
        else:
            maps, valid = self._maps
        chosen = torch.from_numpy(maps[version, rows]).to(mirrored.device, non_blocking=True)
        return chosen.float() / 255, torch.from_numpy(valid[version, rows]).to(mirrored.device, non_blocking=True)


def read_annotated(cue: Cue, name: str, faces: FaceDataset) -> Annotated:
    """The columns of annotations.h5 that a cue needs, in the order of a data set's faces.

    Args:
        cue: The cue.
        name: Its name, for messages.
        faces: The data set.

    Raises:
        DataError: The data set doesn't know them.
    """
    if not cue.needs:
        return Annotated()
    store = Store.open(faces.dataset_dir / "annotations.h5", "annotations")
    for column in cue.needs:
        if column not in store:
            raise DataError(f"{store.path}: the data set has no column {column!r}, which cue {name!r} needs")
    return Annotated({column: rows_of(store, column, faces.ids) for column in cue.needs}, store.attributes)


def rows_of(store: Store, column: str, ids: Sequence[str]) -> NDArray[np.generic]:
    """A store's rows of some ids.

    Raises:
        DataError: An id is not in the store.
    """
    if missing := next((id_ for id_ in ids if id_ not in store.index), None):
        raise DataError(f"{store.path}: no row for {missing!r}; run `dvc repro`")
    return store[column][[store.index[id_] for id_ in ids]]
