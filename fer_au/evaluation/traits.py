"""Read what is known of the faces of a split beside their label: what scores are sliced by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_au.datasets.manifest import read_manifest
from fer_au.ibug68 import inter_ocular_distance
from fer_au.landmarks.head_pose import HeadPoses, estimate_poses, unwarp
from fer_au.stores.columns import encode_ids
from fer_au.stores.reader import Store

if TYPE_CHECKING:
    from fer_au.batches.faces import FaceDataset

PREFIX = "face/"
"""Beginning of the columns of an evaluation store that hold traits."""

_ROWS = 4096

Traits = dict[str, NDArray[Any]]
"""Trait -> (N,) one value per face: NaN, or an empty text, where it is unknown.

``yaw``, ``pitch``, ``roll`` in degrees as ``landmarks.head_pose`` counts them: the data set's own, if it gives a pose,
else estimated from the landmarks. ``size``: inter-ocular distance in pixels of the source picture. ``landmark_score``
and ``landmark_residual``: how sure the extractor is, and how badly the points fit a head. ``skin_tone``, from 0
(lightest) to 1 (darkest), where the data set knows it. All these are float32; ``detector`` and ``subject`` are texts.
"""


def head_turns(traits: Traits) -> NDArray[Any]:
    """Tell how far each head is turned, (N,) degrees: the larger of its yaw and pitch; NaN where no pose is known."""
    return np.maximum(np.abs(traits["yaw"]), np.abs(traits["pitch"]))


def read_traits(dataset: FaceDataset) -> Traits:
    """Read the traits of the faces of a split.

    Raises:
        DataError: A store is missing, damaged, or doesn't fit the manifest.
    """
    folder, rows = dataset.dataset_dir, dataset.rows
    faces, landmarks = (Store.open(folder / f"{kind}.h5", kind) for kind in ("faces", "landmarks"))
    annotations = Store.open(folder / "annotations.h5", "annotations")
    poses, size = _pose_and_size(landmarks, faces, rows)
    angles = poses.angles
    if "pose" in annotations:
        given = np.asarray(annotations.take("pose", rows), np.float32)
        angles = np.where(np.isfinite(given).all(axis=1, keepdims=True), given, angles)
    traits: Traits = dict(zip(("yaw", "pitch", "roll"), angles.T, strict=True))
    traits |= {"size": size, "landmark_residual": poses.residual}
    traits["landmark_score"] = np.asarray(landmarks.take("score", rows), np.float32)
    traits["detector"] = faces.take("detector", rows)
    subjects = [row.subject or "" for row in read_manifest(folder / "manifest.csv")]
    traits["subject"] = encode_ids([subjects[row] for row in rows.tolist()])
    if "skin_tone" in annotations:
        traits["skin_tone"] = np.asarray(annotations.take("skin_tone", rows), np.float32)
    return traits


def _pose_and_size(landmarks: Store, faces: Store, rows: NDArray[np.int64]) -> tuple[HeadPoses, NDArray[np.float32]]:
    """Read the estimated poses, and measure the faces in their pictures.

    Stores of earlier releases lack the poses; they are then estimated from the same points.
    """
    poses, size = HeadPoses.unknown(len(rows)), np.full(len(rows), np.nan, np.float32)
    for start in range(0, len(rows), _ROWS):
        places = np.arange(start, min(start + _ROWS, len(rows)))
        own = rows[places]
        points = np.asarray(landmarks.take("points", own), np.float64)
        matrices = np.asarray(faces.take("matrix", own), np.float64)
        size[places] = inter_ocular_distance(unwarp(points, matrices))
        if "pose" in landmarks and "pose_residual" in landmarks:
            known = (np.asarray(landmarks.take(name, own), np.float32) for name in ("pose", "pose_residual"))
            poses.put(places, HeadPoses(*known))
        else:
            poses.put(places, estimate_poses(points, matrices))
    return poses, size


def trait_columns(traits: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Name the columns of an evaluation store that hold traits."""
    return {f"{PREFIX}{name}": values for name, values in traits.items()}


def stored_traits(results: Store) -> Traits:
    """Read the traits that an evaluation store holds; none if it is of an earlier release."""
    names = [name for name in results.columns if name.startswith(PREFIX)]
    return {name.removeprefix(PREFIX): results.rows(name, 0, len(results)) for name in names}
