from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import approx_fprime, minimize_scalar

from fer_au.probe.logistic import STRENGTHS, Scaling, choose_strength, fit_logistic, within_span


def clouds(rng: np.random.Generator, count: int = 90, width: int = 5, apart: float = 1.0) -> tuple[NDArray, NDArray]:
    """Rows of three classes around three centres."""
    labels = np.arange(count) % 3
    return rng.normal(0, 1, (count, width)) + apart * rng.normal(0, 1, (3, width))[labels], labels


def loss(features: NDArray, labels: NDArray, strength: float, weights: NDArray, bias: NDArray) -> float:
    """The objective, written down once more."""
    scores = features @ weights + bias
    logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    return -float(logs[np.arange(len(labels)), labels].mean()) + strength / 2 * float((weights**2).sum())


def test_the_solution_is_a_minimum_of_the_objective() -> None:
    features, labels = clouds(np.random.default_rng(0))
    found = fit_logistic(features, labels, 3, 0.01)

    def objective(point: NDArray) -> float:
        return loss(features, labels, 0.01, point[:15].reshape(5, 3), point[15:])

    point = np.concatenate([found.weights.ravel(), found.bias])
    assert found.ended
    assert np.abs(approx_fprime(point, objective, 1e-6)).max() < 1e-5
    moved = point + np.random.default_rng(1).normal(0, 0.01, (20, 18))
    assert all(objective(one) > objective(point) for one in moved)


def test_two_classes_of_one_feature_are_the_binary_regression() -> None:
    # With two classes the weights are opposite, w and -w: the penalty is that of a binary weight 2w by half.
    rng = np.random.default_rng(2)
    features = rng.normal(0, 1, (60, 1))
    features -= features.mean()
    labels = (rng.random(60) < 1 / (1 + np.exp(-2 * features[:, 0]))).astype(np.int64)
    found = fit_logistic(features, labels, 2, 0.05)
    assert found.weights[0, 0] == pytest.approx(-found.weights[0, 1], abs=1e-5)
    bias = found.bias[1] - found.bias[0]

    def binary(slope: float) -> float:
        margins = (2 * labels - 1) * (slope * features[:, 0] + bias)
        return float(np.log1p(np.exp(-margins)).mean()) + 0.05 / 4 * slope**2

    assert found.weights[0, 1] - found.weights[0, 0] == pytest.approx(minimize_scalar(binary).x, abs=1e-4)


def test_it_is_scikit_learns_solution() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    features, labels = clouds(np.random.default_rng(3))
    found = fit_logistic(features, labels, 3, 0.02)
    theirs = linear.LogisticRegression(C=1 / (0.02 * len(labels)), tol=1e-8, max_iter=5000).fit(features, labels)
    np.testing.assert_allclose(found.weights - found.weights.mean(1, keepdims=True), theirs.coef_.T, atol=1e-4)


def test_the_start_changes_no_solution() -> None:
    features, labels = clouds(np.random.default_rng(4))
    far = fit_logistic(features, labels, 3, 1e-4)
    np.testing.assert_allclose(
        fit_logistic(features, labels, 3, 0.1, far).weights, fit_logistic(features, labels, 3, 0.1).weights, atol=1e-4
    )


def test_a_strong_penalty_leaves_the_frequencies() -> None:
    features, _ = clouds(np.random.default_rng(5), 60)
    labels = np.repeat([0, 0, 0, 1, 1, 2], 10)
    found = fit_logistic(features, labels, 3, 1e6)
    np.testing.assert_allclose(
        np.exp(found.log_probabilities(features)), np.tile([1 / 2, 1 / 3, 1 / 6], (60, 1)), atol=1e-3
    )


def test_scaled_rows_have_length_one_and_constants_vanish() -> None:
    rng = np.random.default_rng(6)
    features = np.c_[rng.normal(5, 2, 50), rng.normal(0, 1e-4, 50), np.full(50, 3.3)]
    scaled = Scaling.of(features)(features)
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose((scaled**2).mean(0), [1 / 3, 1 / 3, 0])


def test_fewer_rows_than_features_give_the_same_answers() -> None:
    rng = np.random.default_rng(7)
    features, labels = clouds(rng, 30, 80, 0.3)
    others = rng.normal(0, 1, (20, 80))
    rows, rest = within_span(features, others)
    assert rows.shape == (30, 30)
    scaling = Scaling.of(features)
    plain = fit_logistic(scaling(features), labels, 3, 0.01)
    short = fit_logistic(rows, labels, 3, 0.01)
    np.testing.assert_allclose(short.log_probabilities(rest), plain.log_probabilities(scaling(others)), atol=1e-3)


def test_noise_wants_the_strongest_penalty_and_a_clear_signal_a_weak_one() -> None:
    rng = np.random.default_rng(8)
    fold = (np.arange(60), np.arange(60, 90))
    noise, labels = rng.normal(0, 1, (90, 20)), np.arange(90) % 3
    clear, _ = clouds(rng, 90, 20, 5.0)
    assert choose_strength(noise, labels, [fold]) == STRENGTHS[0]
    assert choose_strength(clear, labels, [fold]) < 1e-3


def test_held_out_rows_alone_choose() -> None:
    # The rows outside of the fold contradict it.
    rng = np.random.default_rng(9)
    clear, labels = clouds(rng, 90, 20, 5.0)
    fold = (np.arange(60), np.arange(60, 90))
    longer = np.concatenate([clear, clear]), np.concatenate([labels, (labels + 1) % 3])
    assert choose_strength(*longer, [fold]) == choose_strength(clear, labels, [fold])


def test_a_class_that_a_fold_does_not_fit_counts_as_nothing() -> None:
    rng = np.random.default_rng(10)
    features, labels = clouds(rng, 90, 20, 5.0)
    fold = (np.flatnonzero(labels < 2), np.arange(90))
    seen = (np.flatnonzero(labels < 2), np.flatnonzero(labels < 2))
    assert choose_strength(features, labels, [fold]) == choose_strength(features, labels, [seen])
