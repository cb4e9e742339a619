"""From the text of a label, split or file name to canonical values; keys that several adapters share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import PurePosixPath

from pydantic import Field, field_validator

from fer_au.config.data import DatasetConfig
from fer_au.datasets.manifest import Split
from fer_au.expressions import EXPRESSIONS, parse_expression
from fer_au.rejects import Reason

Fault = tuple[Reason, str]

_SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "test": "test",
    "testing": "test",
}


class LabelledConfig(DatasetConfig):
    """Keys of every adapter that reads labels as text.

    Attributes:
        label_map: Mapping from the data set's own labels or codes to expressions (``{1: surprise, 2: fear}``); null
            leaves a label out. Labels that it doesn't name are read as expression names, in upper or lower case.
        subject_pattern: Regular expression that finds the person in a picture's file name without its suffix, or, if it
            contains ``/``, in its path below the root. The first group counts, or the whole match without a group.
    """

    label_map: dict[str | int, str | None] = Field(default_factory=dict)
    subject_pattern: str | None = None

    @field_validator("label_map")
    @classmethod
    def _known_expressions(cls, value: dict[str | int, str | None]) -> dict[str | int, str | None]:
        for key, name in value.items():
            if name is not None and parse_expression(name) is None:
                raise ValueError(f"{key}: {name!r} is no expression (known: {', '.join(EXPRESSIONS)}, or null)")
        return value

    @field_validator("subject_pattern")
    @classmethod
    def _valid_pattern(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"not a regular expression ({error})") from error
        return value


def parse_split(text: str) -> Split | None:
    """Read the name of a split in any case, with the usual synonyms; None if it names none."""
    return _SPLIT_NAMES.get(text.strip().lower())


def parse_label(text: str, label_map: Mapping[str | int, str | None]) -> str | Fault:
    """Read a label.

    Returns:
        The canonical expression, or why there is none: empty, left out by ``label_map``, or unknown.
    """
    text = text.strip()
    if not text:
        return Reason.UNLABELLED, "empty label"
    own = {str(key).strip().casefold(): name for key, name in label_map.items()}
    name = own.get(text.casefold(), text)
    if name is None:
        return Reason.UNLABELLED, f"label {text!r} is left out by label_map"
    return parse_expression(name) or (Reason.UNKNOWN_LABEL, f"label {text!r} names no expression; see label_map")


def parse_subject(path: str, pattern: str | None) -> str | None:
    """Find the person in a picture's path, see ``LabelledConfig.subject_pattern``; None where it isn't found."""
    if pattern is None:
        return None
    found = _compiled(pattern).search(path if "/" in pattern else PurePosixPath(path).stem)
    if found is None:
        return None
    return (found[1] if found.re.groups else found[0]) or None


@lru_cache(maxsize=8)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
