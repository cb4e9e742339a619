"""Multinomial logistic regression with an L2 penalty, by L-BFGS; its strength is chosen on faces that it doesn't fit.

The objective is strictly convex in the weights: its minimum depends on the data alone, and not on a seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Fold = tuple[IntArray, IntArray]
"""Positions of the rows that are fitted, and of those that are held out."""

STRENGTHS = tuple(float(f"1e-{power}") for power in range(1, 9))
"""Strengths of the penalty that are tried, strongest first, for features whose rows have a mean squared length of 1."""
_WORSE = 2  # strengths in a row that the held-out faces like less, after which weaker ones aren't tried
_MOST_STEPS = 2000
_GRADIENT = 1e-6  # largest component at which a fit ends


@dataclass(frozen=True)
class Scaling:
    """Shift and scale of features, by which those of the fitted rows have mean 0, variance 1, and rows length 1.

    Attributes:
        mean: (D,) mean, subtracted.
        scale: (D,) factor: one by the deviation and by the root of D; 0 for a feature that is constant.
    """

    mean: FloatArray
    scale: FloatArray

    @classmethod
    def of(cls, features: FloatArray) -> Scaling:
        """Measure features (N, D)."""
        deviation = features.std(axis=0)
        varies = deviation > 1e-9 * np.abs(features).max(axis=0, initial=0.0)
        scale = np.zeros_like(deviation)
        np.divide(1 / np.sqrt(max(features.shape[1], 1)), deviation, out=scale, where=varies)
        return cls(features.mean(axis=0), scale)

    def __call__(self, features: FloatArray) -> FloatArray:
        """Shift and scale features (N, D)."""
        scaled: FloatArray = (features - self.mean) * self.scale
        return scaled


@dataclass(frozen=True)
class Classifier:
    """A linear classifier.

    Attributes:
        weights: (D, C) weights of scaled features.
        bias: (C,) bias.
        steps: Steps of the solver.
        ended: Whether the solver reached the minimum.
    """

    weights: FloatArray
    bias: FloatArray
    steps: int = 0
    ended: bool = True

    def log_probabilities(self, features: FloatArray) -> FloatArray:
        """Give the logarithms of the probabilities of all classes, (N, C)."""
        return _log_softmax(features @ self.weights + self.bias)

    def predict(self, features: FloatArray) -> IntArray:
        """Give the most probable class of each row, (N,)."""
        best: IntArray = self.log_probabilities(features).argmax(axis=1)
        return best


def fit_logistic(
    features: FloatArray, labels: IntArray, classes: int, strength: float, start: Classifier | None = None
) -> Classifier:
    """Minimise the mean cross-entropy plus half of ``strength`` times the sum of squared weights; the bias is free.

    Args:
        features: (N, D) scaled features.
        labels: (N,) class of each row; every class has a row.
        classes: Number of classes C.
        strength: Strength of the penalty, above 0.
        start: Classifier to start from, for speed alone; default weights of 0 and the classes' frequencies.
    """
    count, width = features.shape
    frequency = np.log(np.maximum(np.bincount(labels, minlength=classes), 1e-9) / count)
    start = start or Classifier(np.zeros((width, classes)), frequency)
    truth = np.zeros((count, classes))
    truth[np.arange(count), labels] = 1.0

    def objective(point: FloatArray) -> tuple[float, FloatArray]:
        weights, bias = _split(point, width, classes)
        scores = _log_softmax(features @ weights + bias)
        loss = -float((scores * truth).sum()) / count + strength / 2 * float((weights**2).sum())
        excess = (np.exp(scores) - truth) / count
        return loss, np.concatenate([(features.T @ excess + strength * weights).ravel(), excess.sum(axis=0)])

    options: Any = {"maxiter": _MOST_STEPS, "maxfun": 2 * _MOST_STEPS, "gtol": _GRADIENT, "ftol": 1e-13, "maxcor": 20}
    point = np.concatenate([start.weights.ravel(), start.bias])
    found = minimize(objective, point, jac=True, method="L-BFGS-B", options=options)
    weights, bias = _split(np.asarray(found.x, np.float64), width, classes)
    return Classifier(weights, bias, int(found.nit), bool(found.status != 1))


def _split(point: FloatArray, width: int, classes: int) -> tuple[FloatArray, FloatArray]:
    return point[: width * classes].reshape(width, classes), point[width * classes :]


def _log_softmax(scores: FloatArray) -> FloatArray:
    shifted = scores - scores.max(axis=1, keepdims=True)
    logs: FloatArray = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logs


def choose_strength(features: FloatArray, labels: IntArray, folds: Sequence[Fold]) -> float:
    """Choose the strength whose classifiers give the held-out rows the highest likelihood.

    The likelihood, and not the accuracy, since it also tells strengths apart on a hundred faces.

    Args:
        features: (N, D) features, not scaled.
        labels: (N,) class of each row.
        folds: Rows to fit, and rows to hold out, once or several times. Held-out rows of a class that a fold doesn't
            fit count as nothing.
    """
    paths = [_losses(features, labels, fold) for fold in folds]
    best, lowest, worse = STRENGTHS[0], np.inf, 0
    for strength in STRENGTHS:
        loss = sum(next(path) for path in paths)
        best, lowest, worse = (strength, loss, 0) if loss < lowest else (best, lowest, worse + 1)
        if worse == _WORSE:
            break
    return best


def _losses(features: FloatArray, labels: IntArray, fold: Fold) -> Iterator[float]:
    """Give the summed loss of a fold's held-out rows for one strength after another."""
    fitted, held = fold
    classes, own = np.unique(labels[fitted], return_inverse=True)
    held = held[np.isin(labels[held], classes)]
    truth = np.searchsorted(classes, labels[held])
    rows, others = within_span(features[fitted], features[held])
    classifier = None
    for strength in STRENGTHS:
        classifier = fit_logistic(rows, own, len(classes), strength, classifier)
        yield -float(classifier.log_probabilities(others)[np.arange(len(held)), truth].sum())


def within_span(fitted: FloatArray, others: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Scale features by the fitted rows, and where these are fewer than features, give coordinates in their span.

    The penalised weights of a linear classifier lie in the span of the rows that it fits: the minimum is the same.

    Args:
        fitted: (N, D) features of the rows that are fitted.
        others: (M, D) features of other rows.

    Returns:
        (N, K) and (M, K), K the smaller of N and D.
    """
    scaling = Scaling.of(fitted)
    rows, rest = scaling(fitted), scaling(others)
    if rows.shape[0] >= rows.shape[1]:
        return rows, rest
    basis, triangle = np.linalg.qr(rows.T)
    return np.ascontiguousarray(triangle.T), rest @ basis
