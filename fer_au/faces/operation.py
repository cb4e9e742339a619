"""Cached operation of the ``align`` stage: from picture files to columns of ``faces.h5``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from fer_au.config.data import AlignConfig
from fer_au.decoding import ImageRejected, decode_image
from fer_au.errors import ConfigError, DataError
from fer_au.faces.alignment import AlignedFace, Aligner
from fer_au.faces.crops import JPEG_QUALITY, encode_crop
from fer_au.faces.dlib_points import load_predictor
from fer_au.faces.geometry import box_area
from fer_au.faces.keypoints import WEIGHTS
from fer_au.faces.placing import Place
from fer_au.faces.settings import find_unread_keys
from fer_au.fingerprints import fingerprint
from fer_au.gate import PICTURES, read_bytes
from fer_au.rejects import Reason
from fer_au.shards.assemble import Field
from fer_au.shards.pictures import is_picture
from fer_au.shards.sound import find_shard_fault, find_text_fault
from fer_au.stores.columns import Array, offset_name, pack_ragged
from fer_au.stores.layout import Attribute
from fer_au.stores.reader import Store
from fer_au.stores.schemas import FaceStatus

VERSION = 4
"""Number that is raised whenever this code gives other pixels or boxes: rows of older code are then not taken."""

FIELDS = {
    "matrix": Field("<f8", (2, 3), math.nan),
    "box": Field("<f4", (4,), math.nan),
    "score": Field("<f4", (), math.nan),
    "detector": Field("S32", (), b"none"),
    "status": Field("u1", (), int(FaceStatus.REJECTED)),
    "why": Field("S32", (), b""),
}
"""Columns of ``faces.h5`` that the operation computes; a row without a crop has the blanks."""
_CACHED = {**FIELDS, "reason": Field("S24"), "detail": Field("S200")}


@dataclass(frozen=True)
class FacePayload:
    """Task of a worker for one row.

    Attributes:
        path: Path of the picture.
        sha256: Hash of its bytes in the manifest.
        box: Box of the face in the data set, xyxy pixels.
        shared: Whether other rows show other faces of the same picture.
        place: Place of the crop, where it is known that no face can be found.
    """

    path: str
    sha256: str
    box: tuple[float, float, float, float] | None
    shared: bool
    place: Place | None = None


@dataclass(frozen=True)
class _Row:
    face: AlignedFace | None
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True)
class AlignOperation:
    """Aligns batches of pictures; an operation as ``shards.compute.Operation`` describes it.

    A picture without a face always gives the whole picture; the stage decides whether to keep it, so that another
    ``on_missing`` computes no row again, and whether to ask once more for a crop at the usual place of the set's faces.
    """

    aligner: Aligner
    name: str = "align"
    shard_rows: ClassVar[int] = 64

    @classmethod
    def of(cls, config: AlignConfig) -> AlignOperation:
        """Make the operation of a configuration.

        Raises:
            UnknownNameError: There is no such detector or template.
            ConfigError: A key is written that this detector leaves nothing to decide.
        """
        for unread in find_unread_keys(config):
            raise ConfigError(f"align.{'.'.join(map(str, unread.place))}: {unread.text}")
        aligner = Aligner(
            detector=config.detector,
            keypoints=config.keypoints,
            template=config.template,
            size=config.size,
            context=config.context,
            choose=config.choose,
        )
        return cls(aligner)

    @property
    def needs_predictor(self) -> bool:
        """Whether a dlib predictor finds the alignment points."""
        return self.aligner.target.aligned and self.aligner.keypoints in WEIGHTS

    def check(self) -> None:
        """Find the packages and weights that the workers need, so that a missing package is reported before the work.

        Raises:
            MissingDependencyError: dlib or its weights are not installed.
        """
        self.aligner.check()

    def load(self) -> None:
        """Load the predictor, which worker processes can share (see ``compute.warm_workers``)."""
        if self.needs_predictor:
            load_predictor(WEIGHTS[self.aligner.keypoints])

    @property
    def modules(self) -> tuple[str, ...]:
        """Names of the modules whose code decides a row."""
        return (__name__, *self.aligner.detector_modules)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of everything that decides a row, beside its picture and box."""
        aligner = self.aligner
        options = {
            "detector": aligner.detector_fingerprint,
            "choose": aligner.choose,
            "keypoints": aligner.keypoints if aligner.target.aligned else "unused",
            "weights": WEIGHTS[aligner.keypoints].sha256 if self.needs_predictor else "",
            "template": [aligner.template, aligner.target.mean_face(1000).round(3).tolist()],
            "five": aligner.target.five(1000).round(3).tolist(),
            "size": aligner.size,
            "context": aligner.context,
            "jpeg": JPEG_QUALITY,
        }
        return fingerprint("faces/align", VERSION, options)

    @property
    def attributes(self) -> dict[str, Attribute]:
        """Attributes of ``faces.h5``: how the crops were made, and where an average face lies in them.

        They suffice to align another picture in the same way, as ``Predictor`` does.
        """
        aligner = self.aligner
        box = aligner.target.face_box(aligner.size).round(3).tolist()
        return {
            "detector": " ".join(aligner.detectors),
            "choose": aligner.choose,
            "keypoints": aligner.keypoints,
            "image_size": aligner.size,
            "context_size": aligner.context,
            "template": aligner.template,
            "face_box": " ".join(map(repr, box)) if aligner.target.fixed else "",
        }

    def __call__(self, payloads: Sequence[FacePayload]) -> dict[str, Array]:
        """Compute the columns of some rows; a picture that can't be used has a ``reason`` and status REJECTED.

        Raises:
            DataError: A picture changed, or went away, since it was checked.
        """
        rows = [self._row(payload) for payload in payloads]
        faces = [row.face for row in rows]
        columns: dict[str, Array] = {
            "matrix": np.array([face.matrix if face else np.full((2, 3), np.nan) for face in faces], np.float64),
            "box": np.array([face.box if face else (math.nan,) * 4 for face in faces], np.float32),
            "score": np.array([face.score if face else math.nan for face in faces], np.float32),
            "detector": np.array([face.detector.encode() if face else b"none" for face in faces], "S32"),
            "status": np.array([face.status if face else FaceStatus.REJECTED for face in faces], np.uint8),
            "why": np.array([face.why.encode() if face else b"" for face in faces], "S32"),
            "reason": np.array([row.reason.encode() for row in rows], "S24"),
            "detail": np.array([row.detail.encode()[:200] for row in rows], "S200"),
        }
        columns |= pack_ragged([encode_crop(face.crop) if face else b"" for face in faces])
        if self.aligner.context:
            contexts = [face.context if face else None for face in faces]
            columns |= pack_ragged([b"" if one is None else encode_crop(one) for one in contexts], "context")
        return columns

    def faults(self, columns: Mapping[str, Array]) -> int:
        """Count the pictures that can't be used."""
        return int((columns["status"] == FaceStatus.REJECTED).sum())

    def wrong(self, shard: Store) -> str:
        """Say what is wrong with rows of the cache; empty if nothing is."""
        ragged = ("data", "context") if self.aligner.context else ("data",)
        if fault := find_shard_fault(shard, _CACHED, ragged) or find_text_fault(shard, "detector", "why", "detail"):
            return fault
        status, reasons = shard["status"], shard["reason"]
        if not np.isin(status, [int(one) for one in FaceStatus]).all():
            return "column 'status' holds no status"
        lost = status == FaceStatus.REJECTED
        known = {b"", *(one.value.encode() for one in Reason)}
        if set(reasons.tolist()) - known or ((reasons != b"") != lost).any():
            return "column 'reason' is not that of the rejected rows"
        for name in ragged:
            if ((np.diff(shard[offset_name(name)]) == 0) != lost).any():
                return f"column {name!r} is not that of the other rows"
        if not all(np.isfinite(shard[name][~lost]).all() for name in ("matrix", "box")):
            return "column 'matrix' or 'box' is not finite"
        return "column 'score' is infinite" if np.isinf(shard["score"]).any() else ""

    def _row(self, payload: FacePayload) -> _Row:
        try:
            data = read_bytes(payload.path, PICTURES)
        except OSError as error:
            # The file was checked moments ago: it went away, or a worker on another machine does not see the folder.
            raise DataError(f"{payload.path}: {error.strerror or error}; does every worker see it?") from error
        if not is_picture(Path(payload.path), data, payload.sha256):
            # The file was checked moments ago; a row of other bytes must not enter the cache under this hash.
            raise DataError(f"{payload.path}: changed while align ran; run it again")
        try:
            image = decode_image(data)
        except ImageRejected as error:
            return _Row(None, error.reason.value, error.detail)
        height, width = image.shape[:2]
        if payload.box is not None:
            inside = np.clip(payload.box, 0, (width, height, width, height))
            if box_area(inside) < 1:
                return _Row(None, Reason.BAD_ROW.value, f"box {payload.box} lies outside the {width}x{height} picture")
        if payload.place is not None:
            return _Row(self.aligner.placed(image, payload.place, payload.box))
        return _Row(self.aligner(image, payload.box, shared=payload.shared))
