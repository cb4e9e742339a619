from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap

from fer_au.evaluation import paired_bootstrap
from fer_au.evaluation.averages import macro_mean
from fer_au.evaluation.bootstrap import bootstrap_recall, bootstrap_share


def test_difference_and_interval_equal_scipys_percentile_bootstrap(rng):
    a, b = rng.random(120), rng.random(120) - 0.05
    found = paired_bootstrap(a, b, n=20_000, seed=1)
    expected = scipy_bootstrap((a - b,), np.mean, n_resamples=20_000, method="percentile", rng=2).confidence_interval
    assert found.difference == pytest.approx(a.mean() - b.mean())
    assert found.low == pytest.approx(expected.low, abs=0.003)
    assert found.high == pytest.approx(expected.high, abs=0.003)
    assert found.n == 120


def test_equal_models_are_called_different_in_about_one_trial_of_twenty():
    rng = np.random.default_rng(3)
    trials = 400
    pairs = (rng.normal(size=(2, 60)) for _ in range(trials))
    false_alarms = sum(paired_bootstrap(a, b, n=600, seed=k).p < 0.05 for k, (a, b) in enumerate(pairs))
    assert 0.02 < false_alarms / trials < 0.10


def test_the_interval_holds_the_true_difference_in_about_nineteen_trials_of_twenty():
    rng = np.random.default_rng(4)
    hits = 0
    for k in range(400):
        shared = rng.normal(size=60)
        found = paired_bootstrap(shared + 0.3 + rng.normal(size=60), shared, n=600, seed=k)
        hits += found.low <= 0.3 <= found.high
    assert 0.90 < hits / 400 < 0.985


def test_pairing_finds_a_difference_that_hides_between_images(rng):
    difficulty = rng.normal(0, 5, 80)
    better = difficulty + 0.2 + rng.normal(0, 0.1, 80)
    assert paired_bootstrap(better, difficulty).p < 0.001
    assert paired_bootstrap(better, rng.permutation(difficulty)).p > 0.1


def test_swapping_the_models_turns_the_sign(rng):
    a, b = rng.random(50), rng.random(50)
    one, other = paired_bootstrap(a, b, seed=5), paired_bootstrap(b, a, seed=5)
    assert one.difference == -other.difference
    assert one.low == pytest.approx(-other.high)
    assert one.p == pytest.approx(other.p)


def test_identical_scores_have_p_one():
    scores = np.tile([0.0, 1.0], 30)
    found = paired_bootstrap(scores, scores)
    assert (found.difference, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


def test_the_seed_alone_decides_the_draw(rng):
    a, b = rng.random(40), rng.random(40)
    assert paired_bootstrap(a, b, seed=1) == paired_bootstrap(a, b, seed=1)
    assert paired_bootstrap(a, b, seed=1) != paired_bootstrap(a, b, seed=2)


def test_pairs_with_an_undefined_score_are_left_out(rng):
    a, b = rng.random(30), rng.random(30)
    holes_a, holes_b = np.append(a, [np.nan, 1.0]), np.append(b, [0.0, np.nan])
    assert paired_bootstrap(holes_a, holes_b, seed=1) == paired_bootstrap(a, b, seed=1)
    empty = paired_bootstrap(np.full(3, np.nan), np.zeros(3))
    assert empty.n == 0
    assert math.isnan(empty.p)


def test_strata_make_it_a_test_of_the_macro_mean(rng):
    labels = ["anger"] * 50 + ["fear"] * 5
    a, b = rng.random(55), rng.random(55)
    a[50:] += 1
    found = paired_bootstrap(a, b, strata=labels)
    assert found.difference == pytest.approx(macro_mean(a, labels) - macro_mean(b, labels))
    assert found.low < found.difference < found.high


def test_large_splits_are_resampled_in_bounded_pieces(rng):
    a, b = rng.random(9000), rng.random(9000)
    found = paired_bootstrap(a, b, n=1000)
    standard_error = (a - b).std() / np.sqrt(9000)
    assert (found.high - found.low) / 3.92 == pytest.approx(standard_error, rel=0.15)


def test_lengths_must_match():
    with pytest.raises(ValueError, match=r"b: expected an array \(3,\)"):
        paired_bootstrap(np.zeros(3), np.zeros(4))


def test_the_interval_of_a_share_equals_that_of_drawn_images():
    right = np.arange(120) < 90
    low, high = bootstrap_share(right, n=20_000, seed=1)
    drawn = paired_bootstrap(right, np.zeros(120), n=20_000, seed=2)
    assert (low, high) == pytest.approx((drawn.low, drawn.high), abs=0.01)
    assert bootstrap_share(right, n=20_000, seed=1) == (low, high)
    narrow = bootstrap_share(right, n=20_000, seed=1, level=0.5)
    assert low < narrow[0] < 0.75 < narrow[1] < high


@pytest.mark.parametrize("right", [np.ones(15), np.zeros(15), np.ones(0)])
def test_answers_that_are_all_alike_give_no_interval(right):
    assert all(math.isnan(end) for end in bootstrap_share(right))


def test_the_interval_of_a_balanced_accuracy_is_that_of_images_drawn_within_each_class():
    truth = np.repeat([0, 1, 2], [40, 25, 10])
    right = np.r_[np.arange(40) < 30, np.arange(25) < 10, np.arange(10) < 7]
    confusion = np.array([[30, 10, 0], [15, 10, 0], [3, 0, 7]])
    generator = np.random.default_rng(5)
    drawn = [
        np.mean([generator.choice(right[truth == label], (truth == label).sum()).mean() for label in range(3)])
        for _ in range(4000)
    ]
    low, high = bootstrap_recall(confusion, 20_000, 1)
    assert low == pytest.approx(np.quantile(drawn, 0.025), abs=0.01)
    assert high == pytest.approx(np.quantile(drawn, 0.975), abs=0.01)


def test_classes_that_are_a_sample_are_drawn_themselves():
    confusion = np.diag([1, 1, 1, 0, 0, 1, 0, 1])
    confusion[3, 0] = confusion[4, 0] = confusion[6, 0] = 1
    assert bootstrap_recall(confusion) == (pytest.approx(math.nan, nan_ok=True),) * 2  # an image each: nothing varies
    low, high = bootstrap_recall(confusion, of_classes=True)
    assert (low, high) == pytest.approx(bootstrap_share(np.diag(confusion)), abs=1 / 8)


def test_a_class_without_images_plays_no_part_in_the_interval():
    assert bootstrap_recall(np.array([[6, 4, 0], [3, 7, 0], [0, 0, 0]])) == bootstrap_recall(np.array([[6, 4], [3, 7]]))
    assert all(math.isnan(end) for end in bootstrap_recall(np.zeros((2, 2), np.int64)))
