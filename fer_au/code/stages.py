"""Hash the code of every stage, per data set or experiment: ``stages/stamp.json``, which DVC takes as parameters.

DVC reruns a stage when one of its parameters changed. Each stage names its own entry of ``stages/stamp.json``: a hash
over the syntax of the modules that its script loads, and of the parts (head, cue, loss, detector, ...) that its section
of ``params.yaml`` names. So an edit of code reruns the stages that use that code, an edit of words reruns nothing, and
a new part reruns no experiment that uses another. Files that a section names count by their bytes, and so do the
published numbers that the report shows, present or absent. The stage ``stamp`` runs first in every ``dvc repro`` and
writes the file. The hash also covers settings that DVC's run cache overlooks, such as ``heatmaps.size``: an edit of
one would bring back outputs of the other size. Of stages whose settings DVC takes from the stamp itself
(``fer_au/config/dataset_settings.py``) it covers all, so that a stage notices an edit that DVC has not seen.

Lists of modules among the stages' dependencies, which do the same, were 390 lines of ``dvc.yaml``, made ``dvc.lock``
four times as long, and counted every comment.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fer_au.code.closure import PART_FOLDERS, CodeBase, this_code
from fer_au.code.plugins import factory_digest, plugin_digest
from fer_au.config.data import DEFAULT_DETECTOR
from fer_au.config.dataset_settings import OVERRIDABLE, STAGES, stage_settings
from fer_au.config.external import EXTERNAL, FILES, is_file
from fer_au.config.model import NAMED_WEIGHTS
from fer_au.config.pipeline import read_taken_keys
from fer_au.config.reading import PARAMS, read_params
from fer_au.errors import ConfigError
from fer_au.fingerprints import file_digest

STAMP = Path("stages/stamp.json")
_DIGITS = 32  # of a hash in the stamp: short lines in dvc.lock
OVERLOOKED = ("size", "nfiles")
"""Keys that DVC takes for numbers of files: two runs that differ in them alone are one to its run cache."""

Part = tuple[str, str]
"""Entry-point group of a registry, and a name in it."""


def stage_code(stage: str, name: str | None = None, params: Path = PARAMS) -> str:
    """Hash the code that a stage runs for a data set or an experiment.

    Args:
        stage: Name of the stage and of its script.
        name: Data set, experiment or cross entry; None for stages that have none.
        params: The params file, whose directory is the project.

    Raises:
        ConfigError: The params file or dvc.yaml can't be read, or the stage has no script.
    """
    return _Hasher(params).hash(stage, name, read_params(params))


def stamp(settings: Mapping[str, Any], params: Path = PARAMS) -> dict[str, str | dict[str, str]]:
    """Hash the code of all stages: stage -> hash, or name -> hash for stages that are repeated.

    Args:
        settings: The whole of ``params.yaml``.
        params: The file, whose directory is the project.

    Raises:
        ConfigError: dvc.yaml can't be read, or a stage has no script.
    """
    hasher = _Hasher(params)
    found: dict[str, str | dict[str, str]] = {stage: hasher.hash(stage, None, settings) for stage in _ALONE}
    for stage, (section, _) in _REPEATED.items():
        entries = settings.get(section) or {}
        found[stage] = {name: hasher.hash(stage, name, settings) for name in entries}
    this_code().save()
    return found


def stage_files(stage: str, name: str | None = None, params: Path = PARAMS) -> set[Path]:
    """List the package's files that a stage may load for a data set or an experiment; arguments of ``stage_code``."""
    parts = _parts_of(stage, name, read_params(params))
    return _code_of(this_code(), _script(params, stage), params.resolve().parent, parts)[0]


def work_code(work: str, entry: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """Hash the code of a training or an evaluation by its parts, whoever starts it and under whatever name.

    Args:
        work: ``train`` or ``evaluate``.
        entry: The experiment: keys ``model`` and ``guidance`` as in ``params.yaml``.
        settings: Sections ``heatmaps`` and ``evaluate``, as far as they name parts.

    Returns:
        64 hexadecimal digits.
    """
    code = this_code()
    _, parts = _REPEATED[work]
    start = code.file(_WORK[work])
    files, lines = _code_of(code, start, Path.cwd(), list(parts(entry, settings)))
    return hashlib.sha256("\n".join([code.digest(files), *lines]).encode()).hexdigest()


class _Hasher:
    """Hashes stages of a project.

    Args:
        params: Its params file.

    Raises:
        ConfigError: Its dvc.yaml can't be read.
    """

    def __init__(self, params: Path) -> None:
        self._params, self._project = params, params.resolve().parent
        self._taken = read_taken_keys(self._project / "dvc.yaml")

    def hash(self, stage: str, name: str | None, settings: Mapping[str, Any]) -> str:
        """Hash the code that a stage runs for a name, and the settings it takes that DVC overlooks."""
        code, parts = this_code(), _parts_of(stage, name, settings)
        files, lines = _code_of(code, _script(self._params, stage), self._project, parts)
        if stage in STAGES and name is not None:
            lines.append(json.dumps(stage_settings(settings, stage, name), sort_keys=True, default=str))
        else:
            lines += _overlooked(settings if name is None else self._settings_of(stage, name, settings))
        return hashlib.sha256("\n".join([code.digest(files), *lines]).encode()).hexdigest()[:_DIGITS]

    def _settings_of(self, stage: str, name: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give what a stage takes of params.yaml, as its entry in dvc.yaml says."""
        taken: dict[str, Any] = {}
        for key in self._taken.get(stage, ()):
            section, _, own = key.partition(".")
            value = settings.get(section)
            taken["entry" if own else section] = _mapping(value).get(name) if own else value
        return taken


def _overlooked(value: object, path: str = "") -> list[str]:
    """Write the settings, at any depth, that DVC doesn't compare when it looks for an earlier run."""
    inside = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    lines = []
    for key, item in inside:
        place = f"{path}.{key}"
        lines += [f"{place} = {item!r}"] if key in OVERLOOKED else _overlooked(item, place)
    return lines


def _script(params: Path, stage: str) -> Path:
    script = params.resolve().parent / "stages" / f"{stage}.py"
    if not script.is_file():
        raise ConfigError(f"{script}: no such file; a stage's script has its name")
    return script


def _code_of(code: CodeBase, start: Path, project: Path, parts: list[Part]) -> tuple[set[Path], list[str]]:
    """Give the files of the package behind a source file, and a line for each part and for what lies elsewhere."""
    files, lines = set(code.closure(start)), []
    for group, name in sorted(set(parts)):
        if group == _FACTORY:
            lines.append(f"{name} {factory_digest(name, project)}")
        elif group == _CLASSES:
            lines.append(f"classes {name}")  # their order, which DVC passes over
        elif group in (_FILE, "fer_au.codebooks") and _is_path(name):
            lines.append(f"{name} {_bytes_digest(project, name)}")
        elif group != _FILE:
            own = _built_in(code, group, name)
            files |= own
            lines.append(f"{group} {name} {'' if own else plugin_digest(group, name)}")
    return files, lines


def _built_in(code: CodeBase, group: str, name: str) -> set[Path]:
    """List the files of a built-in part; none for other names."""
    if (module := code.registries.get(group, {}).get(name)) is not None:
        return set(code.closure(code.file(module)))
    if group in PART_FOLDERS:
        folder, suffix = PART_FOLDERS[group]
        path = code.folder / folder / f"{name}{suffix}"
        return {path} if path.is_file() else set()
    return set()


def _is_path(name: str) -> bool:
    return "/" in name or name.endswith((".yaml", ".yml", *FILES))


def _bytes_digest(project: Path, name: str) -> str:
    """Hash a file that params.yaml names; a missing one is the stage's to report."""
    path = project / os.path.expanduser(name)  # noqa: PTH111 (Path's raises where there is no such user)
    return file_digest(path) if path.is_file() else "absent"


# Which parts the sections of params.yaml name. The sections are read as they stand: a fault in them is reported by the
# stage itself.
_FILE, _FACTORY, _CLASSES = "file", "factory", "classes"


def _no_parts(entry: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[Part]:
    yield from ()


def _ingest_parts(entry: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[Part]:
    yield "fer_au.adapters", str(entry.get("adapter"))
    for one in _mapping(entry.get("sets")).values():  # of a union
        yield "fer_au.adapters", str(_mapping(one).get("adapter"))


def _align_parts(entry: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[Part]:
    detectors = _lain_over(params, "align", entry).get("detector", DEFAULT_DETECTOR)
    for name in detectors if isinstance(detectors, list) else [detectors]:
        yield "fer_au.detectors", str(name)


def _landmarks_parts(entry: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[Part]:
    yield "fer_au.extractors", str(_lain_over(params, "landmarks", entry).get("extractor", "dlib68"))
    yield from _align_parts(entry, params)  # a detector says whether its boxes can be trusted


def _heatmaps_parts(entry: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[Part]:
    section = _mapping(params.get("heatmaps"))
    yield "fer_au.cues", "au"
    yield "fer_au.codebooks", str(section.get("codebook", "corrected"))
    yield "fer_au.geometries", str(section.get("geometry", "corrected"))


def _train_parts(entry: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[Part]:
    yield from _model_parts(_mapping(entry.get("model")))
    terms = entry.get("guidance")
    for term in map(_mapping, terms if isinstance(terms, list) else []):
        section = _mapping(params.get("heatmaps"))
        yield "fer_au.cues", str(term.get("cue", "au"))
        yield "fer_au.losses", str(term.get("loss", "cosine"))
        for group, key in (("fer_au.codebooks", "codebook"), ("fer_au.geometries", "geometry")):
            yield group, str(term.get(key) or section.get(key, "corrected"))


def _evaluate_parts(entry: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[Part]:
    yield from _model_parts(_mapping(entry.get("model")))
    section = _mapping(params.get("heatmaps"))
    yield "fer_au.geometries", str(section.get("geometry", "corrected"))
    cams = _mapping(params.get("evaluate")).get("cams", ["native", "gradcam", "layercam"])
    for cam in cams if isinstance(cams, list) else []:
        yield "fer_au.cams", str(cam).partition("@")[0]


def _cross_parts(entry: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[Part]:
    experiments = _mapping(params.get("experiments"))
    yield from _evaluate_parts(_mapping(experiments.get(str(entry.get("experiment")))), params)


def _model_parts(model: Mapping[str, Any]) -> Iterator[Part]:
    if model.get("backbone") == EXTERNAL:
        factory = str(model.get("factory"))
        yield (_FILE if is_file(factory) else _FACTORY), factory
        yield _CLASSES, json.dumps(list(_mapping(model.get("classes"))), default=str)
        return
    yield "fer_au.nets", str(model.get("backbone"))
    yield "fer_au.heads", str(model.get("head") or "gap")
    weights = str(model.get("weights", "none"))
    if weights not in NAMED_WEIGHTS:
        yield _FILE, weights


_Parts = Callable[[Mapping[str, Any], Mapping[str, Any]], Iterator[Part]]

_WORK = {"train": "fer_au.training.stage", "evaluate": "fer_au.evaluation.stage"}
_ALONE = ("report",)
_REPEATED: dict[str, tuple[str, _Parts]] = {
    "render": ("render", _no_parts),
    "ingest": ("datasets", _ingest_parts),
    "align": ("datasets", _align_parts),
    "landmarks": ("datasets", _landmarks_parts),
    "heatmaps": ("datasets", _heatmaps_parts),
    "train": ("experiments", _train_parts),
    "evaluate": ("experiments", _evaluate_parts),
    "cross": ("cross", _cross_parts),
}


def _parts_of(stage: str, name: str | None, params: Mapping[str, Any]) -> list[Part]:
    if stage == "report":  # it compares the settings of all data sets with those of the results, as their adapters do
        from fer_au.config.published import published_path  # here: stages that take no published numbers don't load it

        datasets = _mapping(params.get("datasets")).values()
        # DVC can't depend on a file that may be missing, so the published numbers count here.
        published = (_FILE, str(published_path()))
        return [published, *(part for entry in datasets for part in _ingest_parts(_mapping(entry), params))]
    if name is None or stage not in _REPEATED:
        return []
    section, parts = _REPEATED[stage]
    return list(parts(_mapping(_mapping(params.get(section)).get(name)), params))


def _lain_over(params: Mapping[str, Any], section: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    return OVERRIDABLE[section].merge({**params, "datasets": {"own": entry}}, "own")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
