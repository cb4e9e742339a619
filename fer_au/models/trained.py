"""Whether a model's folder is the one that an experiment trains: a sound folder of another one is noticed, too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fer_au.config.differences import find_differences, mapping
from fer_au.config.experiments import ExperimentConfig, TrainConfig
from fer_au.config.external import UNTRAINED
from fer_au.config.model import DEFAULT_HEAD
from fer_au.errors import DataError
from fer_au.models.config_file import CONFIG
from fer_au.models.image_sizes import BUILT_FOR
from fer_au.sealed_json import how_to_restore

_MOST_KEYS = 3
_DECIDE_NOTHING = ("group", "train")  # the settings of the training are compared as they were merged
_RESOLVED = "train.precision"  # one value may mean another, as the machine is


class Training(NamedTuple):
    """What ``params.yaml`` says of a training.

    Attributes:
        name: Name of the experiment.
        experiment: Its entry.
        train: Its training settings, merged.
    """

    name: str
    experiment: ExperimentConfig
    train: TrainConfig


def check_training(folder: Path, meta: Mapping[str, Any], expected: Training) -> None:
    """Check that a model was trained with the settings that ``params.yaml`` has now.

    Args:
        folder: The model's folder.
        meta: Its ``config.json``.
        expected: The settings.

    Raises:
        DataError: It was trained with others, or tells nothing of its training.
    """
    if not isinstance(meta.get("experiment"), Mapping):
        raise DataError(f"{folder / CONFIG}: 'experiment' is missing; was the model written by the train stage?")
    now = expected.experiment.model_dump(mode="json")
    then = {**meta["experiment"], "model": meta.get("model")}
    untrained = now["train"] == UNTRAINED
    prefix = f"experiments.{expected.name}"
    keys = find_differences(ExperimentConfig, _entry(now, then), _entry(then, now), prefix)
    if untrained != (then.get("train") == UNTRAINED):
        keys.append(f"{prefix}.train")
    if list(mapping(now["model"].get("classes"))) != list(mapping(mapping(then["model"]).get("classes"))):
        keys.append(f"{prefix}.model.classes")
    shared = expected.train.model_dump(mode="json")
    trained = [] if untrained else find_differences(TrainConfig, shared, meta.get("train"), "train")
    if keys := [*keys, *(key for key in trained if key != _RESOLVED)]:
        shown = ", ".join(keys[:_MOST_KEYS]) + (f" and {len(keys) - _MOST_KEYS} more" if keys[_MOST_KEYS:] else "")
        remedy = how_to_restore(folder, f"`dvc repro train@{expected.name}` trains it")
        raise DataError(f"{folder}: was trained with other settings than params.yaml has now ({shown}); {remedy}")


def check_training_data(
    folder: Path, meta: Mapping[str, Any], name: str, data_dir: Path, found: Mapping[str, str]
) -> None:
    """Check that a model was trained on a data set as it is now.

    Args:
        folder: The model's folder.
        meta: Its ``config.json``.
        name: Name of the experiment.
        data_dir: Folder of the data set.
        found: File of the data set -> its hash now.

    Raises:
        DataError: It was trained on another data set, or on another version.
    """
    recorded = mapping(meta.get("data"))
    if other := [file for file, digest in found.items() if recorded.get(file, digest) != digest]:
        files = " and ".join(str(data_dir / file) for file in other[:2])
        remedy = how_to_restore(data_dir / other[0], f"`dvc repro train@{name}` trains anew")
        raise DataError(f"{folder}: was trained on something else than {files}; {remedy}")


def _entry(own: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Take what an experiment says of itself, with the head that a missing one means, and without the fitted size."""
    model, its = mapping(own.get("model")), mapping(mapping(other.get("model")).get("backbone_options"))
    options = {
        key: value for key, value in mapping(model.get("backbone_options")).items() if key != BUILT_FOR or key in its
    }
    filled = {**model, "head": model.get("head") or DEFAULT_HEAD, "backbone_options": options}
    return {**{key: value for key, value in own.items() if key not in _DECIDE_NOTHING}, "model": filled}
