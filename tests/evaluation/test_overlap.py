"""Overlap of classes' AU maps, and its rank correlation with confusions."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from fer_au.batches.faces import FaceDataset
from fer_au.cues import render_au_maps
from fer_au.evaluation import cosine_alignment
from fer_au.evaluation.overlap import TargetOverlap, compare_ranks, of_expressions, overlap_metrics, rank_overlap
from fer_au.evaluation.truth import TruthReader
from fer_au.glossary import look_up, metric_fault

NAMES = ("happiness", "surprise", "fear", "anger")
OVERLAP = np.array([[1, 0.1, 0.2, 0.3], [0.1, 1, 0.9, 0.4], [0.2, 0.9, 1, 0.6], [0.3, 0.4, 0.6, 1]])


def confused_like(overlap: np.ndarray, n: int = 100) -> np.ndarray:
    """Counts in which each pair is confused as much as it overlaps."""
    counts = np.rint(overlap * n / 10).astype(np.int64)
    np.fill_diagonal(counts, n)
    return counts


def test_overlap_is_the_mean_cosine_on_the_same_faces(tiny_dataset: Path) -> None:
    classes = ("neutral", "happiness", "anger")
    dataset = FaceDataset(tiny_dataset, "test", classes=classes)
    reader = TruthReader(dataset, FaceDataset(tiny_dataset, "train", classes=classes))
    overlap = TargetOverlap(reader.expressions)
    for start in range(0, len(dataset), 4):
        overlap.add(reader.block(start, min(start + 4, len(dataset))))
    points = dataset.points
    known = np.isfinite(points).all(axis=(1, 2))
    drawn = [render_au_maps(points[known], [name] * known.sum(), dataset.crop_size, 28)[0] for name in classes[1:]]
    assert overlap.matrix()[0, 1] == pytest.approx(cosine_alignment(*drawn).mean(), abs=1e-4)
    np.testing.assert_allclose(np.diag(overlap.matrix()), 1)


def test_classes_that_are_confused_as_they_overlap_have_rank_one() -> None:
    found = rank_overlap(OVERLAP, confused_like(OVERLAP))
    assert found.rho == pytest.approx(1)
    assert found.pairs == 6
    assert found.low > 0.2
    assert found.p <= 2 / 24


def test_rank_and_p_are_those_of_scipy_and_of_all_orders() -> None:
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 30, (4, 4)) + 50 * np.eye(4, dtype=int)
    share = counts / counts.sum(axis=1, keepdims=True)
    rates = ((share + share.T) / 2)[np.triu_indices(4, 1)]
    found = rank_overlap(OVERLAP, counts)
    expected = spearmanr(OVERLAP[np.triu_indices(4, 1)], rates).statistic
    assert found.rho == pytest.approx(expected)
    orders = [OVERLAP[np.ix_(order, order)][np.triu_indices(4, 1)] for order in permutations(range(4))]
    as_strong = [abs(spearmanr(order, rates).statistic) >= abs(expected) - 1e-9 for order in orders]
    assert found.p == pytest.approx(np.mean(as_strong))


def test_nothing_confused_has_no_correlation() -> None:
    found = rank_overlap(OVERLAP, 10 * np.eye(4, dtype=np.int64))
    assert np.isnan([found.rho, found.low, found.high, found.p]).all()
    assert np.isnan(rank_overlap(OVERLAP[:2, :2], np.ones((2, 2), np.int64)).rho)


def test_a_class_without_images_is_never_confused() -> None:
    counts = confused_like(OVERLAP)
    counts[3] = 0
    assert np.isfinite(rank_overlap(OVERLAP, counts).rho)


def test_metrics_name_each_pair_and_the_rank() -> None:
    overlap = TargetOverlap(NAMES)
    overlap._sum, overlap._faces = OVERLAP * 5, 5
    classes = ("neutral", *NAMES)
    confusion = np.zeros((5, 5), np.int64)
    confusion[1:, 1:] = confused_like(OVERLAP)
    confusion[0] = 7
    metrics = overlap_metrics(overlap, classes, confusion)
    assert metrics["overlap.surprise.fear"] == pytest.approx(0.9)
    assert metrics["overlap_rank"] == pytest.approx(1)
    assert metrics["overlap_rank_n"] == 6
    assert {look_up(key)[0] for key in metrics} == {"Overlapping classes", "Counts and conditions"}
    assert [key for key, value in metrics.items() if metric_fault(key, float(value))] == []
    assert overlap_metrics(TargetOverlap(()), classes, confusion) == {}
    assert overlap_metrics(TargetOverlap(NAMES), classes, confusion) == {}


def test_rows_of_expressions_come_with_their_own_columns_first() -> None:
    confusion = np.arange(9).reshape(3, 3)
    assert of_expressions(confusion, ("a", "b", "c"), ("c", "b")).tolist() == [[8, 7, 6], [5, 4, 3]]


def test_two_models_differ_by_what_they_confuse() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 200)

    def answer(weights: np.ndarray) -> np.ndarray:
        share = weights / weights.sum(axis=1, keepdims=True)
        return np.stack([truth, [rng.choice(4, p=share[row]) for row in truth]], axis=1)

    like, unlike = answer(OVERLAP + 3 * np.eye(4)), answer(1.1 - OVERLAP + 4 * np.eye(4))
    found = compare_ranks(OVERLAP, like, unlike)
    assert found.difference > 1
    assert found.low > 0
    assert found.p < 0.05
    assert found.n == 800
    same = compare_ranks(OVERLAP, like, like)
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
