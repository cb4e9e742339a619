"""Faces of one split, to train on or to score: crop, class, AU map and landmarks, joined from a data set's stores.

Or faces of a training split sorted by person, for networks that learn to tell persons apart first.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_au.batches.preprocess import decode_picture
from fer_au.batches.soft_labels import read_shares
from fer_au.cues.codebook import Codebook, recorded_codebook
from fer_au.datasets.joined import check_joined
from fer_au.datasets.manifest import ManifestRow, read_manifest
from fer_au.datasets.spelling import find_code
from fer_au.errors import DataError
from fer_au.expressions import ordered
from fer_au.fingerprints import file_digest
from fer_au.models.classes import are_subjects, subject_class
from fer_au.stores.reader import Store
from fer_au.stores.schemas import FaceStatus

_STORES = ("faces", "landmarks", "heatmaps")
_HELD_OUT = 10  # one face of a person in so many is held out for each of two purposes
_FEWEST = 3  # a person with fewer faces has all of them trained on
_NO_SPLIT = ""


@dataclass(frozen=True)
class Batch:
    """Faces that are loaded together.

    Attributes:
        images: (N, 3 views, S, S) uint8 RGB.
        labels: (N,) int64, positions in the data set's ``classes``.
        maps: (N, s, s) uint8 AU maps of the project's codebook, 255 = 1.0.
        valid: (N,) bool, False where a face has no map (neutral, or no landmarks).
        points: (N, 68, 2) float32 xy pixels of the stored crop, NaN where none were found.
        ids: N ids.
        shares: (N, classes) float32 shares of the classes in the faces' soft labels; None where ``labels`` are all.
    """

    images: Tensor
    labels: Tensor
    maps: Tensor
    valid: Tensor
    points: Tensor
    ids: tuple[str, ...]
    shares: Tensor | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device) -> Batch:
        """Copy the batch to a device."""
        return Batch(
            images=self.images.to(device, non_blocking=True),
            labels=self.labels.to(device, non_blocking=True),
            maps=self.maps.to(device, non_blocking=True),
            valid=self.valid.to(device, non_blocking=True),
            points=self.points.to(device, non_blocking=True),
            ids=self.ids,
            shares=None if self.shares is None else self.shares.to(device, non_blocking=True),
        )


class FaceDataset:
    """The usable faces of one split: rows that have a crop, and a label among the classes.

    Stores are opened on first use in each process and leave no handle open, so that an instance survives fork and
    pickle.

    Args:
        dataset_dir: ``data/<key>`` with manifest.csv, faces.h5, landmarks.h5, heatmaps.h5.
        split: ``train``, ``valid`` or ``test``.
        image_size: Side of the images handed out, pixels; default that of the stored crops.
        classes: Expressions or persons, in class order; default those of the training split.
        fold: This fold becomes ``test``, and the set's own ``test`` rows of other folds train.
        target: Default classes: ``expression``, or ``subject`` with ``person_splits``; ``soft`` are expressions, too,
            with their shares in each face's soft label.
        views: 1 for the aligned crop alone; 2 puts the whole picture behind it, in channels 3 to 5.

    Attributes:
        classes: The class order of ``labels``.
        skipped: Number of faces of the split that were left out since their label is not among the classes.

    Raises:
        DataError: Missing or mismatched files, a fold that the set doesn't have, no whole pictures for two views, or no
            soft labels for ``soft``.
    """

    def __init__(
        self,
        dataset_dir: Path,
        split: str,
        image_size: int | None = None,
        classes: Sequence[str] | None = None,
        *,
        fold: str | int | None = None,
        target: Literal["expression", "soft", "subject"] = "expression",
        views: int = 1,
    ) -> None:
        self.dataset_dir = dataset_dir
        self.split = split
        self.views = views
        manifest = read_manifest(dataset_dir / "manifest.csv")
        status = self._join(manifest)
        self.image_size = image_size or round(self.crop_size)
        usable = [row for row in range(len(manifest)) if status[row] != FaceStatus.REJECTED]
        splits, labels = self._splits(manifest, fold), [row.label for row in manifest]
        persons = are_subjects(classes) if classes else target == "subject"
        if persons:
            splits = person_splits(manifest, usable, splits)
            labels = [subject_class(row.subject) if row.subject else "" for row in manifest]
        trained = {labels[row] for row in usable if splits[row] == "train"}
        self.classes = tuple(classes) if classes else tuple(sorted(trained)) if persons else ordered(trained)
        members = [row for row in usable if splits[row] == split]
        known = [row for row in members if labels[row] in self.classes]
        self.skipped = len(members) - len(known)
        self.rows: NDArray[np.int64] = np.array(known, np.int64)
        self.ids = tuple(manifest[row].id for row in known)
        self.labels: NDArray[np.int64] = np.array([self.classes.index(labels[row]) for row in known], np.int64)
        self._shares: NDArray[np.float32] | None = None
        if target == "soft":
            self._shares = read_shares(dataset_dir / "annotations.h5", self.ids, self.labels, self.classes)

    def _join(self, manifest: list[ManifestRow]) -> NDArray[np.uint8]:
        check_joined(manifest, *(self._stores[name] for name in _STORES))
        self._check_views()
        return np.asarray(self._stores["faces"]["status"], np.uint8)

    def _splits(self, manifest: Sequence[ManifestRow], fold: str | int | None) -> list[str]:
        """List the split of every row when ``fold`` is held out."""
        if fold is None:
            return [row.split for row in manifest]
        folds = sorted({row.fold for row in manifest if row.fold})
        held_out = find_code(str(fold), folds)
        if held_out is None:
            path = self.dataset_dir / "manifest.csv"
            raise DataError(f"{path}: no fold {str(fold)!r}; it has {', '.join(folds) or 'none'}")
        return ["test" if row.fold == held_out else "train" if row.split == "test" else row.split for row in manifest]

    def _check_views(self) -> None:
        if self.views > 1 and "context" not in self._stores["faces"]:
            path = self.dataset_dir / "faces.h5"
            raise DataError(f"{path}: no whole pictures, which the model needs; set align.context and run `dvc repro`")

    def resized(self, image_size: int, views: int) -> FaceDataset:
        """Give the same faces as images of another size or number of views.

        Raises:
            DataError: No whole pictures for two views.
        """
        other = copy.copy(self)
        other.image_size, other.views = image_size, views
        other._check_views()
        return other

    def part(self, places: Sequence[int]) -> FaceDataset:
        """Give the faces at some positions alone, in that order."""
        other = copy.copy(self)
        chosen = np.array(places, np.int64)
        other.rows, other.labels = self.rows[chosen], self.labels[chosen]
        other.ids = tuple(self.ids[place] for place in places)
        other._shares = None if self._shares is None else self._shares[chosen]
        return other

    def labelled_as(self, places: Sequence[int]) -> FaceDataset:
        """Give the same faces with the labels, soft ones too, of the faces at some positions, as many as there are."""
        other, chosen = copy.copy(self), np.array(places, np.int64)
        other.labels = self.labels[chosen]
        other._shares = None if self._shares is None else self._shares[chosen]
        return other

    def __len__(self) -> int:
        return len(self.rows)

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in self.__dict__.items() if key != "_stores"}

    def batch(self, indices: Sequence[int], images: NDArray[np.uint8] | None = None) -> Batch:
        """Read the faces at some positions.

        Args:
            indices: Positions in the split.
            images: Their crops as ``image`` gives them, where they are decoded already.

        Raises:
            DataError: A crop can't be decoded; the message names it.
        """
        rows = self.rows[list(indices)]
        images = np.stack([self.image(index) for index in indices]) if images is None else images
        heatmaps, landmarks = self._stores["heatmaps"], self._stores["landmarks"]
        return Batch(
            images=torch.from_numpy(images),
            labels=torch.from_numpy(self.labels[list(indices)]),
            # Read from the file, which takes no longer: whole columns would stay in memory, of all splits.
            maps=torch.from_numpy(np.asarray(heatmaps.take("map", rows), np.uint8)),
            valid=torch.from_numpy(np.asarray(heatmaps["valid"][rows], np.bool_)),
            points=torch.from_numpy(np.asarray(landmarks.take("points", rows), np.float32)),
            ids=tuple(self.ids[index] for index in indices),
            shares=None if self._shares is None else torch.from_numpy(self._shares[list(indices)]),
        )

    def image(self, index: int) -> NDArray[np.uint8]:
        """Decode the views at a position, (3 views, image_size, image_size) uint8 RGB; threads may do so at once."""
        pictures = [self._picture(index, "data", self.crop_size)]
        if self.views > 1:
            pictures.append(self._picture(index, "context", float(self._stores["faces"].attributes["context_size"])))
        return np.concatenate(pictures)

    def _picture(self, index: int, column: str, side: float) -> NDArray[np.uint8]:
        """Decode one view at a position, (3, image_size, image_size) RGB; ``side`` is its stored size."""
        data = self._stores["faces"].ragged(int(self.rows[index]), column)
        picture = decode_picture(data, side, self.image_size)
        if picture is None:
            raise DataError(f"{self._stores['faces'].path}: the crop of {self.ids[index]!r} can't be decoded")
        return picture.transpose(2, 0, 1)

    @property
    def crop_size(self) -> float:
        """Side of the stored crops, the frame of ``points``, pixels.

        Raises:
            DataError: landmarks.h5 doesn't say.
        """
        return self._stores["landmarks"].positive("image_size", "landmarks")

    @property
    def points(self) -> NDArray[np.float32]:
        """The landmarks of all faces, (N, 68, 2) xy pixels of the stored crop; NaN where none were found."""
        return np.asarray(self._stores["landmarks"].take("points", self.rows), np.float32)

    def au_maps(self, most: int = 500) -> NDArray[np.uint8]:
        """Read the stored AU maps of faces from all over the split that have one, (n, S, S), at most ``most``."""
        heatmaps = self._stores["heatmaps"]
        rows = self.rows[np.asarray(heatmaps["valid"], np.bool_)[self.rows]]
        return np.asarray(heatmaps["map"][rows[:: len(rows) // most + 1]], np.uint8)

    @property
    def map_size(self) -> int:
        """Side of the stored AU maps, cells."""
        return int(self._stores["heatmaps"].specs["map"].shape[1])

    @property
    def align_options(self) -> dict[str, str | int | float]:
        """Attributes of faces.h5: how the crops were made."""
        return dict(self._stores["faces"].attributes)

    @property
    def heatmap_options(self) -> Mapping[str, str | int | float]:
        """Attributes of heatmaps.h5: the codebook and geometry of its maps."""
        return self._stores["heatmaps"].attributes

    @property
    def codebook(self) -> Codebook:
        """Codebook that the stored AU maps were drawn by.

        Raises:
            ConfigError: heatmaps.h5 names a codebook that isn't registered, or has changed since.
            DataError: heatmaps.h5 names none.
        """
        return recorded_codebook(self.heatmap_options, self.dataset_dir / "heatmaps.h5")

    def content_hashes(self) -> dict[str, str]:
        """Return the hashes that identify the data: the manifest's sha256 and each store's content hash."""
        hashes = {f"{name}.h5": store.content_sha256 for name, store in self._stores.items()}
        return {"manifest.csv": file_digest(self.dataset_dir / "manifest.csv"), **hashes}

    @cached_property
    def _stores(self) -> dict[str, Store]:
        return {name: Store.open(self.dataset_dir / f"{name}.h5", name) for name in _STORES}


def person_splits(manifest: Sequence[ManifestRow], usable: Sequence[int], splits: Sequence[str]) -> list[str]:
    """Split faces for telling persons apart, so that ``valid`` and ``test`` hold other faces of the same persons.

    Only the training faces of known persons take part, so that a network that goes on to expressions has never seen
    the persons of their ``valid`` and ``test``. Of each person's faces, in order of ids, the first tenth tests and the
    next one selects; these are pieces, not every tenth face, since neighbours are often frames of one clip.

    Args:
        manifest: All rows.
        usable: Indices of the rows that have a crop.
        splits: The split of every row for expressions.

    Returns:
        The split of every row; empty for those that take no part.
    """
    faces: dict[str, list[int]] = {}
    for row in usable:
        subject = manifest[row].subject
        if subject and splits[row] == "train":
            faces.setdefault(subject, []).append(row)
    result = [_NO_SPLIT] * len(manifest)
    for rows in faces.values():
        held = max(1, len(rows) // _HELD_OUT) if len(rows) >= _FEWEST else 0
        for place, row in enumerate(rows):
            result[row] = "test" if place < held else "valid" if place < 2 * held else "train"
    return result
