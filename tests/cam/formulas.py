"""The published formulas of the CAM methods, in float64 and by plain autograd through a whole network.

They know nothing of the package's own forward pass: a layer is the output of one of the network's modules, caught by a
hook, and the scores are a sum over the head's formula.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from fer_au.models import FerModel
from fer_au.models.parts import TrunkOutput

Formula = Callable[[Tensor, Tensor], Tensor]


def weighted(weights: Tensor, features: Tensor) -> Tensor:
    return torch.einsum("nc,nchw->nhw", weights, features).relu()


def gradcam_plus_plus(features: Tensor, gradients: Tensor) -> Tensor:
    alpha = gradients**2 / (2 * gradients**2 + features.relu().sum((2, 3), keepdim=True) * gradients.relu() ** 3)
    return weighted((alpha * gradients.relu()).nan_to_num(0).sum((2, 3)), features)


def xgradcam(features: Tensor, gradients: Tensor) -> Tensor:
    shares = features / features.sum((2, 3), keepdim=True)
    return weighted((shares * gradients).sum((2, 3)).nan_to_num(0), features)


FORMULAS: dict[str, Formula] = {
    "gradcam": lambda features, gradients: weighted(gradients.mean((2, 3)), features),
    "gradcam++": gradcam_plus_plus,
    "xgradcam": xgradcam,
    "hirescam": lambda features, gradients: (gradients * features).sum(1).relu(),
    "layercam": lambda features, gradients: (gradients.relu() * features).sum(1).relu(),
}
"""Method -> map (N, h, w) of features and gradients (N, c, h, w)."""


def score_by_hand(model: FerModel, trunk: TrunkOutput) -> Tensor:
    """Logits of a gap head, in the trunk's own precision."""
    linear = model.head.linear
    return functional.linear(trunk.final.mean((2, 3)), linear.weight, linear.bias)


def through_the_network(model: FerModel, images: Tensor, target: Tensor, module: str) -> tuple[Tensor, Tensor]:
    """Output of a module and its gradient, by float64 autograd through the whole network: (N, c, h, w) both."""
    twin = copy.deepcopy(model).eval().double()
    caught: list[Tensor] = []
    twin.backbone.get_submodule(module).register_forward_hook(lambda _, inputs, output: caught.append(output))
    trunk = twin.backbone(images.double())
    score = score_by_hand(twin, trunk)[range(len(images)), target].sum()
    (gradients,) = torch.autograd.grad(score, caught[0])
    grid = next(maps.shape[2:] for layer, maps in trunk.features.items() if layer)
    return as_map(caught[0].detach(), trunk, grid), as_map(gradients, trunk, grid)


def as_map(values: Tensor, trunk: TrunkOutput, grid: Any) -> Tensor:
    """Tokens (N, extra + h*w, c) or channels last (N, h, w, c) as a map; maps stay."""
    if values.ndim == 3:
        return values[:, -grid.numel() :].transpose(1, 2).unflatten(2, grid)
    return values
