"""Read the existing results of all that ``params.yaml`` names, and the published numbers to compare them with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from fer_au.config.experiments import CrossConfig, ExperimentConfig
from fer_au.config.published import Published, left_out_line, published_path, read_published
from fer_au.config.reading import read_params, validate
from fer_au.errors import DataError
from fer_au.registry import near_names
from fer_au.results.changes import NO_CHANGE, Change, Trail, shorten
from fer_au.results.experiment import ExperimentResult, experiment_names, read_cross, read_experiment
from fer_au.terminal import counted

_SPEED = "train_images_per_second"
Read = TypeVar("Read", bound=ExperimentResult)


@dataclass(frozen=True)
class Entry:
    """An experiment, or an entry of ``cross``, evaluated or not.

    Attributes:
        name: Key in ``params.yaml``.
        dataset: Data set that is scored.
        group: Group of repeats, of an entry of ``cross`` that of its experiment; None if it has none.
        result: Result of its evaluation; None if there is none, or it can't be read.
        fault: File that can't be read, and the remedy; empty if nothing is wrong.
        change: What has changed since the evaluation; empty if there is none.
    """

    name: str
    dataset: str
    group: str | None
    result: ExperimentResult | None
    fault: str = ""
    change: Change = NO_CHANGE


@dataclass(frozen=True)
class Results:
    """Results of everything that ``params.yaml`` names.

    Attributes:
        experiments: Experiments.
        cross: Models of these experiments on other data sets.
        params: Content of ``params.yaml``.
        published: Published numbers; None if there is no file of them.
        published_path: File of these numbers; None if there is none.
        strays: Metrics that belong to no experiment and no entry of ``cross`` -> the experiment of ``params.yaml`` that
            has no numbers and the same settings, as after a new name; empty if there is none.
    """

    experiments: list[Entry]
    cross: list[Entry]
    params: Mapping[str, Any] = field(default_factory=dict)
    published: Published | None = None
    published_path: Path | None = None
    strays: Mapping[Path, str] = field(default_factory=dict)

    @property
    def faults(self) -> list[str]:
        """Files that can't be read, one line each."""
        return [one.fault for one in (*self.experiments, *self.cross) if one.fault]

    @property
    def unmatched(self) -> list[str]:
        """Published rows about experiments of ours that are compared with nothing, one line for each reason."""
        if self.published is None or self.published_path is None:
            return []
        known = {one.name for one in self.experiments}, {one.group for one in self.experiments}
        lost = [
            row.experiment or row.group or ""
            for row in self.published.rows
            if row.metrics
            if (row.experiment and row.experiment not in known[0]) or (row.group and row.group not in known[1])
        ]
        lines = [left_out_line(self.published_path, self.published)]
        if lost:
            names = shorten(list(dict.fromkeys(lost)))
            rows = counted(len(lost), "row is", "rows are")
            lines.append(f"{self.published_path}: {rows} about what params.yaml doesn't name, and not shown: {names}")
        return [line for line in lines if line]

    @property
    def evaluated(self) -> list[ExperimentResult]:
        """Results that exist."""
        return [one.result for one in (*self.experiments, *self.cross) if one.result]


def read_results(params_path: Path, root: Path, published: Path | None = None) -> Results:
    """Read the results of the experiments and the ``cross`` entries that ``params_path`` names.

    Args:
        params_path: Path of ``params.yaml``.
        root: Project folder, with ``evaluation`` and ``metrics``.
        published: File of published numbers; default ``published_path(params_path)``, which ``fer-au presets write``
            writes beside a params file, if it exists.

    Raises:
        ConfigError: ``params.yaml`` or the file of published numbers is wrong.
        DataError: No experiments are named.
    """
    params = read_params(params_path)
    # The file is read once: there may be a hundred experiments.
    own = {
        name: validate(ExperimentConfig, params["experiments"][name], f"experiments.{name}", params_path)
        for name in experiment_names(params, params_path)
    }
    trail = Trail(params, root)
    experiments = [_read_own(name, config, root, trail) for name, config in own.items()]
    cross = [
        _read_cross(name, validate(CrossConfig, entry, f"cross.{name}", params_path), own, root, trail)
        for name, entry in (params.get("cross") or {}).items()
    ]
    beside = published_path(params_path)
    path = published or (beside if beside.is_file() else None)
    strays = _find_strays(params, root, trail, [one.name for one in experiments if one.result is None])
    return Results(experiments, cross, params, read_published(path) if path else None, path, strays)


def _find_strays(params: Mapping[str, Any], root: Path, trail: Trail, waiting: Sequence[str]) -> dict[Path, str]:
    found: dict[Path, str] = {}
    for section, folder in (("experiments", Path("metrics")), ("cross", Path("metrics/cross"))):
        names = params.get(section) or {}
        for path in sorted((root / folder).glob("*.json")):
            if path.stem not in names:
                twins = (name for name in waiting if section == "experiments" and trail.same_training(name, path.stem))
                found[folder / path.name] = next(twins, "")
    return found


def _read_own(name: str, config: ExperimentConfig, root: Path, trail: Trail) -> Entry:
    result, fault = _try(_files(name, root), lambda: read_experiment(name, config, root), f"evaluate@{name}")
    split = str(result.results.attributes.get("split", "")) or None if result else None
    change = trail.experiment(name, split, result.number(_SPEED)) if result else NO_CHANGE
    return Entry(name, config.dataset, config.group or None, result, fault, change)


def _read_cross(
    name: str, entry: CrossConfig, experiments: Mapping[str, ExperimentConfig], root: Path, trail: Trail
) -> Entry:
    config = experiments.get(entry.experiment)
    if config is None:
        known = near_names(entry.experiment, experiments)
        return Entry(name, entry.dataset, None, None, f"cross.{name}.experiment: no {entry.experiment!r}; {known}")
    result, fault = _try(_files(f"cross/{name}", root), lambda: read_cross(name, entry, config, root), f"cross@{name}")
    change = trail.cross(name, result.number(_SPEED)) if result else NO_CHANGE
    return Entry(name, entry.dataset, config.group or None, result, fault, change)


def _files(place: str, root: Path) -> list[Path]:
    """List the files of an evaluation, by its place below the folders of metrics and of stores."""
    return [root / f"metrics/{place}.json", root / f"metrics/detail/{place}.json", root / f"evaluation/{place}.h5"]


def _try(files: Sequence[Path], read: Callable[[], Read], stage: str) -> tuple[Read | None, str]:
    """Read a result, if any of its files exists; return a fault as text instead of raising it."""
    if not any(file.exists() for file in files):
        return None, ""
    try:
        return read(), ""
    except DataError as error:
        return None, f"{error}; `dvc repro {stage}` makes it again"
