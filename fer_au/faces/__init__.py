"""Faces: detection, alignment and the stage that fills ``faces.h5``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.faces.alignment import AlignedFace as AlignedFace
    from fer_au.faces.alignment import Aligner as Aligner
    from fer_au.faces.crops import decode_crop as decode_crop
    from fer_au.faces.crops import decode_crop_bytes as decode_crop_bytes
    from fer_au.faces.crops import encode_crop as encode_crop
    from fer_au.faces.detectors import DETECTORS as DETECTORS
    from fer_au.faces.detectors import Detection as Detection
    from fer_au.faces.detectors import Detector as Detector
    from fer_au.faces.detectors import create_detector as create_detector
    from fer_au.faces.detectors import list_detectors as list_detectors
    from fer_au.faces.stage import align_dataset as align_dataset
    from fer_au.faces.templates import Template as Template
    from fer_au.faces.templates import get_template as get_template
    from fer_au.faces.warp import warp_crop as warp_crop

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "AlignedFace": ".alignment",
        "Aligner": ".alignment",
        "DETECTORS": ".detectors",
        "Detection": ".detectors",
        "Detector": ".detectors",
        "Template": ".templates",
        "align_dataset": ".stage",
        "create_detector": ".detectors",
        "decode_crop": ".crops",
        "decode_crop_bytes": ".crops",
        "encode_crop": ".crops",
        "get_template": ".templates",
        "list_detectors": ".detectors",
        "warp_crop": ".warp",
    },
)
