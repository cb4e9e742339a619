from __future__ import annotations

import numpy as np
import torch

from fer_au.cues import render_au_maps
from fer_au.evaluation import cosine_alignment
from fer_au.evaluation.class_means import ClassMeans, class_mean_maps
from fer_au.evaluation.inference import MOVES, draw_moves, move_images, move_maps
from fer_au.ibug68 import MEAN_FACE


def au_maps(count: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(2)
    points = MEAN_FACE * 90 + [112, 90] + rng.normal(0, 2, (count, 1, 2)) + rng.normal(0, 1.0, (count, 68, 2))
    labels = ["happiness", "anger", "surprise"] * (count // 3)
    return points, render_au_maps(points, labels, 224, 28, "corrected", "corrected")[0], labels


def moved_points(points: np.ndarray, moves: torch.Tensor, size: float) -> np.ndarray:
    normal = points / size * 2 - 1
    matrices = moves.numpy().astype(np.float64)
    return (np.einsum("nij,npj->npi", matrices[:, :, :2], normal) + matrices[:, None, :, 2] + 1) * size / 2


def test_a_moved_target_is_the_target_of_the_moved_face():
    points, maps, labels = au_maps(30)
    moves = draw_moves(30, seed=1)
    moved = move_maps(torch.from_numpy(maps), moves).numpy()
    rendered, _ = render_au_maps(moved_points(points, moves, 224), labels, 224, 28, "corrected", "corrected")
    assert cosine_alignment(moved, rendered).mean() > 0.97
    assert cosine_alignment(moved, maps).mean() < 0.85


def test_image_and_target_move_together():
    maps = torch.zeros(20, 112, 112)
    maps[:, 50:70, 30:45] = 1.0
    moves = draw_moves(20, seed=3)
    images = move_images(maps[:, None].expand(-1, 3, -1, -1), moves)
    np.testing.assert_allclose(images[:, 0].numpy(), move_maps(maps, moves).numpy(), atol=1e-5)


def test_a_class_mean_can_not_follow():
    _, maps, labels = au_maps(60)
    moved = move_maps(torch.from_numpy(maps), draw_moves(60, seed=0)).numpy()
    means = ClassMeans()
    means.add(maps, labels, np.ones(60, bool))
    guess = class_mean_maps(means.maps(), labels, 28)
    still, gone = (
        cosine_alignment(guess, maps.astype(float)).mean(),
        cosine_alignment(guess, moved.astype(float)).mean(),
    )
    assert still > 0.9
    assert gone < still - 0.3


def test_the_seed_alone_decides_and_every_image_keeps_its_own_move():
    assert torch.equal(draw_moves(9, seed=4), draw_moves(9, seed=4))
    assert not torch.equal(draw_moves(9, seed=4), draw_moves(9, seed=5))


def test_moves_are_similarities_within_their_bounds_and_never_mirror():
    moves = draw_moves(500, seed=0).double()
    linear = moves[:, :, :2]
    zoom = torch.linalg.det(linear).sqrt()
    assert torch.allclose(linear @ linear.mT, (zoom**2)[:, None, None] * torch.eye(2, dtype=torch.double), atol=1e-6)
    assert zoom.min() >= MOVES.scale[0] - 1e-6
    assert zoom.max() <= MOVES.scale[1] + 1e-6
    angle = torch.rad2deg(torch.atan2(linear[:, 1, 0], linear[:, 0, 0])).abs()
    assert 15 < angle.max() <= MOVES.rotate + 1e-4
    assert moves[:, :, 2].abs().max() <= 2 * MOVES.shift + 1e-6
