"""A share of the training faces (``train.fraction``): drawn by class, nested, whole persons first."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict

from fer_au.batches.faces import FaceDataset
from fer_au.datasets.manifest import ManifestRow, read_manifest


def draw_fraction(faces: FaceDataset, fraction: float, seed: int) -> FaceDataset:
    """Draw a share of the faces of every class.

    Of each class, the share is rounded to whole faces, and is at least one. The seed puts persons in an order, the same
    for all classes, and the faces of a class are taken along it: those of one person one after the other, so that few
    faces come from few persons, as in a small collection. A face without a person stands with the copies of its file.
    So the faces of a share are among those of every larger one of the same seed, and other seeds draw others.

    Args:
        faces: A training split.
        fraction: The share, above 0 and up to 1.
        seed: Seed of the order.

    Returns:
        The drawn faces, in the split's order; the split itself for a share of 1.

    Raises:
        DataError: The manifest can't be read.
    """
    if fraction == 1:
        return faces
    rows = {row.id: row for row in read_manifest(faces.dataset_dir / "manifest.csv")}
    members: dict[int, list[int]] = defaultdict(list)
    for place, label in enumerate(faces.labels.tolist()):
        members[label].append(place)
    drawn: list[int] = []
    for places in members.values():
        order = sorted(places, key=lambda place: _rank(rows[faces.ids[place]], seed))
        drawn += order[: max(1, math.floor(len(places) * fraction + 0.5))]
    return faces.part(sorted(drawn))


def _rank(row: ManifestRow, seed: int) -> tuple[bytes, bytes, bytes, str]:
    """Give a face's place in the order: by its person or file, then by its file, then by its id."""
    parts = (f"person {row.subject}" if row.subject else row.sha256, row.sha256, row.id)
    first, second, third = (hashlib.sha256(f"{seed}/fraction/{part}".encode()).digest() for part in parts)
    return first, second, third, row.id
