"""The benchmark of foreign loops: every loop steps as without guidance, and its example stays short."""

from __future__ import annotations

import pytest
import torch
import torchvision

from benchmarks.own_loop import CLASSES, LOOPS, Batch, count_lines
from fer_au.ibug68 import MEAN_FACE
from fer_au.training import AttentionGuidance

MOST_LINES = 25


def test_examples_are_short() -> None:
    assert count_lines().keys() == LOOPS.keys()
    assert max(count_lines().values()) <= MOST_LINES


@pytest.mark.parametrize("loop", LOOPS)
def test_a_guided_step_moves_the_weights_elsewhere(loop: str) -> None:
    torch.manual_seed(0)
    batch: Batch = {
        "image": torch.rand(4, 3, 64, 64),
        "labels": torch.arange(4),
        "points": torch.from_numpy((MEAN_FACE * 0.4 + [0.5, 0.35]) * 64).float().repeat(4, 1, 1),
    }
    after = []
    for weight in (None, 50.0):
        torch.manual_seed(1)
        net = torchvision.models.resnet18(num_classes=len(CLASSES))
        before = net.layer3[1].conv2.weight.detach().clone()
        guide = weight and AttentionGuidance(net, ["layer3"], weight=weight, classes=CLASSES)
        LOOPS[loop](net)(batch, guide or None)
        after.append(net.layer3[1].conv2.weight.detach())
        assert not torch.equal(after[-1], before)
    assert not torch.equal(*after)
