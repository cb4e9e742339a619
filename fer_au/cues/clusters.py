"""Cue ``clusters``: LAN's guidance, 1 at every position whose features belong to the rarer of two kinds.

Source: the local attention network (LAN) of Cho and Lee, IEEE Access 2022. For each position of a layer's grid the
training images' feature vectors are divided by K-means with K = 2. The cluster with fewer members is the attentive one
(ties: the second); an image's map is 1 where its vector is nearer to the attentive centre. The paper says neither which
features are clustered nor how K-means starts; here they are the raw features of a trained base model, and starts are
seeded k-means++ (``cues.kmeans``).

Centres belong to positions, so the map of a mirrored image is not the mirrored map: each image has two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from fer_au.compute import map_ordered, worker_count
from fer_au.cues.arrays import Array
from fer_au.cues.cue import CUES, Cue, FaceBatch
from fer_au.cues.kmeans import Floats, TwoMeans, nearer_second, two_means
from fer_au.errors import StoreError

VERSION = 1  # raised whenever equal features give other clusters
_RARE = 0.01  # share of images below which the attentive cluster says more of a few odd images than of faces
_LARGE = 1 << 26  # bytes of features; fewer are clustered before a worker has started
_FLAT = 1e-6  # distance of the centres, as a share of the vectors' size, below which they are one


class Degenerate(IntEnum):
    """Reasons why a position's clusters tell little."""

    NO = 0
    RARE = 1  # the attentive cluster holds less than 1 % of the images
    FLAT = 2  # the centres coincide, as those of dead features do: no image is attentive there


@dataclass(frozen=True)
class Clusters:
    """The clusters of all P positions.

    Attributes:
        centres: (P, 2, C) float32.
        counts: (P, 2) int64, images of each cluster.
        attentive: (P,) uint8, number of the attentive cluster, 0 or 1.
        degenerate: (P,) uint8, see ``Degenerate``.
    """

    centres: Floats
    counts: NDArray[np.int64]
    attentive: NDArray[np.uint8]
    degenerate: NDArray[np.uint8]

    def maps(self, features: Floats) -> NDArray[np.uint8]:
        """Tell which positions of some images are attentive.

        Args:
            features: (n, P, C).

        Returns:
            (n, P), 1 where the nearer centre is the attentive one.
        """
        second = [
            nearer_second(features[:, position], first[None], other[None])[0]
            for position, (first, other) in enumerate(self.centres)
        ]
        return self._attentive(np.stack(second, axis=1))

    def _attentive(self, second: NDArray[np.bool_]) -> NDArray[np.uint8]:
        alive = self.degenerate != Degenerate.FLAT
        return np.asarray((second == self.attentive.astype(np.bool_)) & alive, np.uint8)


class FeatureSpool:
    """Features on the disk, written image by image and read position by position; made by ``feature_spool``.

    Attributes:
        path: The file.
        images: Number of images N.
        positions: Number of positions P.
        channels: Length C of a vector.
    """

    def __init__(self, file: BinaryIO, path: Path, images: int, positions: int, channels: int) -> None:
        self._file, self.path = file, path
        self.images, self.positions, self.channels = images, positions, channels
        self._filled = 0

    def append(self, features: Floats) -> None:
        """Add the features (n, P, C) of the next images.

        Raises:
            StoreError: The disk is full or can't be written.
        """
        for position in range(self.positions):
            try:
                self._file.seek(4 * self.channels * (position * self.images + self._filled))
                self._file.write(np.ascontiguousarray(features[:, position], np.float32).data)
                self._file.flush()
            except OSError as error:
                size = 4 * self.images * self.positions * self.channels / 1e9
                raise StoreError(f"{self.path}: can't keep {size:.1f} GB of features: {error.strerror}") from error
        self._filled += len(features)

    def vectors(self, position: int) -> Floats:
        """Read the vectors (N, C) of all images at a position into a new array."""
        return _read_vectors(self.path, position, self.images, self.channels)


def _read_vectors(path: Path, position: int, images: int, channels: int) -> Floats:
    count = images * channels
    return np.fromfile(path, np.float32, count, offset=4 * count * position).reshape(images, channels)


@contextmanager
def feature_spool(path: Path, images: int, positions: int, channels: int) -> Iterator[FeatureSpool]:
    """Open a spool in a file of 4 bytes per number, deleted when the block ends; a leftover file is overwritten."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("wb") as file:
            yield FeatureSpool(file, path, images, positions, channels)
    finally:
        path.unlink(missing_ok=True)


def fit_clusters(spool: FeatureSpool, seed: int = 0) -> tuple[Clusters, NDArray[np.uint8]]:
    """Cluster the features of every position, in parallel; each worker holds one position's vectors.

    Args:
        spool: The features of at least one image.
        seed: Seed of K-means' starts.

    Returns:
        The clusters, and the maps (N, P) of the images.
    """
    positions = spool.positions
    centres = np.empty((positions, 2, spool.channels), np.float32)
    counts = np.empty((positions, 2), np.int64)
    second = np.empty((spool.images, positions), np.bool_)
    flat = np.empty(positions, np.bool_)
    large = 4 * spool.images * positions * spool.channels > _LARGE
    task = _Clustering(spool.path, spool.images, spool.channels, seed)
    results = map_ordered(task, range(positions), label="clusters", workers=worker_count() if large else 1)
    for position, found in enumerate(results):
        centres[position], second[:, position] = found
        members = int(found.second.sum())
        counts[position] = spool.images - members, members
        flat[position] = _coincide(found.centres)
    rare = counts.min(axis=1) < _RARE * spool.images
    degenerate = np.where(flat, Degenerate.FLAT, np.where(rare, Degenerate.RARE, Degenerate.NO)).astype(np.uint8)
    clusters = Clusters(centres, counts, (counts[:, 1] <= counts[:, 0]).astype(np.uint8), degenerate)
    return clusters, clusters._attentive(second)


@dataclass(frozen=True)
class _Clustering:
    """Task of a worker: cluster one position's vectors."""

    path: Path
    images: int
    channels: int
    seed: int

    def __call__(self, position: int) -> TwoMeans:
        return two_means(_read_vectors(self.path, position, self.images, self.channels), (self.seed, position))


def _coincide(centres: Floats) -> bool:
    first, second = centres.astype(np.float64)
    size = np.sqrt(max(float(first @ first), float(second @ second)))
    return bool(np.linalg.norm(second - first) <= _FLAT * size)


@CUES.register("clusters")
class ClusterCue(Cue):
    """The stored maps, on the grid of the features that were clustered.

    Its column ``clusters`` comes from the experiment's ``clusters.h5``, which the first phase of training makes from
    the features of the experiment's ``base``.
    """

    needs = ("clusters",)
    source = "clusters"
    needs_landmarks = False

    def draw(self, faces: FaceBatch) -> tuple[Array, Array]:
        """Give the maps of (h, w) cells, 1 where attentive. Every image has one, with landmarks or without."""
        return np.asarray(faces.columns["clusters"], np.float32), np.ones(len(faces), np.bool_)
