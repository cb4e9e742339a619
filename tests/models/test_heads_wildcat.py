"""Head ``wildcat`` against plain numpy; the lowest cells must count."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from fer_au.models.heads.wildcat import WildcatHead
from fer_au.models.parts import TrunkOutput

CHANNELS, CLASSES, CELLS = 6, 3, 49


def trunk(seed: int = 0) -> TrunkOutput:
    return TrunkOutput(torch.randn(2, CHANNELS, 7, 7, generator=torch.Generator().manual_seed(seed)), {})


def head(**options: float) -> WildcatHead:
    torch.manual_seed(1)
    made = WildcatHead(CHANNELS, CLASSES, **options).eval()
    torch.nn.init.normal_(made.bias)
    return made


def expected_maps(made: WildcatHead, features: Tensor) -> np.ndarray:
    weights = made.conv.weight.detach().numpy()[:, :, 0, 0].reshape(CLASSES, made.options.modalities, CHANNELS)
    every = np.einsum("kmc,nchw->nkmhw", weights, features.numpy())
    return every.mean(axis=2)


def expected_logits(made: WildcatHead, features: Tensor, top: int, low: int, alpha: float) -> np.ndarray:
    cells = np.sort(expected_maps(made, features).reshape(2, CLASSES, -1), axis=2)
    lowest = alpha * cells[:, :, :low].mean(axis=2) if low else 0
    return cells[:, :, -top:].mean(axis=2) + lowest + made.bias.detach().numpy()


@pytest.mark.parametrize(
    ("options", "top", "low", "alpha"),
    [
        ({}, 24, 5, 0.6),
        ({"modalities": 1, "kmax": 1.0, "kmin": 0.0}, CELLS, 0, 0.0),
        ({"kmax": 0.001, "kmin": 0.001, "alpha": 1.0}, 1, 1, 1.0),
        ({"kmax": 0.2, "kmin": 0.3, "alpha": -0.5}, 10, 15, -0.5),
    ],
)
def test_logits_are_means_of_the_highest_and_of_the_lowest_cells(
    options: dict[str, float], top: int, low: int, alpha: float
) -> None:
    made = head(**options)
    with torch.no_grad():
        found = made(trunk()).logits
    assert np.allclose(found, expected_logits(made, trunk().final, top, low, alpha), atol=1e-5)


def test_the_lowest_cells_change_the_logits_and_receive_gradients() -> None:
    # The AU-cue paper's code adds them to a copy, so that alpha and kmin do nothing.
    with torch.no_grad():
        assert not torch.allclose(head(alpha=0.6)(trunk()).logits, head(alpha=0.0)(trunk()).logits, atol=1e-3)
    made = head(alpha=0.6)
    features = trunk().final.requires_grad_()
    made(TrunkOutput(features, {})).logits[0, 1].backward()
    lowest = expected_maps(made, features.detach())[0, 1].ravel().argsort()[:5]
    assert features.grad is not None
    assert (features.grad[0].flatten(1)[:, lowest].abs().sum(0) > 0).all()


def test_class_maps_are_the_mean_over_modalities_without_the_bias() -> None:
    made = head()
    with torch.no_grad():
        assert np.allclose(made.class_maps(trunk()), expected_maps(made, trunk().final), atol=1e-5)


def test_dropout_leaves_out_high_cells_in_training_alone() -> None:
    made = head(dropout=0.5)
    with torch.no_grad():
        kept = made(trunk()).logits
        assert torch.equal(kept, made(trunk()).logits)
        made.train()
        assert not torch.allclose(kept, made(trunk()).logits, atol=1e-3)
