from __future__ import annotations

import numpy as np
import pytest

from fer_au.cues import render_au_maps
from fer_au.evaluation import centered_cosine, cosine_alignment, macro_mean
from fer_au.evaluation.baselines import blank_maps, class_mean_maps, least_shares, mean_maps, through_grid
from fer_au.ibug68 import MEAN_FACE

EXPRESSIVE = ["happiness", "surprise", "fear", "anger", "disgust", "sadness"]


@pytest.fixture(scope="module")
def au_maps() -> tuple[np.ndarray, list[str]]:
    """AU maps of 120 varied faces in a tight crop, in the project's geometry."""
    rng = np.random.default_rng(0)
    labels = EXPRESSIVE * 20
    faces = [MEAN_FACE * 125 * rng.uniform(0.95, 1.05) + [112, 84] + rng.normal(0, 4, 2) for _ in labels]
    points = np.stack([face + rng.normal(0, 1.5, (68, 2)) for face in faces])
    maps, valid = render_au_maps(points, labels, 224, 28, "corrected", "corrected")
    assert valid.all()
    return maps.astype(np.float64), labels


def tent(source: int, target: int) -> np.ndarray:
    """Resampling matrix (target, source) written from the definition: a tent as wide as the larger cell."""
    scale = max(source / target, 1.0)
    centres = (np.arange(target) + 0.5) * source / target
    weights = np.maximum(0, 1 - np.abs(np.arange(source) + 0.5 - centres[:, None]) / scale)
    if target > source:  # beyond the outermost centres the border value is continued
        weights[centres < 0.5, 0] = weights[centres > source - 0.5, -1] = 1.0
        weights[centres < 0.5, 1:] = weights[centres > source - 0.5, :-1] = 0.0
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("grid", [(4, 4), (7, 7), (14, 14), (7, 14)])
def test_through_grid_is_down_and_up_with_tents(rng, grid):
    maps = rng.random((3, 28, 28))
    rows, columns = (tent(cells, 28) @ tent(28, cells) for cells in grid)
    np.testing.assert_allclose(through_grid(maps, grid), rows @ maps @ columns.T, atol=1e-5)


def test_a_grid_as_fine_as_the_comparison_changes_nothing(rng):
    maps = rng.random((2, 28, 28))
    np.testing.assert_allclose(through_grid(maps, (28, 28)), maps, atol=1e-6)


def test_a_coarse_grid_caps_the_score_of_a_perfect_map(au_maps):
    maps, labels = au_maps
    caps = {g: macro_mean(cosine_alignment(through_grid(maps, (g, g)), maps), labels) for g in (4, 7, 14, 28)}
    assert caps[4] == pytest.approx(0.80, abs=0.02)
    assert caps[14] == pytest.approx(0.98, abs=0.01)
    assert caps[4] < caps[7] < caps[14] < caps[28]
    assert caps[28] == pytest.approx(1.0)


def test_a_blank_map_scores_far_above_zero_but_not_in_the_centred_cosine(au_maps):
    maps, labels = au_maps
    blank = through_grid(blank_maps(len(maps), 28), (14, 14))
    assert 0.4 < macro_mean(cosine_alignment(blank, maps), labels) < 0.7
    assert macro_mean(centered_cosine(blank, maps), labels) == 0.0


def test_the_class_mean_is_the_mean_of_the_valid_training_maps(rng):
    targets = rng.random((5, 4, 4))
    means = mean_maps(targets, ["anger", "anger", "anger", "fear", "fear"], np.array([1, 0, 1, 0, 0], bool))
    assert list(means) == ["anger"]
    np.testing.assert_allclose(means["anger"], (targets[0] + targets[2]) / 2)


def test_each_image_gets_the_mean_of_its_true_class(rng):
    means = {"anger": rng.random((4, 4)), "fear": rng.random((4, 4))}
    maps = class_mean_maps(means, ["fear", "neutral", "anger"], 4)
    np.testing.assert_array_equal(maps[0], means["fear"])
    assert np.isnan(maps[1]).all()
    np.testing.assert_array_equal(maps[2], means["anger"])


def test_a_class_mean_beats_the_blank_map_by_far_on_aligned_faces(au_maps):
    maps, labels = au_maps
    means = mean_maps(maps[:60], labels[:60], np.ones(60, bool))
    guess = class_mean_maps(means, labels[60:], 28)
    assert macro_mean(cosine_alignment(guess, maps[60:]), labels[60:]) > 0.9


@pytest.mark.parametrize("grid", [(2, 2), (4, 4), (5, 7), (28, 28)])
def test_no_map_of_a_grid_has_a_smaller_share_than_the_least_and_one_cell_has_it(rng, grid):
    areas = np.ones((2, 28, 28))
    areas[0, 9:17, 11:18] = 0.0  # a hole that no cell of a coarse grid fits into
    areas[1, :14] = rng.random((14, 28))
    least = least_shares(areas, grid)
    height, width = grid
    cells = np.eye(height * width).reshape(-1, height, width)
    maps = np.concatenate([cells, rng.random((50, height, width)) ** 9])
    rows, columns = (tent(size, 28) for size in grid)
    drawn = np.einsum("ah,nhw,bw->nab", rows, maps, columns)
    shares = np.einsum("nab,kab->nk", drawn, areas) / drawn.sum(axis=(1, 2))[:, None]
    assert (shares >= least - 1e-6).all()
    np.testing.assert_allclose(shares[: len(cells)].min(axis=0), least, atol=1e-6)
    assert least[0] == 0 if grid == (28, 28) else least[0] > 0.1


def test_an_unknown_area_has_no_least_share():
    assert np.isnan(least_shares(np.full((1, 28, 28), np.nan), (4, 4))).all()
