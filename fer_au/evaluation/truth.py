"""Read what the faces of a split are scored against, block by block: AU maps, regions of the face, true motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fer_au.batches.faces import FaceDataset
from fer_au.cues.au import AUCue, GenericAUCue
from fer_au.cues.cue import Cue, FaceBatch
from fer_au.cues.regions import side_coverage
from fer_au.datasets.manifest import read_manifest
from fer_au.evaluation.class_means import ClassMeans
from fer_au.evaluation.map_scores import ClassFit, FloatArray
from fer_au.stores.reader import Store

_SAMPLES_PER_AXIS = 3  # per cell: a cell of the comparison grid may span several cells of the motion grid
_ROWS = 4096  # of the training split, read at a time


@dataclass(frozen=True)
class Truth:
    """References of N faces on the comparison grid, S x S, which spans the crop.

    Attributes:
        labels: True labels of the N faces.
        targets: (N, S, S) float32 AU maps in [0, 1], drawn by the project's codebook.
        valid: (N,) True where the AU map is real (not neutral, landmarks found, expression in the codebook).
        choices: (N, K, S, S) float32 AU maps of the K expressions, each drawn on the same face; NaN where one can't be.
        own: (N,) position of the true label among these expressions; -1 if it is none of them.
        generic: (N, S, S) float32 map of all action units, whatever the expression; NaN where it can't be drawn.
        coverage: (N, 2, regions, S, S) float32 result of ``cues.regions.side_coverage``; NaN without landmarks.
        class_means: Label -> (S, S) mean AU map of the training split.
        motion: (N, S, S) true motion in [0, 1], NaN rows where unknown; None if the data set knows none.
    """

    labels: tuple[str, ...]
    targets: NDArray[np.float32]
    valid: NDArray[np.bool_]
    choices: NDArray[np.float32]
    own: NDArray[np.int64]
    generic: NDArray[np.float32]
    coverage: NDArray[np.float32]
    class_means: dict[str, FloatArray]
    motion: FloatArray | None

    @property
    def size(self) -> int:
        """Side S of the comparison grid."""
        return int(self.targets.shape[-1])

    @cached_property
    def class_fit(self) -> ClassFit:
        """Scorer of maps by how well they fit their own expression, compared with the others on the same face."""
        return ClassFit(self.choices, self.own)


class TruthReader:
    """Reader of a split's references; memory depends on the block that is asked for, and little on the split.

    Args:
        dataset: Split that is scored.
        training: Training split of the same data set, for the class means; may be empty.

    Attributes:
        labels: True labels of the N faces of the split.
        valid: (N,) as in ``Truth``.
        expressions: Classes of the model that the codebook knows: those whose maps are drawn on every face.
        size: Side S of the comparison grid.
        class_means: Label -> (S, S) mean AU map of the training split.

    Raises:
        ConfigError: The codebook or geometry of heatmaps.h5 is no longer what it was.
        DataError: A store is missing, damaged, or doesn't fit the manifest.
    """

    def __init__(self, dataset: FaceDataset, training: FaceDataset) -> None:
        folder = dataset.dataset_dir
        self._dataset = dataset
        self._heatmaps = Store.open(folder / "heatmaps.h5", "heatmaps")
        self._landmarks = Store.open(folder / "landmarks.h5", "landmarks")
        self._crop = dataset.crop_size
        codebook, geometry = dataset.codebook, str(dataset.heatmap_options["geometry"])
        self._cue, self._generic = AUCue(codebook=codebook, geometry=geometry), GenericAUCue(geometry=geometry)
        self.expressions = tuple(name for name in dataset.classes if name in codebook.expressions)
        self.labels = label_names(dataset)
        self.size = int(self._heatmaps.specs["map"].shape[1])
        self.valid = np.asarray(self._heatmaps.take("valid", dataset.rows), np.bool_)
        self.class_means = self._mean_maps(training)
        self._annotations = Store.open(folder / "annotations.h5", "annotations")
        self._faces = Store.open(folder / "faces.h5", "faces")
        manifest = read_manifest(folder / "manifest.csv") if self.knows_motion else []
        sizes = [(manifest[row].width, manifest[row].height) for row in dataset.rows] if manifest else []
        self._picture_sizes = np.array(sizes, np.float64)

    @property
    def knows_motion(self) -> bool:
        """Whether the data set knows what its faces truly moved."""
        return "motion" in self._annotations

    def block(self, start: int, stop: int) -> Truth:
        """Read and draw the references of the faces at positions ``start:stop`` of the split."""
        rows, labels = self._dataset.rows[start:stop], self.labels[start:stop]
        points = np.asarray(self._landmarks.take("points", rows), np.float32)
        places = {name: place for place, name in enumerate(self.expressions)}
        drawn = [self._draw(self._cue, points, [name] * len(rows)) for name in self.expressions]
        shape = (len(rows), 0, self.size, self.size)
        return Truth(
            labels=labels,
            targets=np.asarray(np.asarray(self._heatmaps.take("map", rows), np.float64) / 255, np.float32),
            valid=self.valid[start:stop],
            choices=np.stack(drawn, axis=1) if drawn else np.zeros(shape, np.float32),
            own=np.array([places.get(label, -1) for label in labels], np.int64),
            generic=self._draw(self._generic, points, labels),
            coverage=side_coverage(points, self._crop, (self.size, self.size)).astype(np.float32),
            class_means=self.class_means,
            motion=self._motion(start, stop) if self.knows_motion else None,
        )

    def _draw(self, cue: Cue, points: NDArray[np.float32], labels: Sequence[str]) -> NDArray[np.float32]:
        maps, valid = cue.render(FaceBatch(points, labels, self._crop, self.size))
        maps[~valid] = np.nan
        return np.asarray(maps, np.float32)

    def _motion(self, start: int, stop: int) -> FloatArray:
        rows = self._dataset.rows[start:stop]
        motion = np.asarray(self._annotations.take("motion", rows), np.float64) / 255
        matrices = np.asarray(self._faces.take("matrix", rows), np.float64)
        return motion_in_crop(motion, self._picture_sizes[start:stop], matrices, self._crop, (self.size, self.size))

    def _mean_maps(self, training: FaceDataset) -> dict[str, FloatArray]:
        means, labels = ClassMeans(), label_names(training)
        for start in range(0, len(training), _ROWS):
            rows = training.rows[start : start + _ROWS]
            maps, valid = self._heatmaps.take("map", rows), np.asarray(self._heatmaps.take("valid", rows), np.bool_)
            means.add(maps, labels[start : start + _ROWS], valid)
        return {label: mean / 255 for label, mean in means.maps().items()}


def label_names(dataset: FaceDataset) -> tuple[str, ...]:
    """Name the true labels of a split."""
    return tuple(dataset.classes[index] for index in dataset.labels.tolist())


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
    from scipy.ndimage import map_coordinates  # few data sets know motion

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
