"""Roots of data sets before DVC runs ``ingest``: what lies there, as a parameter; and what to do where nothing does.

A folder of pictures is no dependency in ``dvc.yaml``: DVC stops at what it can't open. Its hash is a parameter of
``ingest`` (``fer_au/datasets/content.py``), written into ``stages/stamp.json`` by the stage ``stamp``. Only rendered
faces are DVC's own; the stage ``render`` puts their hash into ``data/NAME/rendered.json``, on which ``ingest`` waits.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fer_au.checks.outputs import Outputs, is_rendered
from fer_au.datasets.content import has_entries, odd_entries, root_digest
from fer_au.errors import ConfigError
from fer_au.home import at_home

SECTION = "pictures"
"""Key of ``stages/stamp.json`` that holds the hashes, by name of the data set."""

_DIGITS = 32
_RENDERED = "rendered"  # stands for a hash, which data/NAME/rendered.json holds
_NOT_HERE = "not here"
_NAMED = 3


@dataclass
class Roots:
    """What was found.

    Attributes:
        digests: Name of each data set -> what its ``ingest`` takes as parameter.
        lines: Lines for people about roots that are not here.
    """

    digests: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)


def look_at_roots(params: Mapping[str, Any]) -> Roots:
    """Hash the folders of all data sets; of those that aren't here, take what DVC recorded when they were.

    Args:
        params: The whole of ``params.yaml``, without faults.

    Raises:
        ConfigError: A root holds what the pipeline writes, or rendered faces are mixed with what DVC can't read.
    """
    outputs, roots = Outputs(params), Roots()
    settings = params.get("render") or {}
    seen: dict[tuple[Path, bool], str] = {}
    for name, entry in (params.get("datasets") or {}).items():
        root = at_home(str(entry["root"]))
        key = f"params.yaml: datasets.{name}.root: {root}"
        if name in settings and is_rendered(root, name):
            _refuse_odd(key, root)
            roots.digests[name] = _RENDERED
        elif has_entries(root):
            _refuse_outputs(key, name, root)
            look = root, entry.get("follow_links") is True
            if look not in seen:
                seen[look] = root_digest(root, f"look at {root}", follow_links=look[1])[:_DIGITS]
            roots.digests[name] = seen[look]
        else:
            recorded = outputs.recorded(f"ingest@{name}", f"{SECTION}.{name}")
            roots.digests[name] = str(recorded or _NOT_HERE)
            roots.lines.append(f"{key} {_way_on(name, root, recorded is not None, outputs)}")
    return roots


def _refuse_odd(key: str, root: Path) -> None:
    odd = odd_entries(root) if root.is_dir() else []
    if odd:
        more = f" and {len(odd) - _NAMED} more" if len(odd) > _NAMED else ""
        raise ConfigError(f"{key}: DVC keeps these faces, and can't read {', '.join(odd[:_NAMED])}{more}; remove it")


def _refuse_outputs(key: str, name: str, root: Path) -> None:
    own = (Path.cwd() / "data" / name).resolve()
    if own.is_relative_to(root.resolve()):
        raise ConfigError(f"{key} holds data/{name}, where the stages write; name the folder of the pictures alone")


def _way_on(name: str, root: Path, recorded: bool, outputs: Outputs) -> str:
    """Say what a root lacks, and how DVC goes on; a closed folder above is a missing one."""
    if os.access(root, os.R_OK | os.X_OK):
        what = "is empty"
    else:
        what = "can't be read" if os.path.lexists(root) else "is missing"
    if recorded:
        return (
            f"{what}: `dvc repro --pull --allow-missing` goes on without it; if these flags are forgotten, align runs "
            f"and fails, and `dvc checkout --allow-missing` restores what DVC deleted before it"
        )
    if outputs.coming(root):
        return f"{what}, but is an output of DVC's: `dvc repro` once more after the stage that makes it, or `dvc pull`"
    return f"{what}: ingest@{name} can't run here"
