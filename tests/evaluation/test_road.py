"""The filling of removed pixels beside that of ROAD's paper: a linear system of weighted neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve

from fer_au.evaluation.blurring import blur_images
from fer_au.evaluation.covering import cover
from fer_au.evaluation.faithfulness import rank_pixels
from fer_au.evaluation.road import SHARES, remove_and_debias

SIDE = 16
# Weights of the direct and the diagonal neighbours (Rong et al. 2022, 4.1); at the border, of those that are there.
NEIGHBOURS = {(0, 1): 2, (1, 0): 2, (0, -1): 2, (-1, 0): 2, (1, 1): 1, (1, -1): 1, (-1, 1): 1, (-1, -1): 1}


def solved(image: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """Fill the removed pixels of (C, H, W), so that each is the weighted mean of its neighbours."""
    places = {place: number for number, place in enumerate(zip(*np.nonzero(removed), strict=True))}
    system, right = lil_matrix((len(places), len(places))), np.zeros((len(places), len(image)))
    for (row, column), number in places.items():
        around = {(row + y, column + x): weight for (y, x), weight in NEIGHBOURS.items()}
        inside = {one: weight for one, weight in around.items() if min(one) >= 0 and max(one) < len(removed)}
        system[number, number] = sum(inside.values())
        for one, weight in inside.items():
            if one in places:
                system[number, places[one]] = -weight
            else:
                right[number] += weight * image[:, one[0], one[1]]
    filled = image.copy()
    filled[:, removed] = spsolve(system.tocsr(), right).T.reshape(len(image), -1)
    return filled


def pictures() -> torch.Tensor:
    """Smooth pictures (6, 3, 16, 16), with light from one side."""
    generator = torch.Generator().manual_seed(0)
    smooth = blur_images(torch.randn((6, 3, SIDE, SIDE), generator=generator), 0.12) * 3
    return smooth + torch.linspace(-1, 1, SIDE)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_filled_pixels_are_near_those_of_the_linear_system(share: float) -> None:
    images, maps = pictures(), torch.rand((6, SIDE, SIDE), generator=torch.Generator().manual_seed(1))
    masks = rank_pixels(maps) < share
    ours = cover(images, masks.float()).numpy()
    theirs = np.stack([solved(one, mask[0]) for one, mask in zip(images.numpy(), masks.numpy(), strict=True)])
    removed = masks.expand(-1, 3, -1, -1).numpy()
    assert np.array_equal(ours[~removed], theirs[~removed])
    assert np.corrcoef(ours[removed], theirs[removed])[0, 1] > 0.9
    assert np.abs(ours - theirs)[removed].mean() < 0.2 * images.std()


def test_scores_are_near_those_of_the_linear_system() -> None:
    images = pictures()
    maps = blur_images(torch.rand((6, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(2)), 0.1)[:, 0]
    weights = torch.randn((2, 3 * SIDE * SIDE), generator=torch.Generator().manual_seed(3)) / 20

    def probabilities(batch: torch.Tensor) -> torch.Tensor:
        return (batch.flatten(1) @ weights.T).softmax(1)

    found, target, rank = (
        remove_and_debias(probabilities, images, maps),
        probabilities(images).argmax(1),
        rank_pixels(maps),
    )
    for name, masks in (("morf", [rank < s for s in SHARES]), ("lerf", [rank >= 1 - s for s in SHARES])):
        curves = []
        for mask in masks:
            pairs = zip(images.numpy(), mask.numpy(), strict=True)
            filled = torch.from_numpy(np.stack([solved(one, own[0]) for one, own in pairs]))
            curves.append(probabilities(filled.float())[torch.arange(6), target].numpy())
        assert np.abs(getattr(found, name) - np.mean(curves, axis=0)).max() < 0.06
