"""What the faces of a split are scored against: AU maps, landmark regions, true motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.batches.faces import FaceDataset
from fer_au.cues.regions import region_coverage
from fer_au.datasets.manifest import read_manifest
from fer_au.evaluation.arrays import FloatArray
from fer_au.evaluation.baselines import mean_maps
from fer_au.evaluation.motion import motion_in_crop
from fer_au.stores.reader import Store


@dataclass(frozen=True)
class Truth:
    """References of N faces on the comparison grid, S x S, which spans the crop.

    Attributes:
        labels: N true labels.
        targets: (N, S, S) float32 AU maps of the project's codebook in [0, 1].
        valid: (N,) whether the AU map is real (not neutral, landmarks found, expression in the codebook).
        coverage: (N, regions, S, S) of ``cues.regions.region_coverage``; NaN without landmarks.
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
        dataset: The split that is scored.
        training: The training split of the same data set, for the class means; may be empty.

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
    """The true labels of a split, by name."""
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
