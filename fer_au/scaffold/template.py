"""The files that all projects have alike: the DAG, its stages, and what keeps artefacts out of git.

``MANIFEST.in`` lists them. In a clone of this repository, which is such a project itself, they are its own; a wheel
carries copies, which ``setup.py`` lays into ``fer_au/project_files`` when it is built.
"""

from __future__ import annotations

from pathlib import Path

from fer_au.code.closure import PACKAGE_FOLDER, TEMPLATE_FOLDER
from fer_au.errors import MissingDependencyError

PARAMS_FILE = "params.yaml"
_LIST = "MANIFEST.in"


def read_template() -> dict[str, bytes]:
    """Read the files that ``init`` writes and ``upgrade`` renews: path below the project -> content, sorted.

    Raises:
        MissingDependencyError: This installation lacks them.
    """
    return {path: content for path, content in _read_all().items() if path != PARAMS_FILE}


def read_demo_params() -> bytes:
    """Read the ``params.yaml`` of the demo.

    Raises:
        MissingDependencyError: This installation lacks it.
    """
    return _read_all()[PARAMS_FILE]


def _read_all() -> dict[str, bytes]:
    folder, patterns = _find()
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    paths = sorted(path for path in found if path.suffix != ".pyc")  # which pip lays beside scripts
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _find() -> tuple[Path, list[str]]:
    """Find the folder of the files, and the patterns that they match: of a wheel, or else of the repository."""
    copies, repository = PACKAGE_FOLDER / TEMPLATE_FOLDER, PACKAGE_FOLDER.parent
    if copies.is_dir():
        return copies, ["**/*"]
    if (repository / _LIST).is_file() and (repository / PARAMS_FILE).is_file():
        lines = (repository / _LIST).read_text(encoding="utf-8").splitlines()
        return repository, [line.split()[1] for line in lines]
    raise MissingDependencyError(
        f"{PACKAGE_FOLDER}: this installation lacks {TEMPLATE_FOLDER}, the files of a new project; install fer-au by "
        "pip, from a wheel or a clone"
    )
