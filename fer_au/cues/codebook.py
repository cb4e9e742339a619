"""Codebooks: which action units an expression moves, and how much each counts. ``docs/codebooks.md`` has the format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from fer_au.config.reading import StrictModel, validate
from fer_au.errors import ConfigError, DataError
from fer_au.expressions import EXPRESSIONS
from fer_au.fingerprints import fingerprint
from fer_au.registry import FileRegistry, near_names
from fer_au.yaml_files import read_yaml

#: Named codebooks; another package adds one by an entry point to the path of its YAML file.
CODEBOOKS = FileRegistry("codebook", "fer_au.codebooks", Path(__file__).parent / "codebooks")

#: FACS numbers of the facial action units. Source: Ekman, Friesen and Hager, Facial Action Coding System, 2002.
ACTION_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 16, 17, 20, 22, 23, 24, 25, 26, 27, 43)


@dataclass(frozen=True)
class Codebook:
    """A checked codebook.

    Attributes:
        name: Its registered name, or its file's name without suffix.
        expressions: Canonical expression -> FACS action unit number -> weight in (0, 1], both in canonical order.
        description: Purpose of the codebook, in words.
        sources: Publications that its entries come from.
    """

    name: str
    expressions: Mapping[str, Mapping[int, float]]
    description: str = ""
    sources: tuple[str, ...] = ()

    @cached_property
    def sha256(self) -> str:
        """Hash of the entries alone: renaming a codebook or rewording its notes does not change a map."""
        return fingerprint("codebook", 1, self._entries)

    @property
    def attributes(self) -> dict[str, str]:
        """Attributes that a store of maps keeps of its codebook; ``recorded_codebook`` reads them."""
        return {"codebook": self.name, "codebook_sha256": self.sha256, "codebook_units": json.dumps(self._entries)}

    @property
    def _entries(self) -> dict[str, dict[str, float]]:
        return {name: {str(unit): weight for unit, weight in units.items()} for name, units in self.expressions.items()}

    @cached_property
    def action_units(self) -> frozenset[int]:
        """All action units that it lists."""
        return frozenset(unit for units in self.expressions.values() for unit in units)


def _expression(key: object) -> object:
    if key not in EXPRESSIONS:
        raise ValueError(f"unknown expression; {near_names(str(key), EXPRESSIONS)}")
    return key


def _units(entry: object) -> dict[int, object]:
    """Bring both ways to write an entry, a list and a mapping to weights, into one form: FACS number -> weight."""
    if not isinstance(entry, list | dict):
        raise ValueError("expected a list of action units or a mapping of action units to weights")
    weights = entry if isinstance(entry, dict) else dict.fromkeys(range(len(entry)), 1.0)
    units: dict[int, object] = {}
    for key, weight in zip(entry, weights.values(), strict=True):
        text = key.strip().upper().removeprefix("AU") if isinstance(key, str) else key
        number = int(text) if isinstance(text, str) and text.isdecimal() else text
        if isinstance(number, bool) or not isinstance(number, int) or number not in ACTION_UNITS:
            raise ValueError(f"unknown action unit {key!r}; known: {', '.join(map(str, ACTION_UNITS))}")
        if number in units:
            raise ValueError(f"action unit {number} is listed twice")
        units[number] = weight
    if not any(units.values()):
        raise ValueError("no action unit; leave the expression out if it has none")
    return units


def _weight(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("weight is not a number from 0 to 1")
    return value


def _expressions(value: object) -> object:
    if not isinstance(value, dict) or not value:
        raise ValueError("expected a mapping from expressions to action units, such as {happiness: [6, 12]}")
    return value


_Units = Annotated[dict[int, Annotated[float, BeforeValidator(_weight)]], BeforeValidator(_units)]
_Expressions = Annotated[dict[Annotated[str, BeforeValidator(_expression)], _Units], BeforeValidator(_expressions)]


class _File(StrictModel):
    """The content of a codebook's file."""

    expressions: _Expressions
    description: str = ""
    sources: list[str] = Field(default_factory=list)


def list_codebooks() -> list[str]:
    """List the names of all registered codebooks.

    Example:
        >>> {"corrected", "paper"} <= set(list_codebooks())
        True
    """
    return CODEBOOKS.names()


def create_codebook(name_or_path: str | Path | Codebook) -> Codebook:
    """Load a codebook by its registered name, or a user's own by the path of its YAML file.

    A codebook is returned as it is. ``registry.FileRegistry`` tells names from paths.

    Raises:
        UnknownNameError: No codebook is registered under that name; the message lists near names.
        ConfigError: The file can't be read, or an entry is wrong; the message names file and key.

    Example:
        >>> create_codebook("corrected").expressions["happiness"]
        {6: 1.0, 12: 1.0, 25: 1.0}
    """
    if isinstance(name_or_path, Codebook):
        return name_or_path
    if CODEBOOKS.is_path(name_or_path):
        path = CODEBOOKS.locate(name_or_path)
        return _read(path, path.stem)
    return _read_registered(str(name_or_path))


load_codebook = create_codebook  # for a codebook the same: every one is a file


def recorded_codebook(attributes: Mapping[str, object], owner: str | Path) -> Codebook:
    """Restore the codebook that the maps of a store were drawn by, wherever its file is now.

    Args:
        attributes: Attributes of the store. Stores of release 0.1 only name a codebook, which is then loaded.
        owner: Path of the store, for messages.

    Raises:
        ConfigError: The codebook that is only named isn't registered, or has other entries today.
        DataError: The store doesn't say.
    """
    if isinstance(units := attributes.get("codebook_units"), str):
        entries = {name: {int(unit): own for unit, own in units.items()} for name, units in json.loads(units).items()}
        return Codebook(str(attributes.get("codebook", "")), entries)
    if "codebook" not in attributes:
        raise DataError(f"{owner}: attribute 'codebook' is missing; run the stage heatmaps again")
    codebook = create_codebook(str(attributes["codebook"]))
    if attributes.get("codebook_sha256", codebook.sha256) != codebook.sha256:
        raise ConfigError(f"{owner}: codebook {codebook.name!r} has changed since; run the stage heatmaps again")
    return codebook


@lru_cache(maxsize=32)
def _read_registered(name: str) -> Codebook:
    return _read(CODEBOOKS.get(name), name)


def _read(path: Path, name: str) -> Codebook:
    content = read_yaml(path)
    for key in content:
        if key in EXPRESSIONS:
            raise ConfigError(f"{path}: {key}: expressions belong below one key, `expressions: {{{key}: [6, 12]}}`")
    file = validate(_File, content, "", path)
    units = {
        expression: {unit: weight for unit, weight in sorted(file.expressions[expression].items()) if weight > 0}
        for expression in EXPRESSIONS
        if expression in file.expressions
    }
    return Codebook(name, units, file.description.strip(), tuple(file.sources))
