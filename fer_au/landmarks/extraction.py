"""The ``landmarks`` stage: every row of ``faces.h5`` becomes a row of ``landmarks.h5``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.compute import log
from fer_au.config.data import LandmarksConfig
from fer_au.errors import DataError
from fer_au.faces.geometry import apply_matrix, map_box
from fer_au.landmarks.extract_operation import CropPayload, ExtractOperation
from fer_au.landmarks.extractors import Extractor, create_extractor
from fer_au.landmarks.scheme import N_POINTS
from fer_au.rejects import Reason, Reject, check_reject_fraction, write_rejects
from fer_au.stores.build import Item, compute_rows
from fer_au.stores.fingerprints import fingerprint
from fer_au.stores.format import Array
from fer_au.stores.reader import Store
from fer_au.stores.schemas import FaceStatus, LandmarkStatus
from fer_au.stores.writer import write_store


def extract_dataset(config: LandmarksConfig, dataset_dir: Path) -> None:
    """Extract the landmarks of a data set.

    Reads ``faces.h5`` (and ``annotations.h5``, if the extractor takes the data set's points); writes ``landmarks.h5``
    with one row per face row, and ``rejects/landmarks.csv`` with the crops on which no points were found.

    Args:
        config: Section ``landmarks`` of the parameters.
        dataset_dir: ``data/<name>``.

    Raises:
        StoreError: ``faces.h5`` is missing or damaged.
        DataError: The extractor needs points that the data set doesn't have, or more rejects than
        ``max_reject_fraction`` allows.
        ConfigError: An unknown extractor.
        MissingDependencyError: Its weights are not installed.
    """
    extractor = create_extractor(config.extractor)
    faces = Store.open(dataset_dir / "faces.h5", "faces")
    identity = {"extractor": extractor.fingerprint, "faces": faces.content_sha256}
    if extractor.needs:
        annotations = Store.open(dataset_dir / "annotations.h5", "annotations")
        identity["annotations"] = annotations.content_sha256
        columns = _annotated_columns(config.extractor, extractor, faces, annotations)
    else:
        columns = _extracted_columns(extractor, faces)
    rejects = _rejects(faces, columns)
    path = dataset_dir / "rejects" / "landmarks.csv"
    write_rejects(path, rejects)
    _log_counts(config.extractor, columns)
    crops = int((columns["status"] != LandmarkStatus.NO_FACE).sum())
    check_reject_fraction("landmarks", rejects, crops, config.max_reject_fraction, path)
    write_store(
        dataset_dir / "landmarks.h5",
        "landmarks",
        {"id": faces["id"], **{name: columns[name] for name in ("points", "score", "status")}},
        fingerprint=fingerprint("landmarks", 1, identity),
        attributes={
            "image_size": int(faces.attributes["image_size"]),
            "template": str(faces.attributes["template"]),
            "extractor": config.extractor,
        },
    )


def crop_face_boxes(faces: Store) -> NDArray[np.float64]:
    """Where the face lies in each crop, as the HOG detector would draw its box.

    A found face that was aligned to a template lies where the template says; elsewhere the box in the picture is
    mapped.

    Args:
        faces: An open ``faces`` store.

    Returns:
        (N, 4) xyxy of the crops; NaN for rejected rows.
    """
    boxes = np.full((len(faces), 4), np.nan)
    fixed = [float(text) for text in str(faces.attributes["face_box"]).split()]
    status = faces["status"]
    for row in np.flatnonzero(status != FaceStatus.REJECTED).tolist():
        aligned = bool(fixed) and status[row] == FaceStatus.OK
        boxes[row] = fixed if aligned else map_box(faces["matrix"][row], faces["box"][row])
    return boxes.round(3)


def vouched_rows(faces: Store) -> NDArray[np.bool_]:
    """Rows whose face a detector or a data set vouches for, (N,) bool.

    Not those where nothing was found, where the picture was taken for a face unseen, or where the score lies on the
    wrong side of the detector's own boundary. There the points must prove themselves (see ``agreement``).
    """
    doubtful = (faces["detector"] == b"whole-image") | (faces["score"].astype(np.float64) < 0)
    return np.asarray((faces["status"] == FaceStatus.OK) & ~doubtful, np.bool_)


def _empty_columns(rows: int) -> dict[str, Array]:
    return {
        "points": np.full((rows, N_POINTS, 2), np.nan, np.float32),
        "score": np.full(rows, np.nan, np.float32),
        "status": np.full(rows, LandmarkStatus.NO_FACE, np.uint8),
        "detail": np.full(rows, b"", "S80"),
    }


def _extracted_columns(extractor: Extractor, faces: Store) -> dict[str, Array]:
    columns = _empty_columns(len(faces))
    kept = np.flatnonzero(faces["status"] != FaceStatus.REJECTED)
    boxes, data, offset = crop_face_boxes(faces), faces["data"], faces["offset"].astype(np.int64)
    sure = vouched_rows(faces)
    items = []
    for row in kept.tolist():
        x0, y0, x1, y1 = boxes[row].tolist()
        crop = data[offset[row] : offset[row + 1]].astype(np.uint8, copy=False)
        payload = CropPayload(crop, (x0, y0, x1, y1), bool(sure[row]))
        items.append(Item(faces.ids[row], payload.key, payload))
    if items:
        computed = compute_rows(items, ExtractOperation(extractor))
        for name, column in columns.items():
            column[kept] = computed[name]
    return columns


def _annotated_columns(name: str, extractor: Extractor, faces: Store, annotations: Store) -> dict[str, Array]:
    """Points of the data set, mapped into the crops: a matrix product, not worth a cache."""
    if annotations.ids != faces.ids:
        raise DataError(f"{annotations.path}: its ids differ from those of {faces.path}; run ingest and align again")
    if missing := [column for column in extractor.needs if column not in annotations]:
        raise DataError(
            f"{annotations.path}: landmark extractor {name!r} needs {' and '.join(missing)} of the data set"
        )
    columns = _empty_columns(len(faces))
    kept = faces["status"] != FaceStatus.REJECTED
    source = np.asarray(annotations["points"][kept], np.float64)
    mapped = apply_matrix(np.asarray(faces["matrix"][kept], np.float64), source)
    points, score = extractor.extract(np.zeros((len(mapped), 0, 0, 3), np.uint8), None, mapped)
    found = np.isfinite(points).all(axis=(1, 2))
    columns["points"][kept] = points
    columns["score"][kept] = score
    columns["status"][kept] = np.where(found, LandmarkStatus.OK, LandmarkStatus.NOT_FOUND)
    columns["detail"][kept] = np.where(found, b"", b"the data set has no points of it")
    return columns


def _rejects(faces: Store, columns: Mapping[str, Array]) -> list[Reject]:
    return [
        Reject(faces.ids[row], Reason.NO_LANDMARKS, columns["detail"][row].decode())
        for row in np.flatnonzero(columns["status"] == LandmarkStatus.NOT_FOUND).tolist()
    ]


def _log_counts(extractor: str, columns: Mapping[str, Array]) -> None:
    counts = Counter(columns["status"].tolist())
    found, absent, missed = (counts[status] for status in LandmarkStatus)
    log(f"landmarks: {extractor}: {found} faces, {missed} crops without points, {absent} rows without a crop")
