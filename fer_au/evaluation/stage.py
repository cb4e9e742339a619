"""Score one trained model on one split: ``metrics/<exp>.json``, its detail file, and ``evaluation/<exp>.h5``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fer_au.batches.faces import FaceDataset
from fer_au.batches.loading import BatchLoader
from fer_au.batches.preprocess import Preprocessing
from fer_au.cam import list_cams
from fer_au.code.software import library_releases
from fer_au.code.stages import work_code
from fer_au.compute import Progress, log
from fer_au.config.experiments import EvaluateConfig
from fer_au.errors import ConfigError, DataError
from fer_au.evaluation.baselines import through_grid
from fer_au.evaluation.inference import Outputs, SplitRunner, count_passes
from fer_au.evaluation.map_scores import FloatArray
from fer_au.evaluation.metrics_file import Metric, environment_metrics, read_metrics, write_metrics
from fer_au.evaluation.metrics_file import detail_path as default_detail_path
from fer_au.evaluation.scores import (
    Scores,
    attention_scores,
    class_metrics,
    classification_metrics,
    comparison_maps,
    floor_scores,
    macro,
    map_agreement,
    moved_scores,
    reference_maps,
)
from fer_au.evaluation.truth import Truth, read_truth
from fer_au.fingerprints import file_digest
from fer_au.models import load_model
from fer_au.registry import near_names
from fer_au.shards.finished import FinishedWork
from fer_au.stores import Store, fingerprint, write_store
from fer_au.stores.columns import encode_ids

_VERSION = 3  # counts changes of the figures that the evaluation computes


@dataclass(frozen=True)
class _Report:
    """Content of the files."""

    metrics: dict[str, float | int | str]
    scores: Scores
    outputs: Outputs
    truth: Truth


def evaluate_experiment(
    config: EvaluateConfig,
    *,
    dataset_dir: Path,
    model_dir: Path,
    metrics_path: Path,
    store_path: Path | None,
    detail_path: Path | None = None,
) -> None:
    """Score a trained model: recognition, attention and CAMs against AU maps, baselines, ceilings, faithfulness.

    The headline attention (``att_*``, ``region.*``, ``faithfulness.*``) is that of the model's last layer, always; the
    figures of each evaluated layer are ``layer.<l>.*``. Faces whose label the model doesn't know are left out, and
    counted in the log.

    Args:
        config: Section ``evaluate``.
        dataset_dir: Folder ``data/<key>`` of the data set to score on.
        model_dir: Folder ``models/<exp>``.
        metrics_path: File for the headline metrics.
        store_path: File for the per-image results; None writes none (another data set's images).
        detail_path: File for all other metrics; default ``metrics_file.detail_path(metrics_path)``.

    Raises:
        ConfigError: An unknown CAM or layer.
        DataError: The model or the data set is missing, damaged, or has nothing to score.
    """
    title = f"{'cross' if store_path is None else 'evaluate'} {metrics_path.stem}"
    for cam in config.cams:
        if cam not in list_cams():
            raise ConfigError(f"evaluate.cams: unknown CAM method {cam!r}; {near_names(cam, list_cams())}")
    model, meta = load_model(model_dir)
    chosen = {*model.resolve_layers(config.attention_layers), model.layers[-1]}
    layers = tuple(layer for layer in model.layers if layer in chosen)
    preprocess = Preprocessing.from_meta(_of_training(meta, "preprocessing", model_dir))
    experiment = _of_training(meta, "experiment", model_dir)
    # A fold belongs to the data set that the model was trained on; another data set has folds of its own.
    fold = experiment.get("fold") if experiment.get("dataset") == dataset_dir.name else None
    dataset = FaceDataset(dataset_dir, config.split, preprocess.image_size, model.classes, fold=fold, views=model.views)
    if not len(dataset):
        fraction = f"set datasets.{dataset_dir.name}.{config.split}_fraction, or " if config.split != "train" else ""
        raise DataError(
            f"{dataset_dir}: split {config.split!r} has no usable faces of the classes of {model_dir}; "
            f"{fraction}name another evaluate.split"
        )
    if dataset.skipped:
        log(f"{title}: {dataset.skipped} faces left out, their labels are not among the classes of {model_dir}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    files = {"metrics.json": metrics_path, "detail.json": detail_path or default_detail_path(metrics_path)}
    files |= {"evaluation.h5": store_path} if store_path is not None else {}
    finished = FinishedWork("evaluation", {**_identity(config, meta, dataset, fold, device), "files": sorted(files)})
    if finished.take(files):
        log(f"{title}: evaluated before with this model, data and code, taken from {finished.folder.parent}")
        log(f"{title}: {_headline(read_metrics(metrics_path, detail_path))}; {metrics_path}")
        return
    training = FaceDataset(dataset_dir, "train", preprocess.image_size, model.classes, fold=fold)
    model = model.to(device).to(memory_format=torch.channels_last)
    truth = read_truth(dataset, training)
    log(f"{title}: {len(dataset)} faces of {len(model.classes)} classes, on {device.type}")
    moved = int(truth.valid.sum()) if config.moved else 0
    with Progress(title, count_passes(len(dataset), moved, config.faithfulness_images), "passes") as progress:
        runner = SplitRunner(model, dataset, BatchLoader(dataset), preprocess, device, config.batch_size, progress)
        report = _score(runner, truth, layers, config)
    if store_path is not None:
        options = {"config": config.model_dump(mode="json"), "fold": fold, "weights": meta["weights_sha256"]}
        # The report shows what the data stages rejected; it follows the data through this store.
        data = {**dataset.content_hashes(), **_table_hashes(dataset_dir / "rejects")}
        identity = fingerprint("evaluate", _VERSION, {**options, "data": data})
        _write_results(store_path, report, dataset, identity, layers, config.split)
    write_metrics(metrics_path, {**report.metrics, **_context(meta, model_dir, device)}, detail_path)
    finished.keep(files)
    log(f"{title}: {_headline(report.metrics)}; {metrics_path}")


def _headline(metrics: Mapping[str, Metric]) -> str:
    """Say in a few words how well the model does."""
    counts = {"accuracy": "n", "att_ccos": "n_cos"}
    parts = [f"{name} {_number(metrics[name])} (n {metrics[count]})" for name, count in counts.items()]
    return ", ".join(parts)


def _number(value: Metric) -> str:
    """Write a metric; one of no image is undefined."""
    return "undefined" if value is None or math.isnan(float(value)) else f"{float(value):.3f}"


def _context(meta: Mapping[str, Any], model_dir: Path, device: torch.device) -> dict[str, float | int | str]:
    """Give the metrics that tell how the model came about, and where it was evaluated."""
    return {
        "seed": int(_of_training(meta, "seed", model_dir)),
        "selected_on": str(_of_training(meta, "selected_on", model_dir)),
        "train_images_per_second": float(_of_training(meta, "train_images_per_second", model_dir)),
        **environment_metrics(device, str(_of_training(meta, "precision", model_dir))),
    }


def _identity(
    config: EvaluateConfig, meta: Mapping[str, Any], dataset: FaceDataset, fold: object, device: torch.device
) -> dict[str, Any]:
    """Give everything that decides an evaluation, however model and data set are called."""
    folder = dataset.dataset_dir
    annotations = Store.open(folder / "annotations.h5", "annotations")
    return {
        "code": work_code("evaluate", {"model": meta["model"]}, {"evaluate": {"cams": list(config.cams)}}),
        "config": config.model_dump(mode="json"),
        "model": {key: value for key, value in meta.items() if key not in ("experiment", "data", "versions")},
        "fold": fold,
        "data": {
            **dataset.content_hashes(),
            **_table_hashes(folder / "rejects"),
            "annotations.h5": annotations.content_sha256,
        },
        "software": {"device": device.type, **library_releases({"torch", "timm", "torchvision", "numpy", "scipy"})},
    }


def _table_hashes(folder: Path) -> dict[str, str]:
    """Hash every reject table (sha256)."""
    return {path.name: file_digest(path) for path in sorted(folder.glob("*.csv"))}


def _of_training(meta: Mapping[str, Any], key: str, model_dir: Path) -> Any:  # noqa: ANN401 - plain JSON
    if key not in meta:
        raise DataError(f"{model_dir / 'config.json'}: {key!r} is missing; was the model written by the train stage?")
    return meta[key]


def _score(runner: SplitRunner, truth: Truth, layers: tuple[str, ...], config: EvaluateConfig) -> _Report:
    """Run all passes over the split and compute all metrics."""
    outputs = runner.outputs(layers, config.cams)
    labels, classes = runner.dataset.labels, runner.dataset.classes
    last = layers[-1]
    grid = (outputs.attention[last].shape[1], outputs.attention[last].shape[2])
    scores = attention_scores(comparison_maps(outputs.attention[last], truth.size), truth)
    references = {name: attention_scores(maps, truth) for name, maps in reference_maps(truth, grid).items()}
    if config.moved:
        _score_moved(runner, truth, last, grid, scores, references)
    metrics: dict[str, float | int | str] = {
        "n": len(labels),
        "n_cos": int(np.count_nonzero(~np.isnan(scores["att_cos"]))),
        **classification_metrics(outputs.probabilities, labels),
        **macro(scores, truth),
        **macro(floor_scores(truth, grid), truth, "floor."),
        **class_metrics(outputs.probabilities, labels, classes, scores, truth),
    }
    for name, reference in references.items():
        metrics |= macro(reference, truth, f"{name}.")
    for layer in layers:
        own = map_agreement(comparison_maps(outputs.attention[layer], truth.size), truth)
        metrics |= {f"layer.{layer}.att_{name}": value for name, value in macro(own, truth).items()}
    for cam, maps in outputs.cams.items():
        agreement = map_agreement(comparison_maps(maps, truth.size), truth)
        own = {f"cam_{name}.{cam}": values for name, values in agreement.items()}
        scores |= own
        metrics |= macro(own, truth)
    if config.faithfulness_images:
        own = _faithfulness(runner, outputs.attention[last], config.faithfulness_images)
        scores |= own
        metrics |= {name: float(np.nanmean(values)) for name, values in own.items()}
    return _Report(metrics, scores, outputs, truth)


def _score_moved(
    runner: SplitRunner, truth: Truth, layer: str, grid: tuple[int, int], scores: Scores, references: dict[str, Scores]
) -> None:
    """Add the scores on moved images; blank map and class mean stay where they were, the ceiling moves along."""
    rows = np.flatnonzero(truth.valid)
    count = len(truth.labels)
    if not rows.size:
        for own in (scores, *references.values()):
            own |= moved_scores(truth.targets[:0], truth.targets[:0], rows, count)
        return
    maps, targets = runner.moved(layer, rows.tolist(), truth.targets)
    scores |= moved_scores(maps, targets, rows, count)
    unmoved = {name: reference[rows] for name, reference in reference_maps(truth, grid).items()}
    for name, own in references.items():
        followed = through_grid(targets, grid) if name == "ceiling" else unmoved[name]
        own |= moved_scores(followed, targets, rows, count)


def _faithfulness(runner: SplitRunner, attention: NDArray[np.float32], count: int) -> Scores:
    rows, areas = runner.faithfulness(attention, count)
    scores: dict[str, FloatArray] = {}
    for name, values in (("deletion", areas.deletion), ("insertion", areas.insertion)):
        scores[f"faithfulness.{name}"] = np.full(len(attention), np.nan)
        scores[f"faithfulness.{name}"][rows] = values
    return scores


def _write_results(
    path: Path, report: _Report, dataset: FaceDataset, identity: str, layers: tuple[str, ...], split: str
) -> None:
    outputs, truth = report.outputs, report.truth
    columns: dict[str, NDArray[Any]] = {
        "id": encode_ids(list(dataset.ids)),
        "label": encode_ids(list(truth.labels)),
        "probabilities": outputs.probabilities,
        "target": np.round(truth.targets * 255).astype(np.uint8),
        "target_valid": truth.valid,
    }
    columns |= {f"attention/{layer}": maps.astype(np.float16) for layer, maps in outputs.attention.items()}
    columns |= {f"cam/{cam}": maps.astype(np.float16) for cam, maps in outputs.cams.items()}
    columns |= {f"score/{name}": values.astype(np.float32) for name, values in report.scores.items()}
    attributes = {"classes": ",".join(dataset.classes), "layers": ",".join(layers), "split": split}
    write_store(path, "evaluation", columns, fingerprint=identity, attributes=attributes)
