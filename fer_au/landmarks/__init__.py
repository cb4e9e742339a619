"""Facial landmarks: the iBUG-68 scheme, the extractors and the stage that fills ``landmarks.h5``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.landmarks.extraction import extract_dataset as extract_dataset
    from fer_au.landmarks.extractors import EXTRACTORS as EXTRACTORS
    from fer_au.landmarks.extractors import Extractor as Extractor
    from fer_au.landmarks.extractors import ExtractorCard as ExtractorCard
    from fer_au.landmarks.extractors import create_extractor as create_extractor
    from fer_au.landmarks.extractors import extractor_card as extractor_card
    from fer_au.landmarks.extractors import list_extractors as list_extractors
    from fer_au.landmarks.scheme import MIRROR as MIRROR
    from fer_au.landmarks.scheme import inter_ocular_distance as inter_ocular_distance
    from fer_au.landmarks.scheme import mirror_points as mirror_points
    from fer_au.landmarks.scheme import normalised_error as normalised_error

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "EXTRACTORS": ".extractors",
        "Extractor": ".extractors",
        "ExtractorCard": ".extractors",
        "MIRROR": ".scheme",
        "create_extractor": ".extractors",
        "extract_dataset": ".extraction",
        "extractor_card": ".extractors",
        "inter_ocular_distance": ".scheme",
        "list_extractors": ".extractors",
        "mirror_points": ".scheme",
        "normalised_error": ".scheme",
    },
)
