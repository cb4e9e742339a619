"""Codebooks: which action units an expression moves, and how much each counts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import yaml

from fer_au.cues.action_units import ACTION_UNITS
from fer_au.errors import ConfigError
from fer_au.expressions import EXPRESSIONS
from fer_au.registry import Registry, near_names
from fer_au.stores.fingerprints import fingerprint

#: Named codebooks; another package adds one by an entry point to the path of its YAML file.
CODEBOOKS: Registry[Path] = Registry("codebook", "fer_au.codebooks")

for _file in sorted((Path(__file__).parent / "codebooks").glob("*.yaml")):
    CODEBOOKS.register(_file.stem)(_file)

_KEYS = ("description", "sources", "expressions")


@dataclass(frozen=True)
class Codebook:
    """A checked codebook.

    Attributes:
        name: Its registered name, or its file's name without suffix.
        expressions: Canonical expression -> FACS action unit number -> weight in (0, 1], both in canonical order.
        description: What it is for.
        sources: Where its entries come from.
    """

    name: str
    expressions: Mapping[str, Mapping[int, float]]
    description: str = ""
    sources: tuple[str, ...] = ()

    @cached_property
    def sha256(self) -> str:
        """Hash of the entries alone: renaming a codebook or rewording its notes does not change a map."""
        entries = {
            name: {str(unit): weight for unit, weight in units.items()} for name, units in self.expressions.items()
        }
        return fingerprint("codebook", 1, entries)

    @cached_property
    def action_units(self) -> frozenset[int]:
        """All action units that it lists."""
        return frozenset(unit for units in self.expressions.values() for unit in units)


def list_codebooks() -> list[str]:
    """Names of all registered codebooks.

    Example:
        >>> {"corrected", "paper"} <= set(list_codebooks())
        True
    """
    return CODEBOOKS.names()


def load_codebook(name_or_path: str | Path) -> Codebook:
    """Load a codebook by its registered name, or a user's own by the path of its YAML file.

    A text is taken as a path if it ends in ``.yaml`` or ``.yml`` or holds a path separator. The file is a mapping of
    ``expressions`` (required) and ``description`` and ``sources``. An entry lists action units, ``[6, 12, 25]`` or
    ``[AU6, AU12]``, or gives each a weight from 0 to 1, ``{6: 1, 12: 0.8}``; a weight of 0 leaves the unit out.

    Raises:
        UnknownNameError: No codebook is registered under that name; the message lists near names.
        ConfigError: The file can't be read, or an entry is wrong; the message names file and key.

    Example:
        >>> load_codebook("corrected").expressions["happiness"]
        {6: 1.0, 12: 1.0, 25: 1.0}
    """
    text = os.fspath(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith((".yaml", ".yml")) or "/" in text or os.sep in text:
        return _parse(Path(text), Path(text).stem)
    return _load_registered(text)


@lru_cache(maxsize=32)
def _load_registered(name: str) -> Codebook:
    return _parse(CODEBOOKS.get(name), name)


def _parse(path: Path, name: str) -> Codebook:
    content = _read(path)
    for key in content:
        if key not in _KEYS:
            raise ConfigError(f"{path}: {key}: unknown key; {near_names(str(key), _KEYS)}")
    description = content.get("description", "")
    if not isinstance(description, str):
        raise ConfigError(f"{path}: description: expected a text")
    sources = content.get("sources", [])
    if not isinstance(sources, list) or not all(isinstance(source, str) for source in sources):
        raise ConfigError(f"{path}: sources: expected a list of texts")
    entries = content.get("expressions")
    if not isinstance(entries, dict) or not entries:
        raise ConfigError(f"{path}: expressions: expected a mapping from expressions to action units")
    for expression in entries:
        if expression not in EXPRESSIONS:
            hint = near_names(str(expression), EXPRESSIONS)
            raise ConfigError(f"{path}: expressions.{expression}: unknown expression; {hint}")
    units = {
        expression: _parse_units(entries[expression], f"{path}: expressions.{expression}")
        for expression in EXPRESSIONS
        if expression in entries
    }
    return Codebook(name, units, description.strip(), tuple(sources))


def _parse_units(entry: object, where: str) -> dict[int, float]:
    if isinstance(entry, list):
        pairs: list[tuple[object, object]] = [(unit, 1.0) for unit in entry]
    elif isinstance(entry, dict):
        pairs = list(entry.items())
    else:
        raise ConfigError(f"{where}: expected a list of action units or a mapping of action units to weights")
    units: dict[int, float] = {}
    for key, weight in pairs:
        number = _parse_unit(key, where)
        if number in units:
            raise ConfigError(f"{where}: AU{number} is listed twice")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
            raise ConfigError(f"{where}.{key}: weight {weight!r} is not a number from 0 to 1")
        units[number] = float(weight)
    kept = {unit: units[unit] for unit in sorted(units) if units[unit] > 0}
    if not kept:
        raise ConfigError(f"{where}: no action unit; leave the expression out if it has none")
    return kept


def _parse_unit(key: object, where: str) -> int:
    text = key.strip().upper().removeprefix("AU") if isinstance(key, str) else key
    number = int(text) if isinstance(text, str) and text.isdecimal() else text
    if isinstance(number, bool) or not isinstance(number, int) or number not in ACTION_UNITS:
        known = ", ".join(map(str, ACTION_UNITS))
        raise ConfigError(f"{where}: unknown action unit {key!r}; known: {known}")
    return number


def _read(path: Path) -> dict[object, object]:
    try:
        text = path.read_text(encoding="utf-8")
        repeated = _repeated_key(yaml.compose(text, Loader=yaml.SafeLoader))
        content = yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"{path}: can't read the codebook: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a UTF-8 text") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: not valid YAML: nested too deeply") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if repeated is not None:
        raise ConfigError(f"{path}: {repeated}: key appears twice")
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected a mapping with the key 'expressions'")
    return content


def _repeated_key(node: yaml.Node | None, where: str = "", depth: int = 3) -> str | None:
    """The dotted path of the first key that a mapping has twice; YAML loaders silently take the last.

    A codebook's mappings are three deep; going no deeper also ends at aliases that contain themselves.
    """
    if not isinstance(node, yaml.MappingNode) or depth == 0:
        return None
    seen = set()
    for key, value in node.value:
        path = f"{where}{key.value}"
        if path in seen:
            return path
        seen.add(path)
        deeper = _repeated_key(value, f"{path}.", depth - 1)
        if deeper is not None:
            return deeper
    return None
