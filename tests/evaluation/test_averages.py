"""Averages that are taken block by block are those over all images at once."""

from __future__ import annotations

import numpy as np
import pytest

from fer_au.evaluation.averages import ScoreTotals, expression_means, macro_mean


@pytest.mark.parametrize("neutral", [False, True])
@pytest.mark.parametrize("block", [1, 7, 100])
def test_totals_give_the_means_of_all_images(block: int, neutral: bool) -> None:
    rng = np.random.default_rng(0)
    labels = [("neutral", "anger", "fear")[k] for k in rng.integers(0, 3, 100)]
    scores = np.where(rng.random(100) < 0.3, np.nan, rng.normal(size=100)).astype(np.float32)
    totals = ScoreTotals()
    totals.reserve(["late"])
    for start in range(0, 100, block):
        totals.add({"cos": scores[start : start + block]}, labels[start : start + block])
    assert totals.means("cos", neutral=neutral) == pytest.approx(expression_means(scores, labels, neutral=neutral))
    assert totals.macro("cos", neutral=neutral) == pytest.approx(macro_mean(scores, labels, neutral=neutral))
    assert totals.mean("cos") == pytest.approx(np.nanmean(scores.astype(np.float64)))
    assert totals.count("cos") == np.isfinite(scores).sum()
    assert totals.names == ["late", "cos"]
    assert np.isnan([totals.macro("late"), totals.mean("late")]).all()
    assert totals.count("late") == 0
