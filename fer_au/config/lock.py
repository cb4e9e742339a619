"""Read ``dvc.lock``: the settings and the files with which DVC ran each stage last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from fer_au.config.dataset_settings import STAMPED
from fer_au.config.differences import mapping
from fer_au.config.pipeline import STAMP
from fer_au.config.reading import PARAMS
from fer_au.yaml_files import read_yaml

LOCK = Path("dvc.lock")


@dataclass(frozen=True)
class LockedStage:
    """A stage as DVC ran it last.

    Attributes:
        params: Key of ``params.yaml``, such as ``train`` or ``experiments.au`` -> its value, as it was written.
        stamped: Key of ``stages/stamp.json``, such as ``train.au`` -> its hash, or ``settings.align.demo`` -> settings.
        deps: Path of a dependency -> its hash.
        outs: Path of an output -> its hash.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    stamped: Mapping[str, Any] = field(default_factory=dict)
    deps: Mapping[str, str] = field(default_factory=dict)
    outs: Mapping[str, str] = field(default_factory=dict)

    def of_dataset(self, stage: str, name: str) -> Mapping[str, Any] | None:
        """Give the settings with which ``ingest``, ``align`` or ``landmarks`` ran for a data set; None if not known."""
        settings = self.stamped.get(f"{STAMPED}.{stage}.{name}")
        return settings if isinstance(settings, Mapping) else None


@dataclass(frozen=True)
class Lock:
    """All stages of the file.

    Attributes:
        stages: Name of a stage, such as ``train@au`` -> the stage.
    """

    stages: Mapping[str, LockedStage] = field(default_factory=dict)

    @cached_property
    def makers(self) -> Mapping[str, str]:
        """Path of an output -> name of the stage that makes it."""
        return {path: name for name, stage in self.stages.items() for path in stage.outs}


def read_lock(path: Path = LOCK) -> Lock:
    """Read the file; what doesn't have the form that DVC gives it is left out.

    Raises:
        ConfigError: The file is missing or not YAML.
    """
    stages = mapping(read_yaml(path).get("stages"))
    return Lock({str(name): _stage(entry) for name, entry in stages.items() if isinstance(entry, Mapping)})


def _stage(entry: Mapping[str, Any]) -> LockedStage:
    files = mapping(entry.get("params"))
    params, stamped = mapping(files.get(str(PARAMS))), mapping(files.get(STAMP))
    return LockedStage(params, stamped, _hashes(entry.get("deps")), _hashes(entry.get("outs")))


def _hashes(entries: object) -> dict[str, str]:
    """Read hashes of DVC 3; older ones, of texts with other line ends, have no key ``hash`` and are left out."""
    return {
        str(entry["path"]): str(entry["md5"])
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, Mapping) and entry.get("hash") == "md5" and "path" in entry and "md5" in entry
    }
