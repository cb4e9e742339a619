"""``metrics/<exp>.json``: flat keys with dots, so that ``dvc metrics diff`` reads well."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from fer_au.errors import DataError

Metric = float | int | str | None
_DIGITS = 6


def metrics_text(metrics: Mapping[str, float | int | str | None]) -> str:
    """Metrics as JSON: sorted keys, floats rounded to 6 decimals, undefined (NaN, infinite) as null.

    Raises:
        TypeError: A value is not a plain number, string or None (a nested mapping, an array).
    """
    return json.dumps({key: _plain(key, metrics[key]) for key in sorted(metrics)}, indent=2, allow_nan=False) + "\n"


def write_metrics(path: Path, metrics: Mapping[str, float | int | str | None]) -> None:
    """Write ``metrics_text`` in one step: a killed run leaves the old file or the new one.

    Raises:
        DataError: The file can't be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(metrics_text(metrics), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot write: {error.strerror or error}") from error


def read_metrics(path: Path) -> dict[str, Metric]:
    """Read a metrics file.

    Raises:
        DataError: It is missing, or not a flat JSON object of numbers, strings and nulls.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a metrics file: {error}") from error
    if not isinstance(content, dict) or any(isinstance(value, dict | list) for value in content.values()):
        raise DataError(f"{path}: not a flat metrics file")
    return content


def _plain(key: str, value: object) -> Metric:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return round(float(value), _DIGITS) if math.isfinite(value) else None
    raise TypeError(f"metric {key!r} is a {type(value).__name__}, not a number or a string")
