"""The entry of ``datasets`` in ``params.yaml`` that takes a data set, as a text to paste."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from fer_au.config.place import find_project
from fer_au.yaml_files import dump_inline

_LONGEST = 40  # characters of a name
_RECIPES = "# a small one, to see it run; `fer-au presets list` has recipes"


def name_dataset(root: Path) -> str:
    """Make a name of a data set from its folder's: small letters, digits, ``-`` and ``_``.

    Example:
        >>> name_dataset(Path("/lab/RAF-DB (basic)"))
        'raf-db-basic'
    """
    name = re.sub(r"[^a-z0-9_]+", "-", root.absolute().name.lower())[:_LONGEST].strip("-_")
    return name or "mine"


def write_root(root: Path, folder: Path) -> str:
    """Write the root as the entry needs it: below a project as it is typed there, elsewhere from the top.

    Args:
        root: The root, as it was given.
        folder: Working directory, absolute.
    """
    place = root if root.is_absolute() else folder / root
    inside = find_project(folder) == folder and place.is_relative_to(folder) and ".." not in root.parts
    return (place.relative_to(folder) if inside else Path(_normal(place))).as_posix()


def first_experiment(name: str, folds: Sequence[str] = ()) -> tuple[str, str]:
    """Write a small experiment on a data set, to see it run through: the demo's network, without guidance.

    Args:
        name: Name of the data set.
        folds: Names of its folds, of which the first one is held out.

    Returns:
        The experiment's name, and the text to paste.

    Example:
        >>> print(first_experiment("mine")[1])
        experiments:  # a small one, to see it run; `fer-au presets list` has recipes
          mine-first:
            dataset: mine
            seed: 0
            base: none
            model: {backbone: test_resnet, output_stride: 8, head: gap}
            guidance: []
    """
    own = f"{name}-first"
    model = {"backbone": "test_resnet", "output_stride": 8, "head": "gap"}
    entry = {"dataset": name, "seed": 0, "base": "none", "model": model, "guidance": []}
    if folds:
        entry["fold"] = folds[0]
    head, *lines = _write("experiments", own, entry).splitlines()
    return own, "\n".join([f"{head}  {_RECIPES}", *lines])


def _write(section: str, name: str, entry: Mapping[str, object]) -> str:
    lines = (f"    {key}: {dump_inline(value)}" for key, value in entry.items())
    return "\n".join([f"{section}:", f"  {name}:", *lines])


def _normal(path: Path) -> Path:
    """Take ``.`` and ``..`` out of a path; links stay, which may be how a lab names its disks."""
    return path.resolve() if ".." in path.parts else path


def write_entry(name: str, entry: Mapping[str, object]) -> str:
    """Write the entry below ``datasets:``, a line for each key.

    Example:
        >>> print(write_entry("mine", {"adapter": "folder", "root": "/lab/faces"}))
        datasets:
          mine:
            adapter: folder
            root: /lab/faces
    """
    return _write("datasets", name, entry)
