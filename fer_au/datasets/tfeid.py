"""Adapter ``tfeid``: a Taiwanese facial expression image database of 30 performers, named by codes.

``0111a01.jpg`` is performer 01, kind of performance 1, view 1, expression a, serial number 01, as its readme says:
kinds are theatric (1), by Ekman's criteria (2) and personal events (3); views front (1), three
quarters (2) and profile (3).
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal, get_args

from pydantic import Field

from fer_au.datasets.base import ADAPTERS
from fer_au.datasets.named import Name, NamedAdapter
from fer_au.datasets.persons import FoldedConfig

View = Literal["front", "three-quarters", "profile"]

CODES: dict[str | int, str | None] = {
    "a": "neutral",
    "b": "happiness",
    "c": "sadness",
    "d": "anger",
    "e": "disgust",
    "f": "fear",
    "g": "surprise",
}
VIEWS: dict[str, View] = {"1": "front", "2": "three-quarters", "3": "profile"}
_NAME = re.compile(r"(\d\d)[1-3]([1-3])([a-z])\d\d")


class TfeidConfig(FoldedConfig):
    """TFEID, named by codes.

    Attributes:
        views: Views that are taken.
    """

    views: Annotated[tuple[View, ...], Field(min_length=1)] = get_args(View)


@ADAPTERS.register("tfeid")
class TfeidAdapter(NamedAdapter[TfeidConfig]):
    """Names say performer, view and expression."""

    Config = TfeidConfig
    title = "TFEID"
    example = "0111a01.jpg"
    codes = CODES
    complete = (0, 30)  # the number of pictures is published nowhere

    @classmethod
    def read_name(cls, path: str) -> Name | None:
        """Read ``0111a01``."""
        found = _NAME.fullmatch(PurePosixPath(path).stem.lower())
        return found and Name(found[3], found[1], (VIEWS[found[2]],))

    def wanted(self, name: Name, config: TfeidConfig) -> bool:
        """Tell whether the entry takes a view."""
        return name.part[0] in config.views
