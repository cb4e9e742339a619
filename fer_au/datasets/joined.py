"""Whether the files of a data set belong together: one row for each row of the manifest, and made from one another."""

from __future__ import annotations

from collections.abc import Sequence

from fer_au.datasets.manifest import ManifestRow, labels_digest, pictures_digest
from fer_au.stores.reader import Store
from fer_au.stores.sources import LABELS, PICTURES, check_sources


def check_joined(manifest: Sequence[ManifestRow], faces: Store, landmarks: Store, heatmaps: Store) -> None:
    """Check that stores of a data set belong to its manifest, and to each other.

    Args:
        manifest: Rows of ``manifest.csv``.
        faces: ``faces.h5``.
        landmarks: ``landmarks.h5``.
        heatmaps: ``heatmaps.h5``.

    Raises:
        StoreError: A store has rows of other faces, or was made from another version of a file beside it.
    """
    ids = [row.id for row in manifest]
    for store in (faces, landmarks, heatmaps):
        store.check_ids(ids, "manifest.csv")
    pictures = {PICTURES: pictures_digest(manifest)}
    check_sources(faces, pictures)
    check_sources(landmarks, {**pictures, faces.path.name: faces.content_sha256})
    check_sources(heatmaps, {landmarks.path.name: landmarks.content_sha256, LABELS: labels_digest(manifest)})
