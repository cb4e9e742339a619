"""What DVC has made or will make, so that neither is missed: a colleague pulls results and has no pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from fer_au.config.reading import PARAMS, read_params
from fer_au.errors import ConfigError
from fer_au.yaml_files import read_yaml

LOCK = Path("dvc.lock")


class Outputs:
    """Finished and coming outputs of the project in the working directory. Both are asked only where a file lacks.

    Args:
        params: The whole of ``params.yaml``.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params

    def finished(self, stage: str, *keys: str) -> bool:
        """Tell whether ``dvc.lock`` holds a stage with today's parameters.

        Args:
            stage: Name of the stage, such as ``ingest@demo``.
            keys: Its keys of ``params.yaml``, such as ``datasets.demo``.
        """
        entry = self._lock.get(stage)
        recorded = entry.get("params", {}).get(str(PARAMS), {}) if isinstance(entry, Mapping) else {}
        return entry is not None and all(recorded.get(key) == self._value(key) for key in keys)

    def coming(self, path: Path) -> bool:
        """Tell whether a path is, holds or lies in an output of some stage or ``.dvc`` file."""
        place = Path(os.path.abspath(path))  # noqa: PTH100 (DVC doesn't follow links either)
        rendered = self._params.get("render")
        names = rendered if isinstance(rendered, Mapping) else {}
        if any(place == Path.cwd() / rendered_root(str(name)) for name in [*names, *_undeclared(self._params)]):
            return True
        return any(place == out or place in out.parents or out in place.parents for out in self._of_dvc)

    @cached_property
    def _lock(self) -> Mapping[str, Any]:
        try:
            stages = read_yaml(LOCK).get("stages")
        except ConfigError:
            return {}
        return stages if isinstance(stages, Mapping) else {}

    @cached_property
    def _of_dvc(self) -> list[Path]:
        from dvc.exceptions import DvcException
        from dvc.repo import Repo

        try:
            with Repo() as repo:
                return [Path(out.fs_path) for out in repo.index.outs]
        except DvcException:  # no project of DVC, or a file of it that can't be read
            return []

    def _value(self, key: str) -> object:
        value: object = self._params
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value


def rendered_root(name: str) -> Path:
    """Give the folder of the faces that are rendered for a data set."""
    return Path("data") / name / "raw"


def find_undeclared_renders() -> list[str]:
    """Find data sets of rendered faces that are not there, and that DVC can't render.

    A missing section means its defaults, but DVC renders only what the section ``render`` names. Faces that DVC has
    ingested before are not needed.
    """
    params = read_params()
    if not (names := _undeclared(params)):
        return []

    from fer_au.datasets.demo import LABELS  # the last file that rendering writes

    outputs = Outputs(params)
    return [
        name
        for name in names
        if not (rendered_root(name) / LABELS).is_file() and not outputs.finished(f"ingest@{name}", f"datasets.{name}")
    ]


def _undeclared(params: Mapping[str, Any]) -> list[str]:
    """Data sets that read rendered faces, where params.yaml has no section ``render``."""
    if params.get("render"):
        return []
    entries = params.get("datasets") or {}
    return [
        name
        for name, entry in entries.items()
        if isinstance(entry, Mapping)
        and entry.get("adapter") == "demo"
        and Path(str(entry.get("root"))) == rendered_root(str(name))
    ]
