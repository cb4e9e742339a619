"""Score maps that were made elsewhere as attention is scored: ``metrics/external/NAME.json`` and its details."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fer_au.batches.faces import FaceDataset
from fer_au.compute import Progress, log
from fer_au.datasets.manifest import read_manifest
from fer_au.errors import DataError
from fer_au.evaluation.averages import ScoreTotals
from fer_au.evaluation.baselines import reference_maps
from fer_au.evaluation.bootstrap import bootstrap_macro, bootstrap_share
from fer_au.evaluation.full_scores import full_scores, grid_text
from fer_au.evaluation.metrics_file import (
    CLASS_BLIND,
    Metric,
    interval_metrics,
    number_text,
    read_interval,
    write_metrics,
)
from fer_au.evaluation.paper_cosine import PaperCosine
from fer_au.evaluation.scores import floor_scores
from fer_au.evaluation.specificity import OwnTargets
from fer_au.evaluation.summary import class_attention, class_recognition, classification_metrics, map_metrics
from fer_au.evaluation.truth import TruthReader, motion_in_crop
from fer_au.measure.maps_file import BroughtMaps
from fer_au.measure.results import data_digest
from fer_au.resizing import Frame
from fer_au.stores import Store

SpannedFrame = Literal["crop", "picture"]
INTERVALS = ("att_cos", "att_ccos", "att_auc", "att_class_rank")
"""Scores of maps with an interval, beside the accuracy's."""
_FAULTS = ("att_maps.zero", "att_maps.constant")
_BLOCK = 128
_SHOWN = 3


def measure_maps(
    brought: BroughtMaps,
    dataset_dir: Path,
    output: Path,
    *,
    split: str = "test",
    frame: SpannedFrame = "crop",
    partial: bool = False,
) -> dict[str, Metric]:
    """Score maps of a split's faces by the keys of an experiment's metrics, beside the same baselines on their grid.

    Args:
        brought: The maps.
        dataset_dir: Folder ``data/<key>`` of the data set whose faces they are of.
        output: File for the headline; the details lie where ``metrics_file.detail_path`` says.
        split: Split that is scored; maps of other splits' faces are left alone.
        frame: What a map spans: the aligned crop of faces.h5, or the whole source picture. The latter are resampled
            to the crop, on the grid of the AU maps, and 0 outside their picture.
        partial: Whether to score the faces that have a map, where others of the split have none.

    Returns:
        All metrics that were written.

    Raises:
        DataError: An id is unknown, a face has no map, maps don't fit the frame, or a file is missing or damaged.
    """
    dataset = FaceDataset(dataset_dir, split, classes=brought.classes)
    if frame == "crop" and brought.maps.shape[1] != brought.maps.shape[2]:
        size = "x".join(map(str, brought.maps.shape[1:]))
        raise DataError(f"{brought.path}: map: {size} cells, and crops are square; do they span the picture (--frame)?")
    dataset = _with_maps(dataset, brought, partial)
    truth = TruthReader(dataset, FaceDataset(dataset_dir, "train", classes=brought.classes))
    places = {id_: place for place, id_ in enumerate(brought.ids)}
    rows = np.array([places[id_] for id_ in dataset.ids], np.int64)
    log(f"measure {output.stem}: {len(dataset)} faces of {dataset_dir}, split {split}; maps span the {frame}")
    spread = _spread(frame, dataset, truth.size)
    metrics = _score(brought, rows, dataset, truth, spread, output.stem)
    if brought.probabilities is not None:
        metrics |= _recognition(brought.probabilities[rows], dataset)
    told = {"dataset": dataset_dir.name, "split": split, "frame": frame, "data": data_digest(dataset.content_hashes())}
    metrics |= {f"external.{what}": text for what, text in told.items()}
    write_metrics(output, metrics)
    return metrics


def _with_maps(dataset: FaceDataset, brought: BroughtMaps, partial: bool) -> FaceDataset:
    """Keep the faces of a split that have a map.

    Raises:
        DataError: An id is of no face of the data set, a face has no map and not ``partial``, or none has one.
    """
    every = {row.id for row in read_manifest(dataset.dataset_dir / "manifest.csv")}
    if unknown := [id_ for id_ in brought.ids if id_ not in every]:
        example = f"such as {unknown[0]!r} (ids there look like {min(every)!r})" if every else "which has none"
        raise DataError(f"{brought.path}: id: {len(unknown)} are not in {dataset.dataset_dir}/manifest.csv, {example}")
    with_map = set(brought.ids)
    missing = [id_ for id_ in dataset.ids if id_ not in with_map]
    if len(missing) == len(dataset.ids):
        raise DataError(f"{brought.path}: no face of split {dataset.split!r} of {dataset.dataset_dir} has a map")
    if missing and not partial:
        names = ", ".join(missing[:_SHOWN]) + (", ..." if len(missing) > _SHOWN else "")
        raise DataError(
            f"{brought.path}: {len(missing)} of {len(dataset)} faces of split {dataset.split!r} have no map: {names}; "
            "--partial scores the others"
        )
    if others := len(brought.ids) - (len(dataset) - len(missing)):
        why = "of other splits or classes, or without a crop"
        log(f"{brought.path}: {others} maps are of faces that aren't scored: {why}")
    if missing:
        log(f"{brought.path}: {len(missing)} of {len(dataset)} faces have no map and aren't scored")
    return dataset.part([place for place, id_ in enumerate(dataset.ids) if id_ in with_map])


Spread = Callable[[NDArray[np.float32], int], NDArray[np.floating]]
"""Brings maps (n, h, w) of the faces from a position on to the crop."""


def _spread(frame: SpannedFrame, dataset: FaceDataset, size: int) -> Spread:
    if frame == "crop":
        return lambda maps, start: maps
    manifest = read_manifest(dataset.dataset_dir / "manifest.csv")
    faces = Store.open(dataset.dataset_dir / "faces.h5", "faces")

    def to_crop(maps: NDArray[np.float32], start: int) -> NDArray[np.floating]:
        rows = dataset.rows[start : start + len(maps)]
        sides = np.array([(manifest[row].width, manifest[row].height) for row in rows], np.float64)
        matrices = np.asarray(faces.take("matrix", rows), np.float64)
        return motion_in_crop(maps.astype(np.float64), sides, matrices, dataset.crop_size, (size, size))

    return to_crop


def _score(
    brought: BroughtMaps, rows: NDArray[np.int64], dataset: FaceDataset, truth: TruthReader, spread: Spread, name: str
) -> dict[str, Metric]:
    """Score block by block, and sum up."""
    cosine = PaperCosine(Frame("corrected", round(dataset.crop_size)))
    totals, own = ScoreTotals(), OwnTargets(truth.labels, truth.valid)
    kept: dict[str, list[NDArray[np.floating]]] = {key: [] for key in INTERVALS}
    grid = ""
    with Progress(f"measure {name}", len(rows), "maps") as progress:
        for start in range(0, len(rows), _BLOCK):
            block = truth.block(start, min(start + _BLOCK, len(rows)))
            maps = spread(brought.take(rows[start : start + _BLOCK]), start)
            scores, everything = full_scores(maps, reference_maps(block), block, cosine)
            scores |= floor_scores(block, (maps.shape[1], maps.shape[2]))
            totals.add(scores, block.labels)
            own.add(start, block, {f"{prefix}att_specificity": each for prefix, each in everything.items()})
            for key in INTERVALS:
                kept[key].append(scores[key])
            grid = grid_text(maps)
            progress.advance(len(maps))
    totals.add(own.scores(), [truth.labels[row] for row in own.rows])
    metrics: dict[str, Metric] = {
        "n": len(dataset),
        "n_cos": totals.count("att_cos"),
        "n_expressions": len(truth.expressions),
        "att_grid": grid,
        **class_attention(dataset.labels, dataset.classes, totals),
        **map_metrics(totals),
    }
    for key, parts in kept.items():
        metrics |= interval_metrics(key, *bootstrap_macro(np.concatenate(parts), truth.labels))
    return metrics


def _recognition(probabilities: NDArray[np.float32], dataset: FaceDataset) -> dict[str, Metric]:
    right = (probabilities.argmax(axis=1) == dataset.labels).astype(np.float64)
    return {
        **classification_metrics(probabilities, dataset.labels),
        **class_recognition(probabilities, dataset.labels, dataset.classes),
        **interval_metrics("accuracy", *bootstrap_share(right)),
    }


def summary_lines(name: str, metrics: dict[str, Metric]) -> Sequence[str]:
    """Say in a few lines where the maps lie, beside what knows no class."""
    lines = [f"{name}: {metrics['n']} faces, {metrics['n_cos']} with an AU map, maps of {metrics['att_grid']} cells"]
    for key in ("accuracy", *INTERVALS):
        if key in metrics:
            low, high = (number_text(end) for end in read_interval(metrics, key))
            lines.append(f"  {key:<15} {number_text(metrics[key])}  (95 % interval {low} to {high})")
    blind = {name: metrics[f"baseline.{name}.att_ccos"] for name in (*CLASS_BLIND, "class_mean")}
    lines.append("  att_ccos of     " + ", ".join(f"{name} {number_text(value)}" for name, value in blind.items()))
    lines.append(f"  best possible   {number_text(metrics['ceiling.att_ccos'])} on this grid")
    if faults := [f"{metrics[key]} {key.rpartition('.')[2]}" for key in _FAULTS if metrics.get(key)]:
        lines.append(f"  without a shape {', '.join(faults)} of {metrics['n']} maps")
    return lines
