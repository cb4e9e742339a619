"""Settings of ``align`` and ``landmarks``, of the sections and of data sets: their parts, and what these need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from fer_au.checks.datasets import Known, complaint
from fer_au.checks.memory import Memory
from fer_au.checks.outputs import Outputs
from fer_au.checks.parts import find_part_fault
from fer_au.config.dataset_settings import ALIGN, LANDMARKS, Overridable
from fer_au.config.reading import Fault


def check_align(params: Mapping[str, Any], outputs: Outputs, memory: Memory) -> list[Fault]:
    """Check the settings of ``align`` of all data sets, and that what their detectors need is installed."""
    question = _question(ALIGN, params)
    if memory.recall(*question):
        return []
    from fer_au.faces.operation import AlignOperation
    from fer_au.faces.settings import ALIGN_SETTINGS

    faults = [*ALIGN_SETTINGS.examine_shared(params), *_unknown_parts(ALIGN, "detector", params, memory)]
    complete = not faults
    for name in params["datasets"]:
        config, found = ALIGN_SETTINGS.examine(params, name)
        faults += found
        place = ALIGN.place(params, name, "detector")
        if config is None or any(fault.key == place for fault in faults):
            complete = False
        elif text := complaint(lambda config=config: AlignOperation.of(config).check()):  # type: ignore[misc]
            complete = False
            faults += _unless_finished(Fault(place.rpartition(".")[0], text), f"align@{name}", outputs)
    if complete:
        memory.keep(True, *question)
    return faults


def check_landmarks(
    params: Mapping[str, Any], known: Mapping[str, Known], outputs: Outputs, memory: Memory
) -> list[Fault]:
    """Check the settings of ``landmarks`` of all data sets, that what their extractors need is installed, and had."""
    faults = [*LANDMARKS.examine_shared(params), *_unknown_parts(LANDMARKS, "extractor", params, memory)]
    wrong = {fault.key for fault in faults}
    from fer_au.landmarks.extractors import EXTRACTORS, create_extractor

    for name in params["datasets"]:
        faults += LANDMARKS.examine(params, name)[1]
        place, extractor = LANDMARKS.place(params, name, "extractor"), _setting(LANDMARKS, "extractor", params, name)
        if place in wrong or not isinstance(extractor, str):
            continue
        if not memory.recall("landmarks", extractor):
            if text := complaint(partial(create_extractor, extractor)):
                faults += _unless_finished(Fault(place.rpartition(".")[0], text), f"landmarks@{name}", outputs)
            else:
                memory.keep(True, "landmarks", extractor)
        if name in known and (lacking := _lacking(known[name], EXTRACTORS.get(extractor).needs)):
            text = f"{extractor!r} needs {lacking}, and data set {name!r} has none; take dlib68 or mediapipe"
            shared = not place.startswith("datasets.") and len(params["datasets"]) > 1
            faults.append(Fault(place, f"{text}, alone for it under datasets.{name}.landmarks" if shared else text))
    return faults


def _question(section: Overridable[Any], params: Mapping[str, Any]) -> tuple[object, ...]:
    """Give all that an answer about a section rests on."""
    own = {name: dict(section.own(params, name)) for name in params["datasets"]}
    return section.section, params[section.section], own


def _unknown_parts(section: Overridable[Any], key: str, params: Mapping[str, Any], memory: Memory) -> Iterator[Fault]:
    """List the names of parts that don't exist, each where it is written."""
    usual = section.model.model_fields[key].default
    written = {f"{section.section}.{key}": params[section.section].get(key, usual)}
    for name in params["datasets"]:
        own = section.own(params, name)
        written |= {f"datasets.{name}.{section.section}.{key}": own[key]} if key in own else {}
    for place, value in written.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            if isinstance(one, str) and (text := find_part_fault(f"fer_au.{key}s", one, memory)):
                yield Fault(place, text)


def _setting(section: Overridable[Any], key: str, params: Mapping[str, Any], name: str) -> object:
    """Give a setting of a data set as it stands, also where other keys are wrong."""
    return section.merge(params, name).get(key, section.model.model_fields[key].default)


def _unless_finished(fault: Fault, stage: str, outputs: Outputs) -> list[Fault]:
    """Leave out what a stage lacks that needs nothing, because DVC has its results."""
    return [] if outputs.finished(stage) else [fault]


def _lacking(known: Known, needed: tuple[str, ...]) -> str:
    """Name what a data set can't give of some columns of annotations."""
    columns = known.outline.columns if known.outline is not None else frozenset(needed)
    return " and ".join(column for column in needed if column not in columns)
