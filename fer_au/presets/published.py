"""Write and read the published numbers of a preset: ``<params>.published.yaml`` beside the params file."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from fer_au.config.reading import StrictModel, validate
from fer_au.presets.expansion import Expansion
from fer_au.presets.preset import Preset
from fer_au.yaml_files import dump_yaml, read_yaml

_WIDTH = 118


class Repeated(StrictModel):
    """One row of a published table, with the experiment or group that repeats it.

    Attributes:
        row: Name of the row in the table.
        experiment: Name of the experiment that repeats it; None if a group does, or none.
        group: Name of the group of repeats.
        metrics: Key of ``metrics/<exp>.json`` -> published value, in that file's unit (accuracies from 0 to 1).
        other: Published numbers for which the metrics file has no key.
    """

    row: str
    experiment: str | None = None
    group: str | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    other: dict[str, float] = Field(default_factory=dict)


class Published(StrictModel):
    """Content of the file.

    Attributes:
        preset: Name of the preset that the numbers come from.
        source: Publication and table.
        rows: Rows of the table.
    """

    preset: str
    source: str
    rows: tuple[Repeated, ...]


def published_path(params: Path) -> Path:
    """Find the path of the file of published numbers that belongs to a params file.

    Example:
        >>> published_path(Path("lab/params.lan-rafdb.yaml")).as_posix()
        'lab/params.lan-rafdb.published.yaml'
    """
    return params.with_name(f"{params.stem}.published.yaml")


def published_text(name: str, preset: Preset, expansion: Expansion) -> str:
    """Write out a preset's published numbers as YAML: rows of values, each with the experiment that repeats it."""
    rows = []
    for row in preset.published:
        place = expansion.places.get(row.experiment) if row.experiment else None
        key = "experiment" if place is None or place in expansion.experiments else "group"
        rows.append({"row": row.row, key: place, **{part: getattr(row, part) for part in ("metrics", "other")}})
    content = {"preset": name, "source": preset.source, "rows": rows}
    return dump_yaml(content, flow=None, width=_WIDTH)


def read_published(path: Path) -> Published:
    """Read a file of published numbers.

    Raises:
        ConfigError: The file is missing or not YAML, or a key is bad; the message names the file in one line.
    """
    return validate(Published, read_yaml(path), "", path)
