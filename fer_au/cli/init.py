"""``fer-au init`` and ``fer-au upgrade``: a lab's own project folder."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from fer_au.config.reading import PARAMS
from fer_au.errors import ConfigError
from fer_au.terminal import counted

_ANY = "folder"  # a preset's adapter that stands for any other
_KEPT = ("valid_fraction", "test_fraction", "seed")  # of a preset's entry, whatever adapter reads the set


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the project: new, or without such files.")],
    preset: Annotated[
        str | None, typer.Option("--from-preset", metavar="NAME", help="A preset, or the path of your own.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]ROOT",
            help="Folder of your pictures, looked at as check-data does; NAME where the preset has several sets.",
        ),
    ] = None,
) -> None:
    """Make a project: dvc.yaml, stages, params.yaml, a README of its own, git and DVC.

    Without options, it is the demo's. With --data alone, params.yaml is the preset `first-look` on your pictures.
    """
    from fer_au.scaffold.init import init_project
    from fer_au.scaffold.params import FIRST_LOOK, preset_params

    params: dict[str, bytes] | None = None
    lines: list[str] = []
    if preset is not None or data:
        name = preset or FIRST_LOOK
        entries, lines = _look(name, data or [])
        params = preset_params(name, entries, _command(folder, preset, data or []))
    for line in [*init_project(folder, params), *lines, "next:", *_next_steps(folder, params)]:
        typer.echo(line)


def upgrade(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")] = False,
) -> None:
    """Bring dvc.yaml and the stages of this project to the installed release, and say what runs again and why.

    Files that you edited stay; the release's version is written beside them, as FILE.new. params.yaml is yours.
    """
    from fer_au.scaffold.upgrade import NEW, upgrade_project

    done = upgrade_project(write=not dry_run)
    typer.echo(f"fer_au {done.before} -> {done.after}{', nothing is written' if dry_run else ''}")
    words = {
        "renewed": done.replaced,
        "added": done.added,
        "removed": done.removed,
        f"edited by you, and kept; compare with FILE{NEW}": done.kept,
    }
    for what, files in words.items():
        if files:
            typer.echo(f"{what}: {', '.join(files)}")
    if not any(words.values()):
        typer.echo("all files are this release's")
    for stage, why in done.reruns.items():
        typer.echo(f"`dvc repro` runs {stage}: {why}")
    if not done.reruns:
        typer.echo("`dvc repro` runs nothing again because of this release's code")


def _look(preset: str, data: Sequence[str]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Look at the folders of pictures: the entries of the preset's data sets, and what is to be told.

    Raises:
        ConfigError: A folder can't be assigned to a data set of the preset.
        DataError: A folder can't be used.
    """
    from fer_au.scaffold.params import FIRST_LOOK, preset_datasets

    own = preset_datasets(preset)
    entries: dict[str, dict[str, Any]] = {}
    lines = []
    for word in data:
        name, root = _part(word, own, preset)
        if name in entries:
            raise ConfigError(f"--data: {name} is given twice")
        entries[name], told = _entry(name, Path(root), own[name], framed=preset == FIRST_LOOK)
        lines += told
    return entries, lines


def _part(word: str, own: Mapping[str, object], preset: str) -> tuple[str, str]:
    """Part ``NAME=ROOT``; the name may be absent where the preset has one data set."""
    name, equals, root = word.partition("=")
    if equals and name in own:
        return name, root
    if len(own) == 1:
        return next(iter(own)), word
    names = ", ".join(own) or "none"
    raise ConfigError(f"--data {word}: preset {preset} has the data sets {names}: say which, as --data NAME=ROOT")


def _entry(name: str, root: Path, own: Mapping[str, Any], *, framed: bool) -> tuple[dict[str, Any], list[str]]:
    """Make the entry of a data set by a look at its folder; what the preset says of the same adapter holds.

    Args:
        name: Name of the data set in the preset.
        root: The folder.
        own: The preset's entry.
        framed: Whether the faces' frame is measured, too: other presets have one that belongs to their weights.

    Returns:
        The entry, and what is to be told.

    Raises:
        DataError: The folder can't be used; the line says why.
    """
    from fer_au.data_check.gather import check_folder, recognise
    from fer_au.data_check.page import problem_line
    from fer_au.errors import DataError

    fits = recognise(root, {})
    same = next((fit for fit in fits if fit.adapter == own["adapter"] and not fit.fault), None)
    kept = {key: value for key, value in own.items() if key not in ("adapter", "root") and (same or key in _KEPT)}
    fit = same or fits[0]
    fit = replace(fit, settings={**fit.settings, **kept})
    check = check_folder(
        root, (fit,), framing="quick" if framed else "none", keep=lambda rejects: f"`fer-au check-data {root}`"
    )
    if check.errors:
        raise DataError(check.errors[0])
    faces = sum(sum(labels.values()) for labels in check.counts.faces.values()) if check.counts else 0
    lines = [f"{name}: {root}, read by adapter {fit.adapter}: {counted(faces, 'face')}"]
    if same is None and own["adapter"] != _ANY:
        lines.append(f"{name}: the preset expects adapter {own['adapter']}, which doesn't read this folder")
    if check.problems:
        lines += [f"{name}: {problem_line(problem)}" for problem in check.problems]
        lines.append(f"{name}: examples, and all that was guessed: fer-au check-data {shlex.quote(str(root))}")
    return {**check.entry, "root": str(root.absolute())}, lines


def _command(folder: Path, preset: str | None, data: Sequence[str]) -> str:
    options = ["--from-preset", preset] if preset is not None else []
    return shlex.join(["fer-au", "init", folder.name, *options, *(word for root in data for word in ("--data", root))])


def _next_steps(folder: Path, params: Mapping[str, bytes] | None) -> list[str]:
    """Say what to do next; a preset's own steps, such as roots to edit, where there is one."""
    from fer_au.presets.needs import next_steps

    enter = f"cd {shlex.quote(str(folder))}"
    if params is None:
        return [
            f"1. {enter}",
            "2. dvc repro    # the demo: about six minutes on two cores; then open report/index.html",
        ]
    return next_steps(folder / PARAMS)
