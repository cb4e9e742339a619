"""Stage ``heatmaps``: the AU map of every face of a data set, as one store."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.config.data import HeatmapsConfig
from fer_au.cues.arrays import Array
from fer_au.cues.cue import AUCue
from fer_au.datasets.manifest import read_manifest
from fer_au.errors import DataError
from fer_au.stores.fingerprints import fingerprint
from fer_au.stores.reader import Store
from fer_au.stores.writer import encode_ids, write_store

_LOG = logging.getLogger(__name__)
_ROWS = 4096  # rendered at a time: bounds the memory of the float maps


def render_dataset(config: HeatmapsConfig, dataset_dir: Path) -> None:
    """Render ``heatmaps.h5`` from ``manifest.csv`` and ``landmarks.h5``.

    The store has one row per manifest row, in its order: ``map`` (N, S, S) uint8 with 255 for 1.0, and ``valid``. Rows
    without a map (neutral, no landmarks) hold zeros.

    Args:
        config: Codebook, geometry and size S.
        dataset_dir: Folder of the data set's artefacts.

    Raises:
        ConfigError: The codebook or geometry is unknown or wrong.
        DataError: An input is missing or damaged, or manifest and landmarks list different faces.
    """
    cue = AUCue(codebook=config.codebook, geometry=config.geometry)
    manifest = read_manifest(dataset_dir / "manifest.csv")
    landmarks = Store.open(dataset_dir / "landmarks.h5", "landmarks")
    ids = [row.id for row in manifest]
    if landmarks.ids != ids:
        raise DataError(f"{landmarks.path}: its faces are not those of manifest.csv; run the stage landmarks again")
    image_size = _image_size(landmarks)
    maps, valid = _render(cue, landmarks["points"], [row.label for row in manifest], image_size, config.size)
    _LOG.info("heatmaps: %d of %d faces have a map", valid.sum(), len(valid))
    write_store(
        dataset_dir / "heatmaps.h5",
        "heatmaps",
        {"id": encode_ids(ids), "map": maps, "valid": valid},
        fingerprint=fingerprint(
            "heatmaps",
            1,
            {
                "cue": cue.fingerprint,
                "size": config.size,
                "image_size": image_size,
                "labels": [row.label for row in manifest],
                "landmarks": landmarks.content_sha256,
            },
        ),
        attributes={
            "codebook": cue.codebook.name,
            "codebook_sha256": cue.codebook.sha256,
            "geometry": cue.geometry.name,
            "geometry_version": cue.geometry.version,
        },
    )


def _image_size(landmarks: Store) -> float:
    size = landmarks.attributes.get("image_size")
    if not isinstance(size, int | float) or not size > 0:
        raise DataError(f"{landmarks.path}: attribute 'image_size' is missing; run the stage landmarks again")
    return size


def _render(
    cue: AUCue, points: Array, labels: list[str], image_size: float, size: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    maps = np.zeros((len(points), size, size), dtype=np.uint8)
    valid = np.zeros(len(points), dtype=np.bool_)
    for start in range(0, len(points), _ROWS):
        rows = slice(start, start + _ROWS)
        drawn, valid[rows] = cue.render(points[rows], labels[rows], image_size, size)
        maps[rows] = np.rint(drawn * 255).astype(np.uint8)
    return maps, valid
