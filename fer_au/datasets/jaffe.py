"""Adapter ``jaffe``: the Japanese Female Facial Expression database, 213 pictures of ten women.

``KA.AN1.39.tiff`` is person KA, angry, first take, serial number 39. The labels are the expressions that were posed.
Source: Lyons, Akamatsu, Kamachi and Gyoba, "Coding Facial Expressions with Gabor Wavelets", FG 1998.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from fer_au.datasets.base import ADAPTERS
from fer_au.datasets.named import Name, NamedAdapter
from fer_au.datasets.persons import FoldedConfig

CODES: dict[str | int, str | None] = {
    "AN": "anger",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
_NAME = re.compile(r"([A-Z]{2})\.([A-Z]{2})\d+\.\d+")


class JaffeConfig(FoldedConfig):
    """JAFFE; no further keys. Ten folds are one person each."""


@ADAPTERS.register("jaffe")
class JaffeAdapter(NamedAdapter[JaffeConfig]):
    """Names say person and expression, parted by dots."""

    Config = JaffeConfig
    title = "JAFFE"
    example = "KA.AN1.39.tiff"
    codes = CODES
    complete = (213, 10)

    @classmethod
    def read_name(cls, path: str) -> Name | None:
        """Read ``KA.AN1.39``."""
        found = _NAME.fullmatch(PurePosixPath(path).stem.upper())
        return found and Name(found[2], found[1])
