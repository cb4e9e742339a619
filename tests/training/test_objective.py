from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fer_au.training.objective import cross_entropy


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


LOGITS = torch.randn(6, 4, generator=seeded()) * 3
LABELS = torch.tensor([0, 3, 1, 1, 2, 0])
SHARES = functional.one_hot(LABELS).float()
WEIGHTS = torch.tensor([0.5, 1.0, 2.0, 4.0])


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_one_hot_shares_give_torchs_loss_of_indices(weights: Tensor | None, smoothing: float) -> None:
    expected = functional.cross_entropy(LOGITS, LABELS, weights, label_smoothing=smoothing)
    assert torch.allclose(cross_entropy(LOGITS, SHARES, weights, smoothing), expected, atol=1e-6)


def test_mixed_shares_give_the_mix_of_both_losses() -> None:
    other = LABELS.flip(0)
    shares = 0.7 * SHARES + 0.3 * functional.one_hot(other).float()
    one, two = (functional.cross_entropy(LOGITS, labels, reduction="sum") for labels in (LABELS, other))
    assert torch.allclose(cross_entropy(LOGITS, shares), (0.7 * one + 0.3 * two) / 6, atol=1e-5)
    sums = [functional.cross_entropy(LOGITS, labels, WEIGHTS, reduction="sum") for labels in (LABELS, other)]
    scale = 0.7 * WEIGHTS[LABELS].sum() + 0.3 * WEIGHTS[other].sum()
    expected = (0.7 * sums[0] + 0.3 * sums[1]) / scale
    assert torch.allclose(cross_entropy(LOGITS, shares, WEIGHTS), expected, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"weights": WEIGHTS, "smoothing": 0.2}])
def test_parts_of_a_batch_that_know_the_whole_count_average_to_the_whole_batch(options: dict[str, Any]) -> None:
    weights = options.get("weights", torch.ones(4))
    whole = cross_entropy(LOGITS, SHARES, **options)
    mean_norm = (weights * SHARES).sum() / 3
    parts = [cross_entropy(LOGITS[rows], SHARES[rows], **options, mean_count=lambda _: mean_norm)
             for rows in (slice(0, 3), slice(3, 5), slice(5, 6))]  # fmt: skip
    assert torch.allclose(torch.stack(parts).mean(), whole, atol=1e-6)


def test_images_without_shares_count_for_nothing_under_smoothing_too() -> None:
    empty = torch.cat([SHARES, torch.zeros(2, 4)])
    logits = torch.cat([LOGITS, torch.full((2, 4), 9.0)])
    assert torch.allclose(cross_entropy(logits, empty, smoothing=0.3), cross_entropy(LOGITS, SHARES, smoothing=0.3))


def test_it_is_float32_whatever_the_logits_are() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        loss = cross_entropy(LOGITS.bfloat16(), SHARES)
    assert loss.dtype == torch.float32
    assert torch.allclose(loss, cross_entropy(LOGITS.bfloat16().float(), SHARES))
