"""Bring a project's files to the installed release, keep what the lab edited, and say what will run again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fer_au.atomic import write_atomically
from fer_au.code.closure import PACKAGE
from fer_au.code.stages import stamp
from fer_au.config.lock import LOCK, Lock, read_lock
from fer_au.config.reading import PARAMS, read_params
from fer_au.errors import ConfigError
from fer_au.scaffold.record import RECORD, Record, content_hash, read_record, record_text
from fer_au.scaffold.template import read_template
from fer_au.version import __version__

NEW = ".new"
"""Suffix of the release's version of a file that the lab has edited."""


@dataclass
class Upgrade:
    """What an upgrade does to a project's files.

    Attributes:
        before: Release that made the project, or brought it to where it is.
        after: Release that is installed.
        replaced: Files that are renewed.
        added: Files that the old release didn't have.
        removed: Files that the new release no longer has, and that were as the old one had written them.
        kept: Files that the lab has edited: they stay, and the release's version is written beside them as ``FILE.new``
            where it has changed.
        reruns: Stage of DVC -> why the next ``dvc repro`` runs it.
    """

    before: str
    after: str
    replaced: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    reruns: dict[str, str] = field(default_factory=dict)


def upgrade_project(project: Path = Path(), *, write: bool = True) -> Upgrade:
    """Bring a project's files to this release.

    Args:
        project: The project's folder.
        write: Whether files are written; else it is only told what would be done.

    Raises:
        ConfigError: The folder is no project of ``fer-au init``, or its settings can't be read.
        MissingDependencyError: This installation lacks the files.
        StoreError: A file can't be written.
    """
    if (project / PACKAGE).is_dir():
        raise ConfigError(f"{project.absolute()}: has a {PACKAGE} of its own, and is upgraded by git")
    record, template = read_record(project), read_template()
    done = Upgrade(record.release, __version__)
    for path, content in template.items():
        _renew(project, path, content, record, done, write=write)
    for path in record.files.keys() - template.keys():
        _drop(project, path, record, done, write=write)
    if write:
        write_atomically(project / RECORD, record_text(template))
    if write:
        done.reruns = find_reruns(project)
    else:
        with TemporaryDirectory() as folder:
            done.reruns = find_reruns(_lay_out(project, template, Path(folder)))
    return done


def _renew(project: Path, path: str, content: bytes, record: Record, done: Upgrade, *, write: bool) -> None:
    """Bring one file to its new content, where it is as the old release wrote it."""
    place = project / path
    digest = content_hash(place.read_bytes()) if place.is_file() else None
    if digest == content_hash(content):
        return
    if digest is None and path not in record.files:
        done.added.append(path)
    elif digest == record.files.get(path):
        done.replaced.append(path)
    else:  # edited, or deleted on purpose
        done.kept.append(path)
        if content_hash(content) == record.files.get(path) or digest is None:
            return
        place = place.with_name(f"{place.name}{NEW}")
    if write:
        write_atomically(place, content)


def _drop(project: Path, path: str, record: Record, done: Upgrade, *, write: bool) -> None:
    place = project / path
    if not place.is_file():
        return
    if content_hash(place.read_bytes()) != record.files[path]:
        done.kept.append(path)
        return
    done.removed.append(path)
    if write:
        place.unlink()


def _lay_out(project: Path, template: Mapping[str, bytes], folder: Path) -> Path:
    """Lay out a project as it would be after an upgrade: its own settings and files, and the stages of the release."""
    for path in project.absolute().iterdir():
        if path.name not in (PARAMS.name, "stages"):
            (folder / path.name).symlink_to(path)
    write_atomically(folder / PARAMS, (project / PARAMS).read_bytes())
    for name, content in template.items():
        if name.startswith("stages/"):
            write_atomically(folder / name, content)
    return folder


def find_reruns(project: Path) -> dict[str, str]:
    """Say which stages the next ``dvc repro`` will run again because of code, and which because of those.

    Stages that never ran are left out, and so are edits of ``params.yaml`` and of pictures, which DVC sees itself.

    Args:
        project: The project's folder.

    Returns:
        Name of a stage, such as ``train@au`` -> why, in the order of ``dvc.lock``.

    Raises:
        ConfigError: Its settings can't be read.
    """
    if not (project / LOCK).is_file():
        return {}
    lock, params = read_lock(project / LOCK), project / PARAMS
    now = _flat(stamp(read_params(params), params))
    reasons: dict[str, str] = {}
    for name, stage in lock.stages.items():
        changed = [key for key, value in stage.stamped.items() if key in now and now[key] != value]
        if changed:
            reasons[name] = "its code has changed"
    waiting = list(reasons)
    while waiting:
        maker = waiting.pop(0)
        for name in _followers(lock, maker):
            if name not in reasons:
                reasons[name] = f"{maker} runs again, and may give another result"
                waiting.append(name)
    return {name: reasons[name] for name in lock.stages if name in reasons}


def _flat(stamped: Mapping[str, Any]) -> dict[str, Any]:
    """Write nested entries with dots, as DVC names parameters."""
    flat: dict[str, Any] = {}
    for stage, entry in stamped.items():
        if isinstance(entry, Mapping):
            flat |= {f"{stage}.{name}": value for name, value in entry.items()}
        else:
            flat[stage] = entry
    return flat


def _followers(lock: Lock, maker: str) -> Iterator[str]:
    """List the stages that read an output of a stage, or a folder that holds one."""
    outs = [Path(out) for out in lock.stages[maker].outs]
    for name, stage in lock.stages.items():
        deps = [Path(dep) for dep in stage.deps]
        if any(out.is_relative_to(dep) or dep.is_relative_to(out) for out in outs for dep in deps):
            yield name
