"""Data sets and the stages that prepare them: roots, splits that will exist, detectors, extractors, maps."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fer_au.checks.memory import Memory
from fer_au.checks.outputs import Outputs
from fer_au.checks.parts import find_part_fault
from fer_au.config.data import AlignConfig, DatasetConfig, DemoConfig, HeatmapsConfig, LandmarksConfig
from fer_au.config.reading import Fault, examine, salvage
from fer_au.datasets.base import Outline, create_adapter, examine_dataset
from fer_au.datasets.files import check_root
from fer_au.datasets.manifest import Split
from fer_au.datasets.splits import planned_splits
from fer_au.errors import DataError, FerAuError


@dataclass(frozen=True)
class Known:
    """What is known of a data set before it is ingested.

    Attributes:
        config: Its entry.
        outline: What its layout tells; None where that can't be told, or the root is not here.
    """

    config: DatasetConfig
    outline: Outline | None

    @property
    def splits(self) -> frozenset[Split] | None:
        """Splits that ``ingest`` will make; None where that isn't known."""
        if self.outline is None:
            return None
        return planned_splits(
            self.outline.splits, valid_fraction=self.config.valid_fraction, test_fraction=self.config.test_fraction
        )


def check_datasets(params: Mapping[str, Any], outputs: Outputs) -> tuple[dict[str, Known], list[Fault]]:
    """Check the sections ``datasets`` and ``render``.

    Returns:
        What is known of each data set whose entry is right; and the faults.
    """
    known, faults = {}, []
    for name, data in params["datasets"].items():
        config, found = examine_dataset(name, data)
        if config is not None:
            outline, found = _look(name, config, str(data["root"]), outputs)
            known[name] = Known(config, outline)
        faults += found
    for name, data in params["render"].items():
        faults += examine(DemoConfig, data, f"render.{name}")[1]
    return known, faults


def _look(name: str, config: DatasetConfig, root: str, outputs: Outputs) -> tuple[Outline | None, list[Fault]]:
    key = f"datasets.{name}.root"
    if root.startswith("~"):
        return None, []  # refused by name, whatever lies there
    done = (f"ingest@{name}", f"datasets.{name}")
    # Whoever has no pictures, or may not read them, works with what others made of them.
    here = os.access(config.root, os.R_OK | os.X_OK)
    if not here and (outputs.finished(*done) or outputs.coming(config.root)):
        return None, []
    try:
        check_root(config.root)
    except (DataError, OSError) as error:
        return None, [Fault(key, _reason(error))]
    try:
        return create_adapter(config.adapter).outline(config), []
    except (DataError, OSError) as error:
        return None, [Fault(f"datasets.{name}", _reason(error))]


def _reason(error: Exception) -> str:
    """Say which file can't be read, or what is wrong with it."""
    return f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)


def check_align(params: Mapping[str, Any], outputs: Outputs, memory: Memory) -> list[Fault]:
    """Check the section ``align``, and that what its detector needs is installed."""
    config, faults = examine(AlignConfig, params["align"], "align")
    name = _name(params["align"], "detector", "dlib-hog")
    if fault := find_part_fault("fer_au.detectors", name, memory):
        return [*faults, Fault("align.detector", fault)]
    if config is None:
        return faults

    def check() -> None:
        from fer_au.faces.operation import AlignOperation

        AlignOperation.of(config).check()

    question = ("align", config.detector, config.keypoints, config.template)
    return _unless_finished("align", check, question, params, outputs, memory)


def check_landmarks(
    params: Mapping[str, Any], known: Mapping[str, Known], outputs: Outputs, memory: Memory
) -> list[Fault]:
    """Check the section ``landmarks``, that what its extractor needs is installed, and that the data sets have it."""
    _, faults = examine(LandmarksConfig, params["landmarks"], "landmarks")
    name = _name(params["landmarks"], "extractor", "dlib68")
    if fault := find_part_fault("fer_au.extractors", name, memory):
        return [*faults, Fault("landmarks.extractor", fault)]

    from fer_au.landmarks.extractors import EXTRACTORS, create_extractor

    faults += _unless_finished("landmarks", lambda: create_extractor(name), (name,), params, outputs, memory)
    for dataset, one in known.items():
        if lacking := _lacking(one, EXTRACTORS.get(name).needs):
            text = f"{name!r} needs {lacking} of every data set, and {dataset!r} has none; take dlib68 or mediapipe"
            faults.append(Fault("landmarks.extractor", text))
    return faults


def _lacking(known: Known, needed: tuple[str, ...]) -> str:
    """Name what a data set can't give of some columns of annotations."""
    columns = known.outline.columns if known.outline is not None else frozenset(needed)
    return " and ".join(column for column in needed if column not in columns)


def check_heatmaps(params: Mapping[str, Any]) -> list[Fault]:
    """Check the section ``heatmaps``: its codebook and geometry, and that one can draw the other."""
    _, faults = examine(HeatmapsConfig, params["heatmaps"], "heatmaps")
    codebook, geometry = heatmap_names(params)
    return [*faults, *check_maps("heatmaps", "au", codebook, geometry)]


def heatmap_names(params: Mapping[str, Any]) -> tuple[str, str]:
    """Name codebook and geometry of the section ``heatmaps``."""
    config = salvage(HeatmapsConfig, params["heatmaps"]) or HeatmapsConfig()
    return config.codebook, config.geometry


def check_maps(key: str, cue: str, codebook: str, geometry: str) -> list[Fault]:
    """Check that a cue can be drawn, with the codebook and geometry that stand below a key."""
    from fer_au.cues.codebook import create_codebook
    from fer_au.cues.cue import create_cue
    from fer_au.cues.geometries import create_geometry

    parts: dict[str, Callable[[], object]] = {
        f"{key}.codebook": lambda: create_codebook(codebook),
        f"{key}.geometry": lambda: create_geometry(geometry),
    }
    faults = [Fault(place, text) for place, make in parts.items() if (text := complaint(make))]
    if not faults and (text := complaint(lambda: create_cue(cue, codebook=codebook, geometry=geometry))):
        faults.append(Fault(key, text))
    return faults


def complaint(make: Callable[[], object]) -> str:
    """Say what is wrong with something that can't be made; nothing if it can."""
    try:
        make()
    except FerAuError as error:
        return str(error)
    return ""


def _unless_finished(
    stage: str,
    check: Callable[[], object],
    question: tuple[object, ...],
    params: Mapping[str, Any],
    outputs: Outputs,
    memory: Memory,
) -> list[Fault]:
    """Check what a stage needs to run, once; it needs nothing where DVC has its results."""
    if memory.recall(stage, *question):
        return []
    if not (text := complaint(check)):
        memory.keep(True, stage, *question)
    elif not all(outputs.finished(f"{stage}@{name}", stage) for name in params["datasets"]):
        return [Fault(stage, text)]
    return []


def check_splits(
    params: Mapping[str, Any], known: Mapping[str, Known], wanted: Mapping[tuple[str, Split], list[str]]
) -> Iterator[Fault]:
    """Check that splits will exist.

    Args:
        params: The whole of ``params.yaml``.
        known: What is known of the data sets.
        wanted: Data set and split -> what needs it, for messages.
    """
    for (name, split), users in wanted.items():
        splits = known[name].splits if name in known else None
        if splits is None or split in splits:
            continue
        more = f" and {len(users) - 3} more" if len(users) > 3 else ""
        yield Fault(
            f"datasets.{name}",
            f"no face will be in split {split!r}, which {', '.join(users[:3])}{more} need; {_remedy(split, splits)}",
        )


def _remedy(split: Split, splits: frozenset[Split]) -> str:
    if split == "train" or "train" not in splits:
        return "give it a part to train on"
    if split == "test":
        return "set test_fraction: 0.2, or evaluate.split to one that it has"
    return "set valid_fraction: 0.1, or train.select_on: test to repeat a paper's protocol"


def _name(section: Mapping[str, Any], key: str, usual: str) -> str:
    """A name of a section as it stands, also where other keys are wrong."""
    value = section.get(key, usual)
    return value if isinstance(value, str) else usual
