"""The ``landmarks`` stage: every row of ``faces.h5`` becomes a row of ``landmarks.h5``."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.compute import log
from fer_au.config.data import LandmarksConfig
from fer_au.datasets.manifest import pictures_digest, read_manifest
from fer_au.errors import DataError
from fer_au.faces.detectors import vouches
from fer_au.faces.geometry import apply_matrix, map_box
from fer_au.faces.templates import get_template
from fer_au.fingerprints import fingerprint
from fer_au.landmarks.extractors import Extractor, create_extractor, extract_points
from fer_au.landmarks.head_pose import HeadPoses, estimate_poses
from fer_au.landmarks.operation import FIELDS, CropPayload, ExtractOperation, crop_key
from fer_au.landmarks.placement import ASIDE, Placement, blame_placement, place_points
from fer_au.rejects import Reason, Reject, check_reject_fraction, write_rejects
from fer_au.shards.assemble import assemble_store
from fer_au.shards.cache import KEY_BYTES, Keys
from fer_au.shards.compute import compute_rows, warm_up
from fer_au.stores.columns import Array, ColumnSpec
from fer_au.stores.layout import Attribute
from fer_au.stores.locks import output_lock
from fer_au.stores.reader import Store
from fer_au.stores.schemas import FaceStatus, LandmarkStatus
from fer_au.stores.sources import PICTURES, check_sources
from fer_au.stores.writer import open_writer

_ANNOTATED_ROWS = 4096
_KEY_ROWS = 128
_BESIDE = ("rejects/landmarks.csv",)
_KEY_THREADS = 4  # hashing lets other threads run


def extract_dataset(config: LandmarksConfig, dataset_dir: Path) -> None:
    """Extract the landmarks of a data set.

    It reads ``faces.h5`` (and ``annotations.h5``, if the extractor takes the data set's points), and writes
    ``landmarks.h5`` with one row per row of ``faces.h5`` and ``rejects/landmarks.csv`` with the crops on which no
    points were found.

    Args:
        config: Section ``landmarks`` of the parameters.
        dataset_dir: Folder ``data/<name>``.

    Raises:
        StoreError: ``faces.h5`` is missing or damaged.
        DataError: The extractor needs points that the data set doesn't have, or more crops are without points than
            ``max_reject_fraction`` allows.
        ConfigError: The extractor is unknown.
        MissingDependencyError: The extractor's weights are not installed.
    """
    output = dataset_dir / "landmarks.h5"
    with output_lock(output):
        extractor = create_extractor(config.extractor)
        faces = Store.open(dataset_dir / "faces.h5", "faces")
        if (manifest := dataset_dir / "manifest.csv").is_file():
            check_sources(faces, {PICTURES: pictures_digest(read_manifest(manifest))})
        stage = _Stage(config, extractor, faces, dataset_dir)
        if extractor.needs:
            found = stage.take_annotated(output, Store.open(dataset_dir / "annotations.h5", "annotations"))
        else:
            found = stage.extract(output)
        log(f"landmarks {dataset_dir.name}: {found}; {output}")


@dataclass
class _Stage:
    """One run of the stage, whose inputs are open."""

    config: LandmarksConfig
    extractor: Extractor
    faces: Store
    dataset_dir: Path

    def extract(self, output: Path) -> str:
        """Extract the landmarks that the shard cache lacks, write the store, and say what is found."""
        at = np.flatnonzero(self.faces["status"] != FaceStatus.REJECTED).astype(np.int64)
        crops, operation = _Crops(self.faces, at), ExtractOperation(self.extractor)
        warm_up(operation, len(at))
        computed = compute_rows(crops.keys(), crops.payloads, operation)
        missed: list[tuple[int, bytes]] = []
        # Poses follow from points and matrices, so they are no part of the cached rows.
        poses = HeadPoses.unknown(len(self.faces))
        for items, columns in computed.pieces("status", "detail", "points"):
            rows = at[items]
            points, matrices = columns["points"], self.faces.take("matrix", rows)
            poses.put(rows, estimate_poses(points.astype(np.float64), matrices.astype(np.float64)))
            lost = columns["status"] == LandmarkStatus.NOT_FOUND
            missed += zip(at[items[lost]].tolist(), columns["detail"][lost].tolist(), strict=True)
        found = self._write_rejects(missed, len(at))
        assemble_store(
            output,
            "landmarks",
            rows=len(self.faces),
            source=computed,
            at=at,
            fields=FIELDS,
            columns={"id": self.faces["id"], **poses.columns()},
            fingerprint=self._fingerprint(),
            attributes=self._attributes,
            beside=_BESIDE,
            sources=self._sources,
        )
        return found

    def take_annotated(self, output: Path, annotations: Store) -> str:
        """Map the data set's points into the crops, which needs no cache, write the store, and say what is found."""
        name, faces, rows = self.config.extractor, self.faces, len(self.faces)
        annotations.check_ids(faces.ids, faces.path)
        if lacking := [column for column in self.extractor.needs if column not in annotations]:
            raise DataError(
                f"{annotations.path}: landmark extractor {name!r} needs {' and '.join(lacking)} of the data set"
            )
        kept = faces["status"] != FaceStatus.REJECTED
        specs = {name: ColumnSpec(np.dtype(field.dtype), (rows, *field.shape)) for name, field in FIELDS.items()}
        specs |= {name: ColumnSpec.of(values) for name, values in HeadPoses.unknown(rows).columns().items()}
        specs["id"] = ColumnSpec.of(faces["id"])
        identity = self._fingerprint(annotations=annotations.content_sha256)
        missed: list[tuple[int, bytes]] = []
        placed: list[Placement] = []
        with open_writer(
            output,
            "landmarks",
            specs,
            fingerprint=identity,
            attributes=self._attributes,
            beside=_BESIDE,
            sources=self._sources,
        ) as writer:
            writer.write("id", 0, faces["id"])
            for start in range(0, rows, _ANNOTATED_ROWS):
                columns, seen = self._annotated(annotations, start, kept[start : start + _ANNOTATED_ROWS])
                for column, values in columns.items():
                    writer.write(column, start, values)
                placed.append(seen[np.isfinite(seen.distance)])
                for row in np.flatnonzero(columns["status"] == LandmarkStatus.NOT_FOUND).tolist():
                    missed.append((start + row, _why_none(float(seen.distance[row]))))
            fault = blame_placement(Placement.join(placed)) if placed else ""
            return self._write_rejects(missed, int(kept.sum()), fault)

    def _annotated(self, annotations: Store, start: int, kept: NDArray[np.bool_]) -> tuple[dict[str, Array], Placement]:
        """Map the points of some rows; return their columns, and how they lie to the faces that align found."""
        stop = start + len(kept)
        columns = {name: np.full((len(kept), *f.shape), f.blank, f.dtype) for name, f in FIELDS.items()}
        source = annotations.rows("points", start, stop).astype(np.float64)
        matrices = self.faces["matrix"][start:stop].astype(np.float64)
        mapped = apply_matrix(matrices[kept], source[kept])
        points, score = extract_points(self.extractor, np.zeros((len(mapped), 0, 0, 3), np.uint8), None, mapped)
        placement = self._place(source, matrices, kept & vouched_rows(self.faces, start, stop))
        points = np.where((placement.distance[kept] > ASIDE)[:, None, None], np.float32(np.nan), points)
        found = np.isfinite(points).all(axis=(1, 2))
        columns["points"][kept] = points
        columns["score"][kept] = score
        columns["status"][kept] = np.where(found, LandmarkStatus.OK, LandmarkStatus.NOT_FOUND)
        return {**columns, **estimate_poses(columns["points"], matrices).columns()}, placement

    def _place(self, points: NDArray[np.float64], matrices: NDArray[np.float64], seen: NDArray[np.bool_]) -> Placement:
        """Hold points to the faces that were seen and aligned; other rows are NaN."""
        template = get_template(str(self.faces.attributes["template"]))
        if not template.fixed:
            seen = np.zeros_like(seen)
        return place_points(points, matrices, template, int(self.faces.attributes["image_size"]), seen)

    def _write_rejects(self, missed: Sequence[tuple[int, bytes]], crops: int, fault: str = "") -> str:
        """Write the table of crops without points, fail for a fault of most or for too many, and say what is found."""
        ids = self.faces["id"]
        rejects = [Reject(ids[row].decode(), Reason.NO_LANDMARKS, detail.decode()) for row, detail in missed]
        path = self.dataset_dir / "rejects" / "landmarks.csv"
        write_rejects(path, rejects)
        if fault:
            raise DataError(f"landmarks {self.dataset_dir.name}: {fault}")
        check_reject_fraction("landmarks", rejects, crops, self.config.max_reject_fraction, path)
        text = f"{self.config.extractor} found the points of {crops - len(missed)} of {crops} faces"
        if absent := len(self.faces) - crops:
            text += f", {absent} more were rejected by align"
        return f"{text}, {len(missed)} rejected, see {path}" if missed else f"{text}, none rejected"

    def _fingerprint(self, **more: str) -> str:
        identity = {"extractor": self.extractor.fingerprint, "faces": self.faces.content_sha256, **more}
        return fingerprint("landmarks", 2, identity)

    @property
    def _sources(self) -> dict[str, str]:
        # The pictures, too: who reads landmarks needn't have the crops.
        pictures = self.faces.sources.get(PICTURES)
        return {self.faces.path.name: self.faces.content_sha256} | ({PICTURES: pictures} if pictures else {})

    @property
    def _attributes(self) -> dict[str, Attribute]:
        return {
            "image_size": int(self.faces.attributes["image_size"]),
            "template": str(self.faces.attributes["template"]),
            "extractor": self.config.extractor,
        }


def _why_none(distance: float) -> bytes:
    """Say why a face has none of the data set's points, by how far they lie from the face that align found."""
    if np.isfinite(distance):
        return f"points lie {distance:.1f} inter-ocular distances from the face that align found".encode()
    return b"the data set has no usable points of it"


class _Crops:
    """Crops of some rows of ``faces.h5``, read when they are needed and not kept in memory.

    Args:
        faces: Open ``faces`` store.
        at: Rows (N,) of the store that have a crop, ascending.
    """

    def __init__(self, faces: Store, at: NDArray[np.int64]) -> None:
        self._faces = faces
        self._at = at

    def payloads(self, positions: Sequence[int]) -> list[CropPayload]:
        """Read the tasks of a worker for the crops at some positions in ``at``."""
        found = [crop for position in positions for crop in self._read(position, position + 1)]
        return [CropPayload(bytes(data), box, sure) for data, box, sure in found]

    def keys(self) -> Keys:
        """Hash all crops: the addresses (N, 32) of their rows in the cache."""
        keys = np.empty((len(self._at), KEY_BYTES), np.uint8)

        def fill(start: int) -> None:
            stop = min(start + _KEY_ROWS, len(keys))
            some = b"".join(crop_key(*crop) for crop in self._read(start, stop))
            keys[start:stop] = np.frombuffer(some, np.uint8).reshape(-1, KEY_BYTES)

        with ThreadPoolExecutor(_KEY_THREADS) as pool:
            for _ in pool.map(fill, range(0, len(keys), _KEY_ROWS)):
                pass
        return keys

    def _read(self, start: int, stop: int) -> list[tuple[memoryview, tuple[float, ...], bool]]:
        """Read crop, face box, and whether the face is sure, of neighbouring positions in ``at``; once per column."""
        rows = self._at[start:stop]
        first, last = int(rows[0]), int(rows[-1]) + 1
        bounds = self._faces["offset"][first : last + 1].astype(np.int64)
        data = self._faces.rows("data", int(bounds[0]), int(bounds[-1])).data
        ends = (bounds - bounds[0]).tolist()
        boxes = crop_face_boxes(self._faces, first, last).tolist()
        sure = vouched_rows(self._faces, first, last).tolist()
        return [(data[ends[row] : ends[row + 1]], tuple(boxes[row]), sure[row]) for row in (rows - first).tolist()]


def crop_face_boxes(faces: Store, start: int, stop: int) -> NDArray[np.float64]:
    """Compute the face box in each crop, as the HOG detector would draw it.

    A face that was found and aligned to a template has the template's box; for any other face the box in the picture
    is mapped into the crop.

    Args:
        faces: Open ``faces`` store.
        start: First row.
        stop: Row after the last row.

    Returns:
        Boxes (stop - start, 4) xyxy, pixels of the crops; NaN for rejected rows.
    """
    fixed = [float(text) for text in str(faces.attributes["face_box"]).split()]
    status = faces["status"][start:stop]
    boxes = np.full((len(status), 4), np.nan)
    aligned = (status == FaceStatus.OK) & bool(fixed)
    if aligned.any():
        boxes[aligned] = fixed
    mapped = np.flatnonzero((status != FaceStatus.REJECTED) & ~aligned)
    if len(mapped):
        matrices, found = faces.rows("matrix", start, stop), faces.rows("box", start, stop)
        for row in mapped.tolist():
            boxes[row] = map_box(matrices[row], found[row])
    return boxes.round(3)


def vouched_rows(faces: Store, start: int, stop: int) -> NDArray[np.bool_]:
    """Find the rows whose face a detector or a data set vouches for, (stop - start,) bool.

    Nobody vouches where no face was found, where the detector only assumed a face (``Detector.vouches``), or where the
    score lies below 0, the detector's own boundary. There points from shifted boxes must agree (see ``agreement``).
    """
    detector, score = faces.rows("detector", start, stop), faces.rows("score", start, stop)
    sure = (faces["status"][start:stop] == FaceStatus.OK) & ~(score.astype(np.float64) < 0)
    for name in np.unique(detector[sure]).tolist():
        if not vouches(name.decode()):
            sure &= detector != name
    return np.asarray(sure, np.bool_)
