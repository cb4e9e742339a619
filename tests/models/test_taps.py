"""Maps of hooked modules, of networks of every kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from fer_au.errors import ArgumentError
from fer_au.models.taps import Taps

SMALL_SWIN: dict[str, Any] = {"window_size": 4, "embed_dim": 24, "depths": (1, 1), "num_heads": (1, 1)}
MODELS: dict[str, tuple[Callable[[], nn.Module], list[str], tuple[int, int]]] = {
    "torchvision": (lambda: torchvision.models.resnet18(num_classes=2), ["layer4"], (4, 4)),
    "timm": (lambda: timm.create_model("test_convnext", num_classes=2), ["stages.3"], (4, 4)),
    "class token": (lambda: timm.create_model("test_vit", img_size=128, num_classes=2), ["blocks.3"], (8, 8)),
    "no class token": (lambda: timm.create_model("test_vit2", img_size=128, num_classes=2), ["blocks.3"], (8, 8)),
    "channels last": (
        lambda: timm.create_model("swin_s3_tiny_224", img_size=128, num_classes=2, **SMALL_SWIN),
        ["layers.1"],
        (16, 16),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_maps_of_every_kind_of_network(name: str) -> None:
    make, layers, grid = MODELS[name]
    net = make()
    taps = Taps(net, layers)
    net(torch.rand(2, 3, 128, 128))
    assert taps.input_size == (128, 128)
    (features,) = taps.maps()
    assert (len(features), *features.shape[2:]) == (2, *grid)
    features.square().mean().backward()  # type: ignore[no-untyped-call]
    assert any(one.grad is not None and one.grad.any() for one in net.parameters())
    taps.remove()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_tokens_in_front_are_told_or_counted() -> None:
    images = torch.rand(4, 3, 32, 32)

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            cells = nn.functional.adaptive_avg_pool2d(x, 4).flatten(2).transpose(1, 2)
            out: tuple[Tensor, str] = self.block((torch.cat([torch.full_like(cells[:, :3], 9), cells], 1), "more"))
            return out[0].mean((1, 2))

    net = Tokens()
    expected = nn.functional.adaptive_avg_pool2d(images, 4).mean(1)
    for extra in (None, 3):
        taps = Taps(net, ["block"], extra_tokens=extra)
        net(images)
        torch.testing.assert_close(taps.maps()[0].mean(1), expected)
    taps = Taps(net, ["block"], extra_tokens=1)
    net(images)
    with pytest.raises(ArgumentError, match="gave 19 tokens, which are no square with 1 of them left out"):
        taps.maps()
