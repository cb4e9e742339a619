"""Read what the faces of a split are scored against: AU maps, landmark regions, true motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from fer_au.batches.faces import FaceDataset
from fer_au.cues.regions import region_coverage
from fer_au.datasets.manifest import read_manifest
from fer_au.evaluation.baselines import mean_maps
from fer_au.evaluation.map_scores import FloatArray
from fer_au.stores.reader import Store

_SAMPLES_PER_AXIS = 3  # per cell: a cell of the comparison grid may span several cells of the motion grid


@dataclass(frozen=True)
class Truth:
    """References of N faces on the comparison grid, S x S, which spans the crop.

    Attributes:
        labels: True labels of the N faces.
        targets: (N, S, S) float32 AU maps in [0, 1], drawn by the project's codebook.
        valid: (N,) True where the AU map is real (not neutral, landmarks found, expression in the codebook).
        coverage: (N, regions, S, S) result of ``cues.regions.region_coverage``; NaN without landmarks.
        class_means: Label -> (S, S) mean AU map of the training split.
        motion: (N, S, S) true motion in [0, 1], NaN rows where unknown; None if the data set knows none.
    """

    labels: tuple[str, ...]
    targets: NDArray[np.float32]
    valid: NDArray[np.bool_]
    coverage: FloatArray
    class_means: dict[str, FloatArray]
    motion: FloatArray | None

    @property
    def size(self) -> int:
        """Side S of the comparison grid."""
        return int(self.targets.shape[-1])


def read_truth(dataset: FaceDataset, training: FaceDataset) -> Truth:
    """Read the references of a split.

    Args:
        dataset: Split that is scored.
        training: Training split of the same data set, for the class means; may be empty.

    Raises:
        DataError: A store is missing, damaged, or doesn't fit the manifest.
    """
    folder = dataset.dataset_dir
    heatmaps = Store.open(folder / "heatmaps.h5", "heatmaps")
    maps = np.asarray(heatmaps["map"], np.uint8)
    valid = np.asarray(heatmaps["valid"], np.bool_)
    points = np.asarray(Store.open(folder / "landmarks.h5", "landmarks")["points"], np.float64)
    size = (maps.shape[1], maps.shape[2])
    return Truth(
        labels=label_names(dataset),
        targets=np.asarray(maps[dataset.rows] / 255, np.float32),
        valid=valid[dataset.rows],
        coverage=region_coverage(points[dataset.rows], dataset.crop_size, size),
        class_means=mean_maps(maps[training.rows] / 255, label_names(training), valid[training.rows]),
        motion=_read_motion(folder, dataset.rows, dataset.crop_size, size),
    )


def label_names(dataset: FaceDataset) -> tuple[str, ...]:
    """Name the true labels of a split."""
    return tuple(dataset.classes[index] for index in dataset.labels.tolist())


def _read_motion(
    folder: Path, rows: Sequence[int] | NDArray[np.int64], crop: float, size: tuple[int, int]
) -> FloatArray | None:
    path = folder / "annotations.h5"
    annotations = Store.open(path, "annotations")
    if "motion" not in annotations:
        return None
    manifest = read_manifest(folder / "manifest.csv")
    sizes = np.array([(manifest[row].width, manifest[row].height) for row in rows], np.float64)
    matrices = np.asarray(Store.open(folder / "faces.h5", "faces")["matrix"], np.float64)[rows]
    return motion_in_crop(np.asarray(annotations["motion"], np.float64)[rows] / 255, sizes, matrices, crop, size)


def motion_in_crop(
    motion: FloatArray, picture_sizes: FloatArray, matrices: FloatArray, crop_size: float, map_size: tuple[int, int]
) -> FloatArray:
    """Resample motion maps from source pictures to the crops that a model sees.

    Args:
        motion: (N, m, m) maps, each spanning its whole picture.
        picture_sizes: (N, 2) width and height of the pictures in pixels.
        matrices: (N, 2, 3) similarity from picture to crop, pixel centres at +0.5; NaN rows where there is no crop.
        crop_size: Side of the crops in pixels.
        map_size: (h, w) of the result, spanning the crop.

    Returns:
        (N, h, w) mean motion per cell, 0 outside the picture; NaN rows for a matrix that can't be inverted.
    """
    rows, columns = map_size
    fine = (rows * _SAMPLES_PER_AXIS, columns * _SAMPLES_PER_AXIS)
    y, x = ((np.arange(count) + 0.5) * crop_size / count for count in fine)
    crop_points = np.stack([*(axis.ravel() for axis in np.meshgrid(x, y)), np.ones(fine[0] * fine[1])])
    found = np.full((len(motion), rows, columns), np.nan)
    for index, matrix in enumerate(matrices):
        whole = np.vstack([matrix, [0.0, 0.0, 1.0]])
        if not np.isfinite(whole).all() or abs(np.linalg.det(whole)) < 1e-12:
            continue
        picture_points = (np.linalg.inv(whole) @ crop_points)[:2]
        cells = motion.shape[2], motion.shape[1]
        u, v = (picture_points[axis] / picture_sizes[index, axis] * cells[axis] - 0.5 for axis in (0, 1))
        values = map_coordinates(motion[index], [v, u], order=1, mode="constant")
        blocks = values.reshape(rows, _SAMPLES_PER_AXIS, columns, _SAMPLES_PER_AXIS)
        found[index] = blocks.mean(axis=(1, 3))
    return found
