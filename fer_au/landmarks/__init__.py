"""Facial landmarks: the iBUG-68 scheme, the extractors and the stage that fills ``landmarks.h5``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.ibug68 import MIRROR as MIRROR
    from fer_au.ibug68 import inter_ocular_distance as inter_ocular_distance
    from fer_au.ibug68 import mirror_points as mirror_points
    from fer_au.ibug68 import normalised_error as normalised_error
    from fer_au.landmarks.extractors import EXTRACTORS as EXTRACTORS
    from fer_au.landmarks.extractors import Extractor as Extractor
    from fer_au.landmarks.extractors import ExtractorCard as ExtractorCard
    from fer_au.landmarks.extractors import SingleExtractor as SingleExtractor
    from fer_au.landmarks.extractors import create_extractor as create_extractor
    from fer_au.landmarks.extractors import extractor_card as extractor_card
    from fer_au.landmarks.extractors import list_extractors as list_extractors
    from fer_au.landmarks.stage import extract_dataset as extract_dataset

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "EXTRACTORS": ".extractors",
        "Extractor": ".extractors",
        "ExtractorCard": ".extractors",
        "MIRROR": "fer_au.ibug68",
        "SingleExtractor": ".extractors",
        "create_extractor": ".extractors",
        "extract_dataset": ".stage",
        "extractor_card": ".extractors",
        "inter_ocular_distance": "fer_au.ibug68",
        "list_extractors": ".extractors",
        "mirror_points": "fer_au.ibug68",
        "normalised_error": "fer_au.ibug68",
    },
)
