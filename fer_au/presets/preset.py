"""Presets: the sections of a ``params.yaml``, with experiments in short form and the numbers published about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, cast

from pydantic import Field

from fer_au.config.entries import merge
from fer_au.config.published import PublishedMetrics
from fer_au.config.reading import StrictModel, examine, refuse_all
from fer_au.errors import ConfigError
from fer_au.registry import FileRegistry
from fer_au.yaml_files import read_yaml

#: Named presets; another package adds one by an entry point to the path of its YAML file.
PRESETS = FileRegistry("preset", "fer_au.presets", Path(__file__).parent / "library")

# Sections that a preset changes key by key when it extends another preset; all others it replaces whole.
_MERGED = ("train", "evaluate", "defaults", "comments")
# Sections that are never taken from an extended preset, because they are about its own experiments.
_OWN = ("notes", "published", "time")

Changes = dict[str, Any]


class PublishedRow(StrictModel):
    """One row of a published table.

    Attributes:
        row: Name of the row in the table.
        experiment: Name of the experiment that repeats it; None if the project lacks the method or doesn't compare it.
        metrics: Key of ``metrics/<exp>.json`` -> published value, in that file's unit (accuracies from 0 to 1).
        other: Published numbers for which the metrics file has no key.
    """

    row: str
    experiment: str | None = None
    metrics: PublishedMetrics = Field(default_factory=dict)
    other: dict[str, float] = Field(default_factory=dict)


class Preset(StrictModel):
    """Content of a preset's file.

    Attributes:
        title: Description in one line.
        source: Publication and table that the preset repeats.
        time: Time of all trainings on two cores, such as ``11 h``; ``python -m benchmarks.presets`` estimates it.
        extends: Name or path of another preset, whose keys count where this preset has none.
        notes: Lines for the person who runs the experiments.
        comments: Path of a key, such as ``train.optimizer.lr`` -> comment above it; null for none.
        access: Key of a data set -> where it comes from, if it isn't the user's own.
        datasets: Section of that name in ``params.yaml``; likewise ``render``, ``align``, ``landmarks``,
            ``heatmaps``, ``train`` and ``evaluate``.
        defaults: Keys that all experiments share.
        experiments: Name -> differences from the defaults; ``like`` names an experiment whose differences also count.
        variants: Suffix -> changes: each experiment is run in each variant; without variants, as it is.
        adjust: Name of an experiment in a variant -> path of a key -> value there.
        sweeps: Name of an experiment -> path of a key -> values: one experiment for each combination takes its place.
        repeats: ``seed`` or ``fold`` -> values: each experiment is run once for each value, tied by ``group``; ``fold:
            all`` stands for all folds of the data set.
        cross: Name -> experiment and data set.
        published: Rows of published numbers to compare with.
    """

    title: str
    source: str
    time: str = ""
    extends: str | None = None
    notes: tuple[str, ...] = ()
    comments: dict[str, str | None] = Field(default_factory=dict)
    access: dict[str, str] = Field(default_factory=dict)
    datasets: dict[str, dict[str, Any]]
    render: dict[str, dict[str, Any]] = Field(default_factory=dict)
    align: dict[str, Any]
    landmarks: dict[str, Any]
    heatmaps: dict[str, Any]
    train: dict[str, Any]
    evaluate: dict[str, Any]
    defaults: dict[str, Any]
    experiments: dict[str, Changes]
    variants: dict[str, Changes] = Field(default_factory=dict)
    adjust: dict[str, Changes] = Field(default_factory=dict)
    sweeps: dict[str, dict[str, list[Any]]] = Field(default_factory=dict)
    repeats: dict[str, Literal["all"] | list[int | str]] = Field(default_factory=dict)
    cross: dict[str, dict[str, str]] = Field(default_factory=dict)
    published: tuple[PublishedRow, ...] = ()


def list_presets() -> list[str]:
    """List the names of the presets, other packages' included, sorted.

    Example:
        >>> {"best-small", "lan-rafdb"} <= set(list_presets())
        True
    """
    return PRESETS.names()


def load_preset(name_or_path: str | Path) -> Preset:
    """Load a preset by its name, or by the path of its YAML file; ``registry.FileRegistry`` tells names from paths.

    Raises:
        UnknownNameError: There is no such preset; the message lists near names.
        ConfigError: The file can't be read, or keys are bad; the message names file and keys, a line for each.

    Example:
        >>> sorted(load_preset("lan-rafdb").datasets)
        ['rafdb']
    """
    path = PRESETS.locate(name_or_path)
    preset, faults = examine(Preset, _read(path, ()), "")
    refuse_all(path, faults)
    return cast(Preset, preset)


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    """Read a preset's keys, laid over those of the preset that it extends; ``seen`` holds the files that led here."""
    if path in seen:
        raise ConfigError(f"{path}: extends: presets extend each other in a circle")
    own = read_yaml(path)
    if not isinstance(own.get("extends"), str):
        return own
    parent = {
        key: value for key, value in _read(PRESETS.locate(own["extends"]), (*seen, path)).items() if key not in _OWN
    }
    merged = {key: merge(parent[key], own[key]) for key in _MERGED if key in parent and isinstance(own.get(key), dict)}
    return {**parent, **own, **merged}
