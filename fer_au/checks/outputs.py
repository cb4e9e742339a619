"""What DVC has made or will make, so that neither is missed: a colleague pulls results and has no pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from fer_au.config.dataset_settings import STAGES, stage_settings
from fer_au.config.lock import Lock, read_lock
from fer_au.errors import ConfigError
from fer_au.home import at_home


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
            keys: Its keys of ``params.yaml``, such as ``render.demo``; none of stages that take the settings of a data
                set.
        """
        locked = self._lock.stages.get(stage)
        if locked is None:
            return False
        kind, _, name = stage.partition("@")
        if kind in STAGES:
            return locked.of_dataset(kind, name) == stage_settings(self._params, kind, name)
        return all(locked.params.get(key) == self._value(key) for key in keys)

    def recorded(self, stage: str, stamped: str, *keys: str) -> object | None:
        """Give what a finished stage took from ``stages/stamp.json``; None where it isn't finished, or took nothing.

        Args:
            stage: Name of the stage, such as ``ingest@demo``.
            stamped: Key of ``stages/stamp.json``.
            keys: As for ``finished``.
        """
        return self._lock.stages[stage].stamped.get(stamped) if self.finished(stage, *keys) else None

    def coming(self, path: Path) -> bool:
        """Tell whether a path is, holds or lies in an output of some stage or ``.dvc`` file."""
        place = Path(os.path.abspath(path))  # noqa: PTH100 (DVC doesn't follow links either)
        rendered = self._params.get("render")
        names = rendered if isinstance(rendered, Mapping) else {}
        if any(place == Path.cwd() / rendered_root(str(name)) for name in [*names, *_undeclared(self._params)]):
            return True
        return any(place == out or place in out.parents or out in place.parents for out in self._of_dvc)

    @cached_property
    def _lock(self) -> Lock:
        try:
            return read_lock()
        except ConfigError:
            return Lock()

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


def is_rendered(root: Path, name: str) -> bool:
    """Tell whether a root is the folder of the faces that are rendered for a data set."""
    return os.path.abspath(root) == os.path.abspath(rendered_root(name))  # noqa: PTH100 (DVC doesn't follow links either)


def find_shared_renders(params: Mapping[str, Any], stamped: Mapping[str, Any]) -> dict[str, str]:
    """Find rendered faces that a second data set is to read, and that the stage ``render`` has yet to make.

    In ``dvc.yaml`` no edge can lead from them to the second set: a path can be made of its own name alone.

    Args:
        params: The whole of ``params.yaml``, without faults.
        stamped: Stage -> name -> hash of its code, as ``fer_au.code.stages.stamp`` gives them.

    Returns:
        Data set for which the faces are rendered -> the second one.
    """
    outputs = Outputs(params)
    found = {}
    for name, entry in (params.get("datasets") or {}).items():
        for maker in params.get("render") or {}:
            if maker == name or not is_rendered(at_home(str(entry["root"])), maker):
                continue
            made = outputs.recorded(f"render@{maker}", f"render.{maker}", f"render.{maker}")
            if made != stamped["render"][maker] or not _here_or_read(outputs, name, maker):
                found[maker] = name
    return found


def find_undeclared_renders(params: Mapping[str, Any]) -> list[str]:
    """Find data sets of rendered faces that are not there, and that DVC can't render.

    A missing section means its defaults, but DVC renders only what the section ``render`` names. Faces that DVC has
    ingested before are not needed.

    Args:
        params: The whole of ``params.yaml``.
    """
    if not (names := _undeclared(params)):
        return []

    outputs = Outputs(params)
    return [name for name in names if not _here_or_read(outputs, name, name)]


def _here_or_read(outputs: Outputs, name: str, maker: str) -> bool:
    """Tell whether the faces rendered for ``maker`` are there, or no longer needed by data set ``name``."""
    from fer_au.datasets.demo import LABELS  # the last file that rendering writes

    return (rendered_root(maker) / LABELS).is_file() or outputs.finished(f"ingest@{name}")


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
