from __future__ import annotations

import numpy as np
import pytest

from fer_au.cues import create_cue, render_au_maps
from fer_au.cues.cue import FaceBatch
from fer_au.cues.regions import side_coverage
from fer_au.evaluation import centered_cosine, cosine_alignment, macro_mean
from fer_au.evaluation.baselines import gaussian_map, least_shares, reference_maps
from fer_au.evaluation.class_means import ClassMeans, class_mean_maps
from fer_au.evaluation.comparison import comparison_maps
from fer_au.evaluation.map_scores import own_target_rank
from fer_au.evaluation.scores import map_agreement, map_places
from fer_au.evaluation.truth import Truth
from fer_au.ibug68 import MEAN_FACE
from fer_au.resizing import resize_maps

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


def mean_maps(targets: np.ndarray, labels: list[str], valid: np.ndarray, block: int = 7) -> dict[str, np.ndarray]:
    """Class means, taken in by blocks."""
    means = ClassMeans()
    for start in range(0, len(labels), block):
        rows = slice(start, start + block)
        means.add(targets[rows], labels[rows], valid[rows])
    return means.maps()


def through_grid(maps: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Maps as they are compared after a layer's grid."""
    return comparison_maps(resize_maps(maps, grid), maps.shape[1])


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
    assert caps[4] == pytest.approx(0.84, abs=0.02)
    assert caps[14] == pytest.approx(0.98, abs=0.01)
    assert caps[4] < caps[7] < caps[14] < caps[28]
    assert caps[28] == pytest.approx(1.0)


def test_a_blank_map_scores_far_above_zero_but_not_in_the_centred_cosine(au_maps):
    maps, labels = au_maps
    blank = through_grid(np.ones_like(maps), (14, 14))
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


@pytest.fixture(scope="module")
def same_faces() -> Truth:
    """Twelve faces, each with every expression, and the references of all of them: 72 images of balanced classes."""
    rng = np.random.default_rng(3)
    faces = [MEAN_FACE * 100 + [112, 88] + rng.normal(0, 5, 2) + rng.normal(0, 1.5, (68, 2)) for _ in range(12)]
    points, labels = np.repeat(faces, 6, axis=0), EXPRESSIVE * 12
    targets, valid = render_au_maps(points, labels, 224, 28)
    drawn = [render_au_maps(points, [name] * 72, 224, 28)[0] for name in EXPRESSIVE]
    generic, _ = create_cue("au_generic").render(FaceBatch(points, labels, 224, 28))
    return Truth(
        labels=tuple(labels),
        targets=targets,
        valid=valid,
        choices=np.stack(drawn, axis=1),
        own=np.tile(np.arange(6), 12),
        generic=generic,
        coverage=side_coverage(points, 224, (28, 28)).astype(np.float32),
        class_means=mean_maps(targets, labels, valid),
        motion=None,
    )


@pytest.mark.parametrize("grid", [(28, 28), (12, 12), (4, 4)])
def test_no_baseline_that_knows_no_class_beats_chance_in_telling_classes_apart(same_faces, grid):
    chance = {"class_rank": 1 / 6, "class_auc": 0.5}
    for name, maps in reference_maps(same_faces).items():
        scores = map_agreement(resize_maps(maps, grid), same_faces)
        for score, value in chance.items():
            if name in ("ceiling", "baseline.class_mean"):  # a coarse grid can't draw the difference
                assert scores[score].mean() > (0.9 if grid[0] > 7 else 1.2 * value)
            else:
                assert scores[score].mean() == pytest.approx(value), (name, score)


def test_a_face_mask_wins_the_specificity_that_a_blank_map_loses(same_faces):
    """Why `att_specificity` proves no look at action units, and the class rank is there."""
    maps = reference_maps(same_faces)
    ranks = {name: own_target_rank(maps[name], same_faces.targets, same_faces.labels) for name in maps}
    assert ranks["baseline.face"].mean() > 0.6
    assert [ranks[f"baseline.{name}"].mean() for name in ("blank", "gaussian")] == pytest.approx([0.5, 0.5])


def test_the_references_lie_where_their_names_say(same_faces):
    maps = reference_maps(same_faces)
    background = {name: map_places(own, same_faces)["region.background"].mean() for name, own in maps.items()}
    assert background["baseline.face"] < 0.1 < background["baseline.gaussian"] < background["baseline.blank"]
    assert background["baseline.generic"] < 0.1


def test_the_gaussian_is_centred_and_falls_to_its_sigma_at_a_quarter_of_the_crop():
    drawn = gaussian_map(100)
    np.testing.assert_allclose(drawn, drawn[::-1, ::-1])
    np.testing.assert_allclose(drawn, drawn.T)
    assert drawn[50, 75] / drawn[50, 50] == pytest.approx(np.exp(-0.5), rel=0.03)
