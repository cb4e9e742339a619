"""Stage ``heatmaps``: the AU map of every face of a data set, as one store."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fer_au.compute import log
from fer_au.config.data import HeatmapsConfig
from fer_au.cues.au import AUCue
from fer_au.cues.cue import FaceBatch
from fer_au.cues.drawing import draw_all
from fer_au.datasets.manifest import labels_digest, pictures_digest, read_manifest
from fer_au.fingerprints import fingerprint
from fer_au.stores.columns import ColumnSpec
from fer_au.stores.layout import Attribute
from fer_au.stores.locks import output_lock
from fer_au.stores.reader import Store
from fer_au.stores.sources import LABELS, PICTURES, check_sources
from fer_au.stores.writer import open_writer


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
    output = dataset_dir / "heatmaps.h5"
    with output_lock(output):
        cue = AUCue(codebook=config.codebook, geometry=config.geometry)
        manifest = read_manifest(dataset_dir / "manifest.csv")
        landmarks = Store.open(dataset_dir / "landmarks.h5", "landmarks")
        landmarks.check_ids([row.id for row in manifest], "manifest.csv")
        check_sources(landmarks, {PICTURES: pictures_digest(manifest)})
        labels = [row.label for row in manifest]
        image_size = landmarks.positive("image_size", "landmarks")
        rows, size = len(landmarks), config.size
        identity = {
            "cue": cue.fingerprint,
            "size": size,
            "image_size": image_size,
            "labels": labels,
            "landmarks": landmarks.content_sha256,
        }
        specs = {
            "id": ColumnSpec.of(landmarks["id"]),
            "map": ColumnSpec(np.dtype(np.uint8), (rows, size, size)),
            "valid": ColumnSpec(np.dtype(np.bool_), (rows,)),
        }
        attributes: dict[str, Attribute] = {
            **cue.codebook.attributes,
            "geometry": cue.geometry.name,
            "geometry_version": cue.geometry.version,
        }
        total = fingerprint("heatmaps", 1, identity)
        sources = {landmarks.path.name: landmarks.content_sha256, LABELS: labels_digest(manifest)}
        with open_writer(
            output, "heatmaps", specs, fingerprint=total, attributes=attributes, sources=sources
        ) as writer:
            writer.write("id", 0, landmarks["id"])

            def faces(block: range) -> FaceBatch:
                points = landmarks.rows("points", block.start, block.stop)
                return FaceBatch(points, labels[block.start : block.stop], image_size, size)

            drawn = 0
            for start, maps, valid in draw_all(cue, faces, rows, label="heatmaps"):
                writer.write("map", start, maps)
                writer.write("valid", start, valid)
                drawn += int(valid.sum())
        blank = f", {rows - drawn} have none (neutral, or without points)" if drawn < rows else ""
        log(f"heatmaps {dataset_dir.name}: {drawn} of {rows} faces have an AU map{blank}; {output}")
