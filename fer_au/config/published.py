"""Published numbers to compare with: the file ``<params>.published.yaml`` beside a params file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from fer_au.config.reading import PARAMS, StrictModel, validate
from fer_au.glossary import metric_fault
from fer_au.yaml_files import read_yaml

_MOST_NAMES = 6


def _known_metrics(values: dict[str, float]) -> dict[str, float]:
    if faults := [fault for key, value in values.items() if (fault := metric_fault(key, value))]:
        raise ValueError("; ".join(faults) + "; numbers that no metric stands for belong under `other`")
    return values


PublishedMetrics = Annotated[dict[str, float], AfterValidator(_known_metrics)]
"""Key of ``metrics/<exp>.json`` -> published value, in that file's unit (accuracies from 0 to 1)."""


class Repeated(StrictModel):
    """One row of a published table, with the experiment or group that repeats it.

    Attributes:
        row: Name of the row in the table.
        experiment: Name of the experiment that repeats it; None if a group does, or none.
        group: Name of the group of repeats.
        metrics: Key of ``metrics/<exp>.json`` -> published value, in that file's unit (accuracies from 0 to 1).
        other: Published numbers for which the metrics file has no key.
        left_out: Experiment of the preset that the row is about, where the grid left none with its settings.
    """

    row: str
    experiment: str | None = None
    group: str | None = None
    left_out: str | None = None
    metrics: PublishedMetrics = Field(default_factory=dict)
    other: dict[str, float] = Field(default_factory=dict)


class Published(StrictModel):
    """Content of the file.

    Attributes:
        preset: Name of the preset that the numbers come from.
        source: Publication and table.
        rows: Rows of the table.
        settings: Sections of ``params.yaml`` as the preset has them, with the experiments that rows are about, so that
            a reader sees what was changed since; empty in files of earlier versions.
    """

    preset: str
    source: str
    rows: tuple[Repeated, ...]
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)


def published_path(params: Path = PARAMS) -> Path:
    """Find the path of the file of published numbers that belongs to a params file.

    Example:
        >>> published_path(Path("lab/params.lan-rafdb.yaml")).as_posix()
        'lab/params.lan-rafdb.published.yaml'
    """
    return params.with_name(f"{params.stem}.published.yaml")


def left_out_line(path: Path, published: Published) -> str:
    """Say which rows of a file can't be compared, because ``--grid`` changed the settings that they are about.

    Returns:
        One line; empty if all rows can.
    """
    rows = [" ".join(row.row.split()) for row in published.rows if row.left_out]
    if not rows:
        return ""
    names = ", ".join(rows[:_MOST_NAMES]) + (f" and {len(rows) - _MOST_NAMES} more" if len(rows) > _MOST_NAMES else "")
    count = f"{len(rows)} of {len(published.rows)} rows {'is' if len(rows) == 1 else 'are'}"
    return f"{path}: {count} about settings that --grid changed, and compared with nothing: {names}"


def read_published(path: Path) -> Published:
    """Read a file of published numbers.

    Raises:
        ConfigError: The file is missing or not YAML, or a key is bad; the message names the file in one line.
    """
    return validate(Published, read_yaml(path), "", path)
