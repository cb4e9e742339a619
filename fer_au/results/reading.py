"""Read the existing results of all that ``params.yaml`` names, and the published numbers to compare them with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fer_au.config.experiments import CrossConfig, ExperimentConfig
from fer_au.config.reading import read_params, validate
from fer_au.errors import DataError
from fer_au.presets.published import Published, published_path, read_published
from fer_au.results.experiment import CrossResult, ExperimentResult, experiment_names, read_cross, read_experiment

Result = ExperimentResult | CrossResult


@dataclass(frozen=True)
class Entry:
    """An experiment, or an entry of ``cross``, evaluated or not.

    Attributes:
        name: Key in ``params.yaml``.
        dataset: Data set that is scored.
        group: Group of repeats; None if it has none.
        result: Result of its evaluation; None if there is none, or it can't be read.
        fault: File that can't be read, and the remedy; empty if nothing is wrong.
    """

    name: str
    dataset: str
    group: str | None
    result: Result | None
    fault: str = ""


@dataclass(frozen=True)
class Results:
    """Results of everything that ``params.yaml`` names.

    Attributes:
        experiments: Experiments.
        cross: Models of these experiments on other data sets.
        published: Published numbers; None if there is no file of them.
    """

    experiments: list[Entry]
    cross: list[Entry]
    published: Published | None = None

    @property
    def faults(self) -> list[str]:
        """Files that can't be read, one line each."""
        return [one.fault for one in (*self.experiments, *self.cross) if one.fault]

    @property
    def evaluated(self) -> list[Result]:
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
    own = {name: params["experiments"][name] for name in experiment_names(params, params_path)}
    experiments = [
        _read_own(name, validate(ExperimentConfig, entry, f"experiments.{name}", params_path), root)
        for name, entry in own.items()
    ]
    cross = [
        _read_cross(name, validate(CrossConfig, entry, f"cross.{name}", params_path), root)
        for name, entry in (params.get("cross") or {}).items()
    ]
    beside = published_path(params_path)
    path = published or (beside if beside.is_file() else None)
    return Results(experiments, cross, read_published(path) if path else None)


def _read_own(name: str, config: ExperimentConfig, root: Path) -> Entry:
    files = [root / f"metrics/{name}.json", root / f"metrics/detail/{name}.json", root / f"evaluation/{name}.h5"]
    result, fault = _try(files, lambda: read_experiment(name, config, root), f"evaluate@{name}")
    return Entry(name, config.dataset, config.group or None, result, fault)


def _read_cross(name: str, config: CrossConfig, root: Path) -> Entry:
    files = [root / f"metrics/cross/{name}.json", root / f"metrics/detail/cross/{name}.json"]
    result, fault = _try(files, lambda: read_cross(name, config, root), f"cross@{name}")
    return Entry(name, config.dataset, None, result, fault)


def _try(files: Sequence[Path], read: Callable[[], Result], stage: str) -> tuple[Result | None, str]:
    """Read a result, if any of its files exists; return a fault as text instead of raising it."""
    if not any(file.exists() for file in files):
        return None, ""
    try:
        return read(), ""
    except DataError as error:
        return None, f"{error}; `dvc repro {stage}` makes it again"
