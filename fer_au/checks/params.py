"""The whole of ``params.yaml``: every section, every experiment, and what they name, in the order of the sections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fer_au.checks.datasets import check_align, check_datasets, check_heatmaps, check_landmarks, check_splits
from fer_au.checks.experiments import ExperimentCheck
from fer_au.checks.memory import Memory
from fer_au.checks.outputs import Outputs
from fer_au.checks.parts import find_part_fault
from fer_au.code.closure import this_code
from fer_au.config.experiments import EvaluateConfig, TrainConfig
from fer_au.config.reading import NAMED, PARAMS, SECTIONS, Fault, examine, find_top_faults, salvage
from fer_au.errors import ConfigError, ConfigProblemsError
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
        params = read_yaml(path)
    except ConfigError as error:
        return [str(error)]
    memory = Memory()
    faults = list(dict.fromkeys(_find_faults(params, memory)))
    memory.save()
    this_code().save()
    return [f"{path}: {fault}" for fault in faults]


def refuse_problems(path: Path = PARAMS) -> None:
    """Refuse a params file that has problems.

    Raises:
        ConfigProblemsError: It has; all of them, one line each.
    """
    if lines := check_params(path):
        raise ConfigProblemsError(lines)


def _find_faults(params: dict[str, Any], memory: Memory) -> Iterator[Fault]:
    yield from find_top_faults(params)
    for section in _NEEDED_BY_DVC:
        if section not in params:
            yield Fault(section, f"missing, and DVC needs it; write `{section}: {{}}`")
    params = _sound(params)
    outputs = Outputs(params)
    known, faults = check_datasets(params, outputs)
    evaluate, evaluate_faults = examine(EvaluateConfig, params["evaluate"], "evaluate")
    evaluate = evaluate or salvage(EvaluateConfig, params["evaluate"])
    experiments = ExperimentCheck(params, known, evaluate, outputs, memory)
    later = [fault for name in params["experiments"] for fault in experiments.experiment(name)]
    later += [fault for name in params["cross"] for fault in experiments.cross(name)]
    yield from faults
    yield from check_splits(params, known, experiments.wanted)
    yield from check_align(params, outputs, memory)
    yield from check_landmarks(params, known, outputs, memory)
    yield from check_heatmaps(params)
    yield from examine(TrainConfig, params["train"], "train")[1]
    yield from evaluate_faults
    cams = params["evaluate"].get("cams", ())
    for cam in cams if isinstance(cams, list) else ():
        if isinstance(cam, str) and (text := find_part_fault("fer_au.cams", cam, memory)):
            yield Fault("evaluate.cams", text)
    yield from later


def _sound(params: dict[str, Any]) -> dict[str, Any]:
    """Give all sections as mappings, and names in them as text; what is not so was reported before."""
    sections = {section: params.get(section) for section in SECTIONS}
    sound = {section: entries if isinstance(entries, dict) else {} for section, entries in sections.items()}
    for section in NAMED:
        sound[section] = {name: entry for name, entry in sound[section].items() if isinstance(name, str)}
    return sound
