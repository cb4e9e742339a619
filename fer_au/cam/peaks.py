"""CAM method ``prm_peak``: back-propagation of a class's peaks, the second half of Peak Response Maps.

Zhou et al., CVPR 2018, section 3.2: a peak is a unit of probability, which walks down the network. From a cell it goes
to the activations below in proportion to what each adds to the cell: the activation times its positive weight. Signed
activations are counted from the image's least one on, as elsewhere in the project. Batch norms, dropout and ReLUs map
cell to cell and let it pass; a maximum sends it to its place; a sum divides it among its positive terms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from fer_au.cam.forward import CamInput
from fer_au.cam.registry import CAMS, CamMethod
from fer_au.errors import ConfigError
from fer_au.models.heads.prm import PrmHead, find_peaks
from fer_au.models.network import FerModel

_PASSED = (nn.BatchNorm2d, nn.ReLU, nn.ReLU6, nn.Dropout, nn.Identity, nn.MaxPool2d, nn.Conv2d, nn.AvgPool2d)
_TINY = 1e-12  # below it an activation adds nothing


@CAMS.register("prm_peak")
class PeakBackPropagation(CamMethod):
    """Peak back-propagation (Zhou et al., CVPR 2018): where the pixels lie that the peaks of the class map rest on.

    The peaks are the positive cells of the class map that are the highest around them; their maps are added up.
    """

    layered = False

    def check(self, model: FerModel) -> None:
        """Make sure that the head has peaks, and that the backbone's layers are of the kinds that the rules are for.

        Raises:
            ConfigError: It isn't so.
        """
        if not isinstance(model.head, PrmHead):
            raise ConfigError(f"peak back-propagation needs the peaks of head 'prm', not {type(model.head).__name__}")
        leaves = [module for module in model.backbone.modules() if not list(module.children())]
        if other := next((leaf for leaf in leaves if not isinstance(leaf, _PASSED)), None):
            raise ConfigError(
                f"peak back-propagation has no rule for {type(other).__name__} of backbone {model.config.backbone!r}; "
                "try a resnet"
            )

    def maps(self, batch: CamInput) -> Tensor:
        """Send the peaks down to the pixels."""
        head = batch.head
        if not isinstance(head, PrmHead):
            raise TypeError("head 'prm' is missing")
        with torch.enable_grad(), _Probabilities():
            leaf = batch.images.detach().requires_grad_()
            maps = functional.conv2d(batch.model.trunk(leaf).final.float(), head.conv.weight)
        with torch.enable_grad():
            own = maps[range(len(maps)), batch.target]
        peaks = find_peaks(own.detach()[:, None], head.options.kernel)[:, 0] & (own > 0)
        (found,) = torch.autograd.grad(own, leaf, grad_outputs=peaks.float())
        return found.sum(1)


class _Probabilities(TorchFunctionMode):
    """While it is on, the backward pass of what is computed carries probabilities in place of gradients."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Any = None,  # noqa: ANN401 - what torch says
    ) -> Any:  # noqa: ANN401
        options: Mapping[str, Any] = kwargs or {}
        if func in (functional.conv2d, torch.conv2d):
            x, weight, *rest = args
            without = {**options, "bias": None} if "bias" in options else options
            unbiased = [None, *rest[1:]][: len(rest)]
            compute = partial(_first, func, (weight, *rest), options)
            return _Shared.apply(x, compute, partial(_first, func, (weight.relu(), *unbiased), without))
        if func is functional.avg_pool2d:
            mean = partial(_first, func, args[1:], options)
            return _Shared.apply(args[0], mean, mean)
        if func in _CELL_BY_CELL:
            return _Passed.apply(args[0], partial(_first, func, args[1:], options))
        if func in _SUMS:
            return _Divided.apply(args[0], args[1])
        return func(*args, **options)


_CELL_BY_CELL = frozenset(
    {functional.batch_norm, functional.relu, functional.relu6, functional.hardtanh, torch.relu, Tensor.relu}
)
_SUMS = frozenset({torch.add, Tensor.add, Tensor.add_, Tensor.__add__, Tensor.__iadd__})


def _first(func: Callable[..., Tensor], others: tuple[Any, ...], options: Mapping[str, Any], x: Tensor) -> Tensor:
    return func(x, *others, **options)


class _Passed(torch.autograd.Function):
    """A function of single cells: each hands its probability on."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:  # noqa: ANN401
        """Compute it, on a copy: it may work in place."""
        return compute(x.clone())

    @staticmethod
    def backward(ctx: Any, *found: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        """Pass."""
        return found[0], None


class _Divided(torch.autograd.Function):
    """A sum of two: they share by what is positive of them, or evenly where nothing is."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:  # noqa: ANN401
        """Add."""
        ctx.save_for_backward(x, y)
        return x + y

    @staticmethod
    def backward(ctx: Any, *found: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        """Divide."""
        x, y = (part.relu() + _TINY for part in ctx.saved_tensors)
        own = found[0] * x / (x + y)
        return own, found[0] - own


class _Shared(torch.autograd.Function):
    """A linear function of a window: its cells share by activation times positive weight."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, compute: Callable[[Tensor], Tensor], positive: object) -> Tensor:  # noqa: ANN401
        """Compute it."""
        ctx.save_for_backward(x)
        ctx.positive = positive
        return compute(x)

    @staticmethod
    def backward(ctx: Any, *found: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        """Share."""
        (x,) = ctx.saved_tensors
        active = x - x.amin((1, 2, 3), keepdim=True).clamp(max=0)
        with torch.enable_grad():
            leaf = active.detach().requires_grad_()
            total = ctx.positive(leaf)
            unit = torch.where(total > _TINY, found[0] / total.detach().clamp(min=_TINY), 0.0)
            (back,) = torch.autograd.grad(total, leaf, unit)
        return active * back, None, None
