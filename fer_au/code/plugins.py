"""The code of parts that other packages add through entry points."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from fer_au.code.syntax import SyntaxMemory, iter_sources


@cache
def plugin_digest(group: str, name: str) -> str:
    """Name a third party's part by its entry point and a hash of its whole top-level package.

    The package is found and not imported.

    Args:
        group: Entry-point group of the kind of part, such as ``fer_au.heads``.
        name: The part's name.

    Returns:
        The text; ``""`` if no installed package has that part, which is for the stage to report.
    """
    points = list(entry_points(group=group, name=name))
    return f"{points[0].value} {package_digest(points[0].module.partition('.')[0])}" if points else ""


@cache
def package_digest(package: str) -> str:
    """Hash the sources of an installed package, or of a module that stands alone; 64 hexadecimal digits.

    Args:
        package: Its top-level name.
    """
    memory = SyntaxMemory()
    lines = [f"{path.name} {memory.read(path).digest}" for path in _sources(package)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _sources(package: str) -> list[Path]:
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    if spec.submodule_search_locations:  # also of a package without __init__.py
        return [path for folder in spec.submodule_search_locations for path in iter_sources(Path(folder))]
    return [Path(spec.origin)] if spec.origin else []
