"""The cue maps of a data set's faces for one guidance entry: drawn once, and kept if they fit into memory.

A cue depends on an image's landmarks, label and annotations, landmark noise on its id: nothing of it changes during
training. So the maps of all faces are drawn before the first epoch and kept with 8 bits per cell, the precision of
heatmaps.h5; an epoch only looks them up. Maps of more than a gigabyte are drawn batch by batch instead, with the same
result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_au.batches.faces import FaceDataset
from fer_au.cues.cue import Cue, FaceBatch
from fer_au.cues.drawing import Flags, Maps, draw_all, draw_bytes
from fer_au.errors import ConfigError, DataError
from fer_au.stores.reader import Store
from fer_au.training.landmark_noise import LandmarkNoise

_KEPT_BYTES = 1 << 30
_TOLD = 500  # faces that show what a cue is like


class CueMaps:
    """The maps of one cue for all faces of a data set, as *where to look*: a cue to avoid is inverted.

    Args:
        cue: The cue.
        ids: N ids of the faces.
        versions: The N faces, as ``known_faces`` gives them: once, or a second time for mirrored images.

    Raises:
        DataError: A column that the cue needs is wrong.
    """

    def __init__(self, cue: Cue, ids: Sequence[str], versions: Sequence[FaceBatch]) -> None:
        self._cue, self._versions = cue, tuple(versions)
        self._row = {id_: row for row, id_ in enumerate(ids)}
        fits = sum(len(faces) * faces.map_size**2 for faces in versions) <= _KEPT_BYTES
        self._kept = _stacked([_all_maps(cue, faces) for faces in versions]) if fits else None

    def some(self) -> Maps:
        """Give the maps of faces from all over the data set that have one, (n, s, s) uint8; as many as tell."""
        if self._kept is not None:
            maps, valid = self._kept[0][0], self._kept[1][0]
        else:
            every = len(self._versions[0]) // _TOLD + 1
            maps, valid = draw_bytes(self._cue, self._versions[0].rows(np.arange(0, len(self._versions[0]), every)))
        rows = np.flatnonzero(valid)
        chosen: Maps = maps[rows[:: len(rows) // _TOLD + 1]]
        return chosen

    def __call__(self, ids: Sequence[str], mirrored: Tensor) -> tuple[Tensor, Tensor]:
        """Look up the maps of some faces, or draw them.

        Args:
            ids: N ids of faces of the data set.
            mirrored: (N,) bool: which images the augmentation will mirror.

        Returns:
            maps (N, s, s) float32 in [0, 1], where to look, zero where not valid; valid (N,) bool; on the device of
            ``mirrored``.
        """
        rows = np.array([self._row[id_] for id_ in ids], np.int64)
        version = mirrored.cpu().numpy().astype(np.int64) % len(self._versions)
        if self._kept is None:
            drawn = _stacked([draw_bytes(self._cue, faces.rows(rows)) for faces in self._versions])
            (maps, valid), rows = drawn, np.arange(len(rows))
        else:
            maps, valid = self._kept
        chosen = torch.from_numpy(maps[version, rows]).to(mirrored.device, non_blocking=True)
        return chosen.float() / 255, torch.from_numpy(valid[version, rows]).to(mirrored.device, non_blocking=True)


def _all_maps(cue: Cue, faces: FaceBatch) -> tuple[Maps, Flags]:
    blocks = list(draw_all(cue, faces.rows, len(faces), label=f"cue {cue.name}"))
    return np.concatenate([maps for _, maps, _ in blocks]), np.concatenate([valid for _, _, valid in blocks])


def _stacked(versions: Sequence[tuple[Maps, Flags]]) -> tuple[Maps, Flags]:
    return np.stack([maps for maps, _ in versions]), np.stack([valid for _, valid in versions])


def known_faces(cue: Cue, faces: FaceDataset, noise: LandmarkNoise, clusters: Store | None) -> list[FaceBatch]:
    """Gather what a cue is drawn from, for all faces of a data set.

    Args:
        cue: The cue.
        faces: The data set.
        noise: Noise that moves the landmarks.
        clusters: The experiment's ``clusters.h5``, for a cue whose columns come from there.

    Returns:
        All faces in order, as one version; or as two, of which the second belongs to mirrored images, mirrored once
        more so that the augmentation's mirroring puts it right.

    Raises:
        ConfigError: The cue needs clusters, and there are none.
        DataError: The data set lacks a column that the cue needs.
    """
    points = noise(torch.from_numpy(faces.points), faces.ids).numpy()
    labels = [faces.classes[label] for label in faces.labels.tolist()]
    known = FaceBatch(points, labels, faces.crop_size, faces.map_size)
    if not cue.needs:
        return [known]
    if cue.source == "clusters":
        if clusters is None:
            raise ConfigError(f"cue {cue.name!r} needs an experiment's base model, whose features are clustered")
        both = rows_of(clusters, "map", faces.ids)
        # A mirrored image's own map is in that image's frame: mirrored, it starts from the frame of the first.
        versions = both[:, 0], both[:, 1, :, ::-1]
        return [replace(known, columns=dict.fromkeys(cue.needs, maps)) for maps in versions]
    store = Store.open(faces.dataset_dir / "annotations.h5", "annotations")
    for column in cue.needs:
        if column not in store:
            raise DataError(f"{store.path}: the data set has no column {column!r}, which cue {cue.name!r} needs")
    columns = {column: rows_of(store, column, faces.ids) for column in cue.needs}
    return [replace(known, columns=columns, attributes=store.attributes)]


def rows_of(store: Store, column: str, ids: Sequence[str]) -> NDArray[np.generic]:
    """Read a store's rows of some ids.

    Raises:
        DataError: An id is not in the store.
    """
    if missing := next((id_ for id_ in ids if id_ not in store.index), None):
        raise DataError(f"{store.path}: no row for {missing!r}; run `dvc repro`")
    return store[column][[store.index[id_] for id_ in ids]]
