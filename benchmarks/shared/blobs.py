"""Made-up data sets: coloured blobs for faces, written through the real stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fer_au.datasets.manifest import ManifestRow, Split, write_manifest
from fer_au.stores.columns import encode_ids, pack_ragged
from fer_au.stores.schemas import FaceStatus, LandmarkStatus
from fer_au.stores.writer import write_store

CROP = 64
MAP = 28
# Where the blob of a class lies, xy as a share of the side. Anger and fear differ in colour alone.
CENTRES = {"neutral": (0.5, 0.5), "happiness": (0.5, 0.75), "surprise": (0.3, 0.3), "anger": (0.7, 0.35)}
COLOURS = {"neutral": (90, 90, 90), "happiness": (230, 60, 40), "surprise": (40, 220, 60), "anger": (60, 60, 230)}


@dataclass(frozen=True)
class Blob:
    """One made-up face: a coloured blob on noise; its AU map is a soft spot at the same place."""

    label: str
    split: Split = "train"
    status: FaceStatus = FaceStatus.OK
    landmarks: bool = True
    fold: str | None = None
    subject: str | None = None


def draw(label: str, rng: np.random.Generator, crop: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a crop (crop, crop, 3) uint8 RGB and a map (MAP, MAP) uint8 of a class, the blob moved a little."""
    centre = np.array(CENTRES[label]) + rng.uniform(-0.05, 0.05, 2)
    image = rng.integers(60, 140, (crop, crop, 3), dtype=np.uint8)
    cv2.circle(image, tuple(int(c) for c in centre * crop), crop // 8, COLOURS[label], -1)
    cells = (np.arange(MAP) + 0.5) / MAP
    distance = (cells[None, :] - centre[0]) ** 2 + (cells[:, None] - centre[1]) ** 2
    return image, np.round(255 * np.exp(-distance / (2 * 0.1**2))).astype(np.uint8)


def write_dataset(
    folder: Path, blobs: Sequence[Blob], seed: int = 0, crop: int = CROP, encoding: str = ".png", context: int = 0
) -> Path:
    """Write a data set's folder as the stages before training do; whole pictures show another blob of the class."""
    rng = np.random.default_rng(seed)
    drawn = [draw(blob.label, rng, crop) for blob in blobs]
    ids = [f"{i:04d}.png" for i in range(len(blobs))]
    rows = [
        ManifestRow(id_, id_, "0" * 64, blob.split, blob.fold, blob.label, blob.subject, crop, crop, None)
        for id_, blob in zip(ids, blobs, strict=True)
    ]
    write_manifest(folder / "manifest.csv", rows)
    lost = np.array([blob.status == FaceStatus.REJECTED for blob in blobs])
    found = np.array([blob.landmarks for blob in blobs]) & ~lost
    data = _encoded([image for image, _ in drawn], lost, encoding)
    n = len(blobs)
    faces = {
        "id": encode_ids(ids),
        **pack_ragged(data),
        "matrix": np.tile(np.eye(2, 3), (n, 1, 1)),
        "box": np.tile(np.array([0, 0, crop, crop], np.float32), (n, 1)),
        "score": np.ones(n, np.float32),
        "detector": np.full(n, b"test", "S16"),
        "status": np.array([blob.status for blob in blobs], np.uint8),
    }
    attributes: dict[str, str | int | float] = {"template": "loose"}
    if context:
        others = np.random.default_rng(seed + 1)
        wholes = [draw(blob.label, others, context)[0] for blob in blobs]
        faces |= pack_ragged(_encoded(wholes, lost, encoding), "context")
        attributes["context_size"] = context
    write_store(folder / "faces.h5", "faces", faces, fingerprint="f" * 64, attributes=attributes)
    points = rng.uniform(0.1 * crop, 0.9 * crop, (n, 68, 2)).astype(np.float32)
    points[~found] = np.nan
    landmarks = {
        "id": encode_ids(ids),
        "points": points,
        "score": np.ones(n, np.float32),
        "status": np.where(found, LandmarkStatus.OK, LandmarkStatus.NOT_FOUND).astype(np.uint8),
    }
    write_store(folder / "landmarks.h5", "landmarks", landmarks, fingerprint="l" * 64, attributes={"image_size": crop})
    valid = found & np.array([blob.label != "neutral" for blob in blobs])
    maps = np.where(valid[:, None, None], np.stack([spot for _, spot in drawn]), 0).astype(np.uint8)
    write_store(
        folder / "heatmaps.h5",
        "heatmaps",
        {"id": encode_ids(ids), "map": maps, "valid": valid},
        fingerprint="h" * 64,
        attributes={"codebook": "corrected", "geometry": "corrected"},
    )
    return folder


def _encoded(images: Sequence[np.ndarray], lost: np.ndarray, encoding: str) -> list[bytes]:
    return [
        b"" if gone else cv2.imencode(encoding, image[:, :, ::-1])[1].tobytes()
        for gone, image in zip(lost, images, strict=True)
    ]


def many(label: str, count: int, split: Split = "train") -> list[Blob]:
    """Ask for ``count`` faces of one class."""
    return [Blob(label, split)] * count
