"""The whole of ``params.yaml``: every section, every experiment, and what they name, in the order of the sections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fer_au.checks.context import check_context
from fer_au.checks.datasets import check_datasets, check_heatmaps, check_splits
from fer_au.checks.environment import find_environment_faults
from fer_au.checks.experiments import ExperimentCheck
from fer_au.checks.memory import Memory
from fer_au.checks.outputs import Outputs
from fer_au.checks.parts import find_part_fault
from fer_au.checks.preparation import check_align, check_landmarks
from fer_au.code.closure import this_code
from fer_au.compute import log
from fer_au.config.entries import examine_train
from fer_au.config.experiments import EvaluateConfig
from fer_au.config.reading import NAMED, PARAMS, SECTIONS, Fault, as_meant, examine, find_top_faults, salvage
from fer_au.errors import ConfigError, ConfigProblemsError
from fer_au.results.changes import shorten
from fer_au.yaml_files import read_yaml

# Sections that dvc.yaml gives no default for; stages alone would take theirs.
_NEEDED_BY_DVC = tuple(section for section in SECTIONS if section not in ("render", "cross"))


def check_params(path: Path = PARAMS) -> list[str]:
    """Look for all that would stop a stage, without running one.

    Names in the file are looked up from the working directory, as the stages do.

    Args:
        path: The params file.

    Returns:
        One line for each problem: file, key, what is wrong, and a remedy. Empty if there is none.
    """
    try:
        refuse_problems(path)
    except ConfigProblemsError as error:
        return list(error.lines)
    except ConfigError as error:
        return [str(error)]
    return []


def refuse_problems(path: Path = PARAMS) -> dict[str, Any]:
    """Read a params file, and refuse one that has problems; what should be known besides is logged.

    Returns:
        The file as plain data.

    Raises:
        ConfigError: It can't be read.
        ConfigProblemsError: It has problems, or an environment variable has; all of them, one line each.
    """
    params = read_yaml(path)
    memory = Memory()
    faults = list(dict.fromkeys(_find_faults(params, memory)))
    memory.save()
    this_code().save()
    problems = [f"{path}: {fault}" for fault in _together([fault for fault in faults if fault.stops])]
    if problems := [*problems, *find_environment_faults()]:
        raise ConfigProblemsError(problems)
    for fault in _together(faults):
        log(f"{path}: {fault}")
    return params


def _together(faults: Sequence[Fault]) -> list[Fault]:
    """Say what is wrong in the same way in several entries of a section once, with the names of the others."""
    entries: dict[tuple[str, str, str], list[str]] = {}
    for fault in faults:
        section, name, inside = _parts(fault.key)
        entries.setdefault((section, inside, fault.text), []).append(name)
    said = []
    for fault in faults:
        section, name, inside = _parts(fault.key)
        first, *others = entries[section, inside, fault.text]
        if name == first:
            more = f" (the same in {len(others)} more: {shorten(others)})" if others else ""
            said.append(replace(fault, text=f"{fault.text}{more}"))
    return said


def _parts(key: str) -> tuple[str, str, str]:
    """Divide a key into the section, the name of the entry and the key inside; other keys have no name."""
    section, _, rest = key.partition(".")
    name, _, inside = rest.partition(".")
    return (section, name, inside) if section in NAMED and name else (key, "", "")


def _find_faults(params: dict[str, Any], memory: Memory) -> Iterator[Fault]:
    yield from find_top_faults(params)
    params = as_meant(params)
    for section in _NEEDED_BY_DVC:
        if section not in params:
            yield Fault(section, f"missing, and DVC needs it; write `{section}: {{}}`")
    params = _sound(params)
    outputs = Outputs(params)
    known, faults = check_datasets(params, outputs)
    evaluate, evaluate_faults = examine(EvaluateConfig, params["evaluate"], "evaluate")
    evaluate = evaluate or salvage(EvaluateConfig, params["evaluate"])
    asked = None if any(fault.key == "evaluate.split" for fault in evaluate_faults) else evaluate
    experiments = ExperimentCheck(params, known, asked, outputs, memory)
    later = [fault for name in params["experiments"] for fault in experiments.experiment(name)]
    later += [fault for name in params["cross"] for fault in experiments.cross(name)]
    yield from faults
    yield from check_splits(params, known, outputs, experiments.wanted)
    yield from check_align(params, outputs, memory)
    yield from check_context(params, memory)
    yield from check_landmarks(params, known, outputs, memory)
    yield from check_heatmaps(params)
    yield from examine_train(params)
    yield from evaluate_faults
    cams = params["evaluate"].get("cams", ())
    for cam in cams if isinstance(cams, list) else ():
        if isinstance(cam, str) and (text := find_part_fault("fer_au.cams", cam.partition("@")[0], memory)):
            yield Fault("evaluate.cams", text)
    yield from experiments.lacking.faults(evaluate.on_missing_cam if evaluate else "fail")
    yield from later


def _sound(params: dict[str, Any]) -> dict[str, Any]:
    """Give all sections as mappings, and names in them as text; what is not so was reported before."""
    sections = {section: params.get(section) for section in SECTIONS}
    sound = {section: entries if isinstance(entries, dict) else {} for section, entries in sections.items()}
    for section in NAMED:
        sound[section] = {name: entry for name, entry in sound[section].items() if isinstance(name, str)}
    return sound
