"""The project's folder, and commands that are run elsewhere although they read its files."""

from __future__ import annotations

from pathlib import Path

from fer_au.config.reading import PARAMS
from fer_au.errors import ConfigError

PIPELINE = Path("dvc.yaml")
FILES = (PARAMS, PIPELINE)


def find_project(folder: Path) -> Path | None:
    """Find the project that a folder belongs to: the folder itself or the nearest above that has both its files.

    Args:
        folder: Folder to begin with, absolute.

    Returns:
        The folder of ``params.yaml`` and ``dvc.yaml``; None if there is none.
    """
    return next((one for one in (folder, *folder.parents) if all((one / file).is_file() for file in FILES)), None)


def refuse_elsewhere(what: str, project: Path) -> None:
    """Refuse a command that is run outside the project's folder.

    Args:
        what: What the command lacks where it is run.
        project: The project's folder.

    Raises:
        ConfigError: Always.
    """
    raise ConfigError(f"{what}; run it in the project's folder, {project}")


def check_stage_place(script: Path, folder: Path) -> None:
    """Check that a stage runs in the project's folder, or in one that has a ``params.yaml`` of its own.

    Args:
        script: The stage's script, absolute.
        folder: Working directory.

    Raises:
        ConfigError: It doesn't, and the folder lies in a project, or else the script does.
    """
    if any((folder / file).exists() for file in FILES):
        return
    own = script.parents[1]
    if project := find_project(folder) or (own if find_project(own) == own else None):
        refuse_elsewhere(f"{script.name}: this folder has no {PARAMS}", project)
