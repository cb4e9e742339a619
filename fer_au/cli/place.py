"""Where a command is run: the project's folder, found from below it too, and the stages that DVC runs there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fer_au.config.place import FILES, PIPELINE, find_project, refuse_elsewhere
from fer_au.config.reading import PARAMS
from fer_au.errors import ConfigError
from fer_au.yaml_files import read_yaml

_OF_THE_PROJECT = (
    "check-params",
    "report",
    "results",
    "run",
    "show",
    "upgrade",
    "probe",
    "cache",
)  # they look into the current folder, whatever they are given


def check_place(words: Sequence[str], folder: Path) -> None:
    """Check that a command of the project is run in the project's folder, and not in one below it.

    Args:
        words: Words of the command line.
        folder: Working directory.

    Raises:
        ConfigError: It is run below, and reads the project's folder or names one of its files; or there is no project.
    """
    project = find_project(folder)
    typed = [word for word in words if word != "--debug"]
    # check-params takes another file, too
    needed = typed[:1] in (["results"], ["probe"], ["show"], ["report"]) or typed == ["check-params"]
    if project is None and needed and not {"-h", "--help"} & {*words} and not (folder / PARAMS).exists():
        raise ConfigError(f"{PARAMS}: no such file; run it in a project's folder")
    if (
        project is None
        or project == folder
        or any((folder / file).exists() for file in FILES)
        or {"-h", "--help"} & {*words}
    ):
        return
    command = next((word for word in words if not word.startswith("-")), "")
    paths = [word for word in words if "/" in word or Path(word).suffix]
    elsewhere = next((path for path in paths if not (folder / path).exists() and (project / path).exists()), None)
    if command in _OF_THE_PROJECT or elsewhere:
        what = f"{elsewhere}: not in this folder" if elsewhere else f"{command}: this folder has no {PARAMS}"
        refuse_elsewhere(what, project)


_ELSEWHERE = {
    "check": "look at a data set by `fer-au check-data`, at params.yaml by `fer-au check-params`",
    "merge": "stores are merged by `fer-au store merge`",
    "info": "a store is shown by `fer-au store info`",
    "list": "presets are listed by `fer-au presets list`",
}
"""What people type for a command, and where it is."""


def stage_advice(words: Sequence[str], folder: Path) -> str:
    """Say how DVC runs a stage that was typed as a command, or what does what its name says; empty if nothing is known.

    Args:
        words: Words of the command line.
        folder: Working directory.
    """
    name, *rest = [word for word in words if not word.startswith("-")] or [""]
    project = find_project(folder)
    stages = (read_yaml(project / PIPELINE).get("stages") if project else None) or {}
    stage, at, item = name.partition("@")
    if name == "repro":
        run = " ".join(["dvc repro", *rest])
    elif stage in stages:
        repeated = isinstance(stages[stage], dict) and "foreach" in stages[stage]
        run = f"dvc repro {stage}" + (f"@{item if at else rest[0] if rest else 'NAME'}" if repeated else "")
    elif name in _ELSEWHERE:
        return f"no such command: {name}; {_ELSEWHERE[name]}"
    else:
        return ""
    where = f" in {project}" if project not in (None, folder) else ""
    return f"{name} is run by DVC: `{run}`{where}"
