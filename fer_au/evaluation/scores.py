"""Score every image of a split, and turn the scores into flat metrics.

All scores of maps are averaged in one way: over the images with a real AU map (true class, not neutral, landmarks
found) to a mean per expression, then over the expressions, each with the same weight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fer_au.classification import accuracy, balanced_accuracy, class_recall, confusion_matrix, macro_f1
from fer_au.evaluation.baselines import blank_maps, class_mean_maps, least_shares, through_grid
from fer_au.evaluation.map_scores import (
    FloatArray,
    centered_cosine,
    cosine_alignment,
    map_auc,
    own_target_rank,
    to_numpy,
)
from fer_au.evaluation.regions import REGIONS, region_shares
from fer_au.evaluation.truth import Truth
from fer_au.expressions import NEUTRAL
from fer_au.maps import resize_maps, shift_non_negative

Scores = dict[str, FloatArray]
"""Score name -> (N,) scores, one per image of the split, NaN where undefined."""


def expression_means(scores: NDArray[Any], labels: Sequence[str]) -> dict[str, float]:
    """Average the scores of each expression over its true images; undefined (NaN) scores and neutral faces don't count.

    Args:
        scores: (N,) scores, one per image.
        labels: N true canonical labels; rightly and wrongly predicted images count alike.

    Returns:
        Label -> mean, for the expressions with at least one defined score, in order of first appearance.

    Raises:
        ValueError: ``scores`` and ``labels`` differ in length.
    """
    values, names = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=object)
    if values.shape != names.shape:
        raise ValueError(f"{values.shape[0]} scores for {len(names)} labels")
    means: dict[str, float] = {}
    for label in dict.fromkeys(labels):
        own = values[(names == label) & ~np.isnan(values)]
        if label != NEUTRAL and own.size:
            means[label] = float(own.mean())
    return means


def macro_mean(scores: NDArray[Any], labels: Sequence[str]) -> float:
    """Average ``expression_means`` without weights: the AU-cue paper's only aggregate of ATT-COS and CAM-COS.

    Every expression weighs the same, however many images it has. NaN if no expression has a defined score.
    """
    means = expression_means(scores, labels)
    return float(np.mean(list(means.values()))) if means else float("nan")


def masked(scores: FloatArray, keep: NDArray[np.bool_]) -> FloatArray:
    """Copy scores, with NaN (undefined) where ``keep`` is False."""
    return np.where(keep, scores, np.nan)


def comparison_maps(maps: NDArray[Any], size: int) -> FloatArray:
    """Bring attention to the comparison grid: made non-negative by the documented rule, then resampled."""
    tensor = torch.from_numpy(np.array(maps, dtype=np.float32))
    return to_numpy(resize_maps(shift_non_negative(tensor), size))


def map_agreement(maps: FloatArray, truth: Truth) -> Scores:
    """Score maps on the comparison grid against the AU maps: ``cos``, ``ccos`` and ``auc``."""
    scores = {"cos": cosine_alignment, "ccos": centered_cosine, "auc": map_auc}
    return {name: masked(score(maps, truth.targets), truth.valid) for name, score in scores.items()}


def attention_scores(maps: FloatArray, truth: Truth) -> Scores:
    """Compute the scores that attention, baselines and ceiling share, for one set of maps on the comparison grid."""
    targets = np.where(truth.valid[:, None, None], truth.targets, np.nan)
    scores = {f"att_{name}": values for name, values in map_agreement(maps, truth).items()}
    scores["att_specificity"] = own_target_rank(maps, targets, truth.labels)
    for region, shares in region_shares(maps, truth.coverage).items():
        scores[f"region.{region}"] = masked(shares, truth.valid)
    if truth.motion is not None:
        scores["att_auc_motion"] = masked(map_auc(maps, truth.motion), truth.valid)
    return scores


def moved_scores(maps: NDArray[Any], moved_targets: NDArray[Any], rows: NDArray[np.int64], count: int) -> Scores:
    """Compute ``att_cos_moved`` and ``att_ccos_moved`` of a split of ``count`` images, of which ``rows`` were moved."""
    scores = {"att_cos_moved": np.full(count, np.nan), "att_ccos_moved": np.full(count, np.nan)}
    scores["att_cos_moved"][rows] = cosine_alignment(maps, moved_targets)
    scores["att_ccos_moved"][rows] = centered_cosine(maps, moved_targets)
    return scores


def reference_maps(truth: Truth, grid: tuple[int, int]) -> dict[str, FloatArray]:
    """Draw blank map, class mean and AU map as a layer with that grid could at best draw them."""
    references: dict[str, NDArray[Any]] = {
        "baseline.blank": blank_maps(len(truth.labels), truth.size),
        "baseline.class_mean": class_mean_maps(truth.class_means, truth.labels, truth.size),
        "ceiling": truth.targets,
    }
    return {name: through_grid(maps, grid) for name, maps in references.items()}


def floor_scores(truth: Truth, grid: tuple[int, int]) -> Scores:
    """Compute the least ``region.background`` that attention on that grid can have, however it is trained."""
    least = least_shares(truth.coverage[:, REGIONS.index("background")], grid)
    return {"region.background": masked(least, truth.valid)}


def macro(scores: Mapping[str, FloatArray], truth: Truth, prefix: str = "") -> dict[str, float]:
    """Take the macro mean of each score."""
    return {f"{prefix}{name}": macro_mean(values, truth.labels) for name, values in scores.items()}


def classification_metrics(probabilities: NDArray[Any], labels: NDArray[np.int64]) -> dict[str, float]:
    """Compute ``accuracy``, ``balanced_accuracy`` and ``macro_f1``."""
    confusion = confusion_matrix(labels, probabilities.argmax(axis=1), probabilities.shape[1])
    return {
        "accuracy": accuracy(confusion),
        "balanced_accuracy": balanced_accuracy(confusion),
        "macro_f1": macro_f1(confusion),
    }


def class_metrics(
    probabilities: NDArray[Any], labels: NDArray[np.int64], classes: tuple[str, ...], scores: Scores, truth: Truth
) -> dict[str, float | int]:
    """Compute ``per_class.<label>.accuracy``, ``.n`` and, except for neutral, ``.att_cos`` and ``.att_ccos``."""
    confusion = confusion_matrix(labels, probabilities.argmax(axis=1), len(classes))
    recall, counts = class_recall(confusion), confusion.sum(axis=1)
    means = {name: expression_means(scores[name], truth.labels) for name in ("att_cos", "att_ccos")}
    metrics: dict[str, float | int] = {}
    for index, label in enumerate(classes):
        metrics[f"per_class.{label}.accuracy"] = float(recall[index])
        metrics[f"per_class.{label}.n"] = int(counts[index])
        if label != NEUTRAL:
            for name, mean in means.items():
                metrics[f"per_class.{label}.{name}"] = mean.get(label, float("nan"))
    return metrics
