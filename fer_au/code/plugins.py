"""The code of parts that other packages add through entry points."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from fer_au.code.syntax import SyntaxMemory, iter_sources
from fer_au.fingerprints import file_digest


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


def factory_digest(factory: str, project: Path) -> str:
    """Hash the sources of the package of a user's function, and of what lies beside it and is imported by it.

    Modules beside ``params.yaml`` are found behind installed packages, as where the function is run.

    Args:
        factory: ``package.module:function``.
        project: Folder of ``params.yaml``.
    """
    memory, lines = SyntaxMemory(), []
    waiting, seen = [factory.partition(":")[0].partition(".")[0]], set()
    while waiting:
        package = waiting.pop()
        if package in seen or not package.isidentifier():
            continue
        seen.add(package)
        for path in _sources(package, project):
            try:
                syntax = memory.read(path)
            except (OSError, SyntaxError, ValueError):  # the stage that runs it says so
                lines.append(f"{path.name} {file_digest(path) if path.is_file() else ''}")
                continue
            lines.append(f"{path.name} {syntax.digest}")
            others = {module.partition(".")[0] for module, _ in syntax.imports}
            waiting += [one for one in sorted(others) if PathFinder.find_spec(one, [str(project)]) is not None]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _sources(package: str, project: Path | None = None) -> list[Path]:
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None and project is not None:
        spec = PathFinder.find_spec(package, [str(project)])
    if spec is None:
        return []
    if spec.submodule_search_locations:  # also of a package without __init__.py
        return [path for folder in spec.submodule_search_locations for path in iter_sources(Path(folder))]
    return [Path(spec.origin)] if spec.origin else []
