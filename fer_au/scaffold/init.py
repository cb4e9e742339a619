"""Make a lab's project folder: the DAG, its stages, a params.yaml, a README of its own, git and DVC."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from fer_au.arguments import read_path
from fer_au.atomic import write_atomically
from fer_au.config.place import find_project
from fer_au.errors import ConfigError
from fer_au.scaffold.readme import readme_text
from fer_au.scaffold.record import RECORD, record_text
from fer_au.scaffold.template import PARAMS_FILE, read_demo_params, read_template

_DVC_CONFIG = ".dvc/config"
_WITHOUT_GIT = b"    no_scm = true\n"  # below [core], the last section of the file
_TOO_MUCH_FOR_DVC = "{}"  # in paths: its templates


def init_project(folder: Path | str, params: Mapping[str, bytes] | None = None) -> list[str]:
    """Make a project in a folder, which may be new, empty, or hold other files; what is there stays.

    Args:
        folder: The project's folder.
        params: ``params.yaml`` and files beside it: name -> content; default the demo's ``params.yaml``.

    Returns:
        What was done, a line each.

    Raises:
        ConfigError: The folder can't be a project's, or a file of another content is in the way; nothing is written.
        MissingDependencyError: This installation lacks the files.
        StoreError: A file can't be written.
        ArgumentError: An argument is something else.
    """
    folder = read_path("folder", folder)
    _check_place(folder)
    template = read_template()
    git = shutil.which("git")
    if git is None:
        template[_DVC_CONFIG] += _WITHOUT_GIT
    own = params or {PARAMS_FILE: read_demo_params()}
    files = {**template, **own, "README.md": readme_text(folder.absolute().name).encode()}
    _check_free(folder, files)
    for path, content in files.items():
        write_atomically(folder / path, content)
    write_atomically(
        folder / RECORD, record_text(template)
    )  # the last: a run that was killed goes on where it is missing
    lines = [f"{folder}: {len(files) + 1} files"]
    if git is None:
        lines.append("git isn't installed: DVC runs without it (core.no_scm in .dvc/config), and nothing is versioned")
    elif not _is_in_git(git, folder):
        _run(git, "init", "--quiet", folder=folder)
        lines.append(f"{folder}: ran `git init`")
    return lines


def _check_place(folder: Path) -> None:
    """Refuse a folder that DVC can't work in, or that lies in another project.

    Raises:
        ConfigError: It is one.
    """
    place = folder.absolute()
    if set(_TOO_MUCH_FOR_DVC) & set(str(place)):
        raise ConfigError(f"{place}: DVC doesn't work below a folder whose name has {{ or }}")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: is a file; a project is a folder")
    if (project := find_project(place.parent)) is not None:
        raise ConfigError(f"{folder}: lies in the project {project}; a project has a place of its own")


def _check_free(folder: Path, files: Mapping[str, bytes]) -> None:
    """Refuse to write over what isn't ours.

    Raises:
        ConfigError: A file of another content is in the way.
    """
    if (folder / RECORD).exists():
        raise ConfigError(f"{folder}: is a project already; `fer-au upgrade` there brings it to this release")
    taken = [path for path, content in files.items() if not _is_free(folder / path, content)]
    if taken:
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise ConfigError(f"{folder / taken[0]}{more}: exists, and isn't what init would write; name another folder")


def _is_free(path: Path, content: bytes) -> bool:
    if path.is_file():
        return path.read_bytes() == content
    return not (path.exists() or path.is_symlink())


def _is_in_git(git: str, folder: Path) -> bool:
    return _run(git, "rev-parse", "--is-inside-work-tree", folder=folder, needed=False)


def _run(git: str, *words: str, folder: Path, needed: bool = True) -> bool:
    done = subprocess.run([git, *words], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if needed and done.returncode:
        line = (done.stderr or done.stdout).strip().splitlines()
        raise ConfigError(f"{folder}: `git {' '.join(words)}` failed: {line[-1] if line else done.returncode}")
    return done.returncode == 0
