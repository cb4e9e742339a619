from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_f1_score,
)

from fer_au.classification import (
    accuracy,
    balanced_accuracy,
    class_f1,
    class_precision,
    class_recall,
    confusion_matrix,
    macro_f1,
)


@pytest.fixture
def labels(rng):
    truth = rng.choice(5, 200, p=[0.5, 0.2, 0.15, 0.1, 0.05])
    return truth, np.where(rng.random(200) < 0.6, truth, rng.integers(0, 5, 200))


def test_scores_equal_torchmetrics(labels):
    truth, predicted = labels
    confusion = confusion_matrix(truth, predicted, 5)
    t, p = torch.from_numpy(truth), torch.from_numpy(predicted)
    np.testing.assert_array_equal(confusion, multiclass_confusion_matrix(p, t, 5).numpy())
    assert accuracy(confusion) == pytest.approx(multiclass_accuracy(p, t, 5, average="micro").item())
    assert balanced_accuracy(confusion) == pytest.approx(multiclass_accuracy(p, t, 5, average="macro").item())
    assert macro_f1(confusion) == pytest.approx(multiclass_f1_score(p, t, 5, average="macro").item())


def test_rows_are_the_truth():
    np.testing.assert_array_equal(confusion_matrix(np.array([0, 0, 1]), np.array([1, 1, 1]), 2), [[0, 2], [0, 1]])


def test_a_class_without_images_has_no_recall_and_does_not_count():
    confusion = confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)
    np.testing.assert_array_equal(class_recall(confusion), [0.5, 1.0, np.nan])
    assert balanced_accuracy(confusion) == pytest.approx(0.75)


def test_a_class_that_is_predicted_but_has_no_images_does_not_count_against_the_others():
    confusion = confusion_matrix(np.array([0, 0, 1]), np.array([0, 2, 1]), 3)
    assert balanced_accuracy(confusion) == pytest.approx(0.75)  # torchmetrics' macro mean is 0.5


def test_no_images_are_undefined():
    confusion = confusion_matrix(np.zeros(0), np.zeros(0), 3)
    assert all(math.isnan(score(confusion)) for score in (accuracy, balanced_accuracy, macro_f1))


def test_an_index_that_no_class_has_is_refused():
    with pytest.raises(ValueError, match="truth: expected class indices from 0 to 2"):
        confusion_matrix(np.array([3]), np.array([0]), 3)
    with pytest.raises(ValueError, match=r"predicted: expected an array \(2,\)"):
        confusion_matrix(np.array([0, 1]), np.array([0]), 3)


def test_precision_and_f1_of_each_class() -> None:
    confusion = confusion_matrix([0, 0, 0, 1, 1, 3], [0, 0, 1, 1, 0, 0], 4)
    np.testing.assert_allclose(class_precision(confusion), [2 / 4, 1 / 2, np.nan, np.nan])
    np.testing.assert_allclose(class_f1(confusion), [4 / 7, 2 / 4, np.nan, 0.0])
