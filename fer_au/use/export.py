"""Export a trained model as an ONNX file, checked against torch before it takes its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_au.atomic import write_atomically
from fer_au.batches.faces import FaceDataset
from fer_au.compute import log
from fer_au.config.differences import mapping
from fer_au.errors import ConfigError, DataError
from fer_au.models.config_file import read_config
from fer_au.predictor import Predictor
from fer_au.use.graph import OPSET, ServedModel, check_packages, make_graph
from fer_au.use.notes import graph_notes, joined
from fer_au.use.quantising import CALIBRATED, Accuracy, measure, quantise
from fer_au.use.running import CHECKED, check_equal, compare

_SPLIT = "test"


@dataclass(frozen=True)
class Outcome:
    """What came of an export.

    Attributes:
        path: The file.
        size: Its bytes.
        inputs: Names of its inputs.
        differences: Largest difference from torch of each output.
        cost: Largest difference from torch of each output of the 8-bit version; empty if none was made.
        accuracy: Accuracy of both versions on a split; None if it was not measured.
    """

    path: Path
    size: int
    inputs: tuple[str, ...]
    differences: Mapping[str, float]
    cost: Mapping[str, float]
    accuracy: Accuracy | None


def export_model(folder: Path, path: Path, *, int8: bool = False, dataset: Path | None = None) -> Outcome:
    """Write a trained model as one ONNX file: bytes of crops in; logits, probabilities and attention maps out.

    Args:
        folder: Folder of the model.
        path: FILE.onnx; nothing is left there where a check fails.
        int8: Whether to bring the weights to 8 bits.
        dataset: Folder ``data/<key>`` by which an 8-bit version is scaled (split train) and scored (split test).

    Raises:
        MissingDependencyError: The packages of the extra ``export`` are not installed.
        ConfigError: Options that have no effect.
        DataError: The model or the data set can't be used, the network can't be exported, or answers otherwise.
        StoreError: The disk refuses.
    """
    if dataset is not None and not int8:
        raise ConfigError("--dataset has no effect without --int8: the float32 version answers as the model does")
    check_packages()
    predictor = Predictor.load(folder, "cpu")
    if predictor.model.scores_itself:
        raise DataError(f"{folder}: the model was made elsewhere, and is a file already")
    meta = read_config(folder)
    served = ServedModel(predictor.model, predictor.preprocess)
    splits = None if dataset is None else _splits(dataset, predictor, meta)
    notes = graph_notes(predictor.model, predictor.preprocess, meta, OPSET)
    try:
        data = make_graph(predictor, notes)
        differences = compare(data, served)
        check_equal(differences)
        cost: Mapping[str, float] = {}
        accuracy = None
        if int8:
            log(f"export: {path}: 8 bits")
            plain, data = data, quantise(data, splits and splits[0], {**notes, "int8": _way(dataset, splits)})
            cost = compare(data, served)
            accuracy = None if splits is None else measure(plain, data, splits[1])
    except DataError as error:
        raise DataError(f"{folder}: {error}") from error
    write_atomically(path, data)
    return Outcome(path, len(data), served.inputs, differences, cost, accuracy)


def _splits(dataset: Path, predictor: Predictor, meta: Mapping[str, Any]) -> tuple[FaceDataset, FaceDataset]:
    """Open the faces that scale an 8-bit version, and those that score it."""
    experiment, classes = mapping(meta.get("experiment")), predictor.model.classes
    fold = experiment.get("fold") if experiment.get("dataset") == dataset.name else None
    side, views = predictor.preprocess.image_size, predictor.model.views
    train, test = (FaceDataset(dataset, one, side, classes, fold=fold, views=views) for one in ("train", _SPLIT))
    for faces in (train, test):
        if not len(faces):
            raise DataError(f"{dataset}: split {faces.split!r} has no usable faces of the model's classes")
    return train, test


def _way(dataset: Path | None, splits: tuple[FaceDataset, FaceDataset] | None) -> str:
    if dataset is None or splits is None:
        return "dynamic: activations are scaled anew for each batch"
    return f"static: activations are scaled by {min(CALIBRATED, len(splits[0]))} training faces of {dataset.name!r}"


def outcome_lines(outcome: Outcome) -> Iterator[str]:
    """Say in words what came of an export."""
    names = joined(list(outcome.differences))
    yield f"{outcome.path}: {outcome.size / 1e6:.1f} MB, opset {OPSET}, {joined(outcome.inputs)} in, {names} out"
    yield f"float32 beside torch, {CHECKED} inputs: {_listed(outcome.differences)}"
    if outcome.cost:
        yield f"int8 beside torch, {CHECKED} inputs: {_listed(outcome.cost)}"
    if outcome.accuracy is not None:
        one = outcome.accuracy
        yield f"accuracy on {_SPLIT} ({one.faces} faces): {one.before:.4f} in float32, {one.after:.4f} in int8"


def _listed(differences: Mapping[str, float]) -> str:
    return "largest difference " + ", ".join(f"{value:.1e} ({name})" for name, value in differences.items())
