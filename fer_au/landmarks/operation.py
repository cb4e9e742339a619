"""Cached operation of the ``landmarks`` stage: from crops to columns of ``landmarks.h5``."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from fer_au.faces.crops import decode_crop_bytes
from fer_au.fingerprints import fingerprint
from fer_au.ibug68 import N_POINTS
from fer_au.landmarks import agreement
from fer_au.landmarks.extractors import Extractor, FloatArray, Images, extract_points
from fer_au.shards.assemble import Field
from fer_au.shards.sound import find_shard_fault, find_text_fault
from fer_au.stores.columns import Array
from fer_au.stores.reader import Store
from fer_au.stores.schemas import LandmarkStatus

VERSION = 1


@dataclass(frozen=True)
class CropPayload:
    """Task of a worker for one crop.

    Attributes:
        data: Encoded crop.
        box: Box of the face in the crop, xyxy pixels.
        sure: Whether a detector vouches for that face; otherwise points from shifted boxes must agree (``agreement``).
    """

    data: bytes
    box: tuple[float, ...]
    sure: bool


def crop_key(data: bytes | memoryview, box: Sequence[float], sure: bool) -> bytes:
    """Hash everything that a payload holds: the sha256 is the address of its row in the cache."""
    digest = hashlib.sha256(data)
    digest.update(f"|{' '.join(map(repr, box))}|{int(sure)}".encode())
    return digest.digest()


FIELDS = {
    "points": Field("<f4", (N_POINTS, 2), math.nan),
    "score": Field("<f4", (), math.nan),
    "status": Field("u1", (), int(LandmarkStatus.NO_FACE)),
}
"""Columns of ``landmarks.h5`` beside the id; a row without a crop has the blanks."""


@dataclass(frozen=True)
class ExtractOperation:
    """Extracts the landmarks of batches of crops; an operation as ``shards.compute.Operation`` describes it."""

    extractor: Extractor
    name: str = "landmarks"
    shard_rows: ClassVar[int] = 256

    @property
    def modules(self) -> tuple[str, ...]:
        """Names of the modules whose code decides a row."""
        return (__name__, type(self.extractor).__module__)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of everything that decides a row, beside its crop and box."""
        options = {
            "extractor": self.extractor.fingerprint,
            "agreement": [agreement.VERSION, agreement.MAX_SPREAD],
        }
        return fingerprint("landmarks/extract", VERSION, options)

    def load(self) -> None:
        """Load the extractor's weights, if worker processes can share them (see ``compute.warm_workers``)."""
        self.extractor.load()

    def __call__(self, payloads: Sequence[CropPayload]) -> dict[str, Array]:
        """Compute the columns of some rows; a face without points has status NOT_FOUND and a detail."""
        rows = len(payloads)
        images = np.stack([decode_crop_bytes(payload.data) for payload in payloads])
        boxes = np.array([payload.box for payload in payloads], np.float64)
        sure = np.array([payload.sure for payload in payloads])
        points = np.full((rows, N_POINTS, 2), np.nan, np.float32)
        score = np.full(rows, np.nan, np.float32)
        detail = np.full(rows, b"", "S80")
        if sure.any():
            points[sure], score[sure] = extract_points(self.extractor, images[sure], boxes[sure])
        if not sure.all():
            points[~sure], score[~sure], detail[~sure] = self._unsure(images[~sure], boxes[~sure])
        found = np.isfinite(points).all(axis=(1, 2))
        points[~found] = np.nan
        detail[~found & (detail == b"")] = b"the extractor found no points"
        detail[found] = b""
        status = np.where(found, np.uint8(LandmarkStatus.OK), np.uint8(LandmarkStatus.NOT_FOUND))
        return {"points": points, "score": score, "status": status, "detail": detail}

    def faults(self, columns: Mapping[str, Array]) -> int:
        """Count the crops without points."""
        return int((columns["status"] == LandmarkStatus.NOT_FOUND).sum())

    def wrong(self, shard: Store) -> str:
        """Say what is wrong with rows of the cache; empty if nothing is."""
        if fault := find_shard_fault(shard, {**FIELDS, "detail": Field("S80")}, ()) or find_text_fault(shard, "detail"):
            return fault
        found = shard["status"] == LandmarkStatus.OK
        if not (found | (shard["status"] == LandmarkStatus.NOT_FOUND)).all():
            return "column 'status' holds no status"
        if not np.isfinite(shard["points"][found]).all() or not np.isnan(shard["points"][~found]).all():
            return "column 'points' is not finite where points were found, or not NaN elsewhere"
        return "column 'score' is infinite" if np.isinf(shard["score"]).any() else ""

    def _unsure(self, images: Images, boxes: FloatArray) -> tuple[FloatArray, FloatArray, Array]:
        points, score, spread = agreement.extract_if_agreed(self.extractor, images, boxes)
        # The spread is NaN where the extractor itself saw no face in at least one of the boxes.
        detail = [
            f"no face was detected, and points from shifted boxes differ by {value:.2f} inter-ocular distances".encode()
            if math.isfinite(value)
            else b"no face was detected, and the extractor found none, either"
            for value in spread.tolist()
        ]
        return points, score, np.array(detail, "S80")
