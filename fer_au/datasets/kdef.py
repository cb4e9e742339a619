"""Adapter ``kdef``: the Karolinska Directed Emotional Faces, 70 persons in two sessions, seven expressions, five views.

``AF01ANS.JPG`` is session A, female, person 01, angry, straight. Two files are misnamed as distributed, AF31V and
AM31H: each is the only odd one of a folder that lacks one name, which tells what it is.
Source: Lundqvist, Flykt and Öhman, "The Karolinska Directed Emotional Faces", Karolinska Institutet, 1998.
"""

from __future__ import annotations

import re
from itertools import product
from pathlib import PurePosixPath
from typing import Annotated, Literal, get_args

from pydantic import Field

from fer_au.datasets.base import ADAPTERS
from fer_au.datasets.named import Name, NamedAdapter, sole_gaps
from fer_au.datasets.persons import FoldedConfig

View = Literal["full-left", "half-left", "straight", "half-right", "full-right"]
Series = Literal["A", "B"]

CODES: dict[str | int, str | None] = {
    "AF": "fear",
    "AN": "anger",
    "DI": "disgust",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
VIEWS: dict[str, View] = {
    "FL": "full-left",
    "HL": "half-left",
    "S": "straight",
    "HR": "half-right",
    "FR": "full-right",
}
_NAME = re.compile(r"([AB])([FM]\d\d)([A-Z]{2})(FL|HL|S|HR|FR)")
_FOLDER = re.compile(r"[AB][FM]\d\d")
_ENDS = ["".join(pair) for pair in product(map(str, CODES), VIEWS)]


class KdefConfig(FoldedConfig):
    """KDEF, as its authors distribute it.

    Attributes:
        views: Views that are taken; `full-left` and `full-right` are profiles, where most detectors find no face.
        series: Sessions that are taken; each person was photographed twice.
    """

    views: Annotated[tuple[View, ...], Field(min_length=1)] = get_args(View)
    series: Annotated[tuple[Series, ...], Field(min_length=1)] = get_args(Series)


@ADAPTERS.register("kdef")
class KdefAdapter(NamedAdapter[KdefConfig]):
    """Names say session, person, expression and view; folds are of persons, seven in each of ten."""

    Config = KdefConfig
    title = "KDEF"
    example = "AF01ANS.JPG"
    codes = CODES
    complete = (4900, 70)

    @classmethod
    def read_name(cls, path: str) -> Name | None:
        """Read ``AF01ANS``."""
        found = _NAME.fullmatch(PurePosixPath(path).stem.upper())
        return found and Name(found[3], found[2], (found[1], VIEWS[found[4]]))

    def mend(self, names: dict[str, Name | None]) -> list[str]:
        """Name the misnamed picture of a folder that lacks one."""
        notes = []
        for path, end in sole_gaps(names, _ENDS).items():
            folder = PurePosixPath(path).parent.name.upper()
            if _FOLDER.fullmatch(folder):
                names[path] = self.read_name(f"{folder}{end}")
                notes.append(f"{path} is taken as {folder}{end}: all other pictures of its folder are there")
        return notes

    def wanted(self, name: Name, config: KdefConfig) -> bool:
        """Tell whether the entry takes a session and a view."""
        return name.part[0] in config.series and name.part[1] in config.views
