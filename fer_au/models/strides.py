"""Changes to the strides of a built backbone: the AU-cue paper's larger maps, and a way around a faulty kernel."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from torch import Tensor, nn

from fer_au.errors import ConfigError

LARGE_MAPS_STRIDE = 8


def remove_dilation(backbone: nn.Module, name: str) -> None:
    """Set every dilated convolution of a backbone back to dilation 1, in place.

    A timm backbone built with ``output_stride`` has stride 1 and growing dilation in its last stages. Without the
    dilation it is the network of the AU-cue paper: the same weights and the same map size, and each cell sees a
    smaller part of the face.

    Args:
        backbone: A timm model that was built with ``output_stride``.
        name: Name of the backbone, used in messages.

    Raises:
        ConfigError: No convolution is dilated, or a dilated kernel has an even side, which would shift the map by half
            a cell.
    """
    dilated = [module for module in backbone.modules() if isinstance(module, nn.Conv2d) and max(module.dilation) > 1]
    if not dilated or any(side % 2 == 0 for conv in dilated for side in conv.kernel_size):
        raise ConfigError(f"model.large_maps: backbone {name!r} doesn't support it; try a ResNet, or output_stride")
    for conv in dilated:
        conv.dilation = (1, 1)
        if not isinstance(conv.padding, str) and max(conv.padding) > 0:  # timm's "same" layers pad by themselves
            conv.padding = ((conv.kernel_size[0] - 1) // 2, (conv.kernel_size[1] - 1) // 2)
    _drop_unstrided_pools(backbone)


def hold_stride(convolutions: Iterable[nn.Conv2d], wanted: int, dilated: bool) -> int:
    """Leave out the strides of a chain of convolutions beyond a wanted stride, in place; weights stay as they are.

    Args:
        convolutions: Convolutions with odd kernels, in network order; none lies beside another one.
        wanted: Input pixels per cell of the last map.
        dilated: Whether the convolutions behind a stride that is left out see the same cells of the face as before.

    Returns:
        Stride of the last map; less than ``wanted`` where the chain has no more.
    """
    reached = dilation = 1
    for conv in convolutions:
        side = conv.kernel_size[0]
        if side > 1:
            conv.dilation = (dilation, dilation)
            conv.padding = (dilation * (side - 1) // 2,) * 2
        step = int(conv.stride[0])
        if reached * step <= wanted:
            reached *= step
        else:
            conv.stride = (1, 1)
            dilation *= step if dilated else 1
    return reached


def avoid_strided_pointwise(backbone: nn.Module) -> None:
    """Let strided 1x1 convolutions of the image read a subsampled image at stride 1, in place; the result is the same.

    RepVGG and MobileOne have such a convolution. The kernel of its weight gradient writes outside its memory on CPUs
    with AVX-512 if the model is channels_last (torch 2.15, fewer than 16 input channels), which ends in a crash at
    some later time.
    """
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.in_channels < 16:
            rows, columns = module.stride
            if (rows, columns) != (1, 1):
                module.stride = (1, 1)
                module.register_forward_pre_hook(partial(_subsample, rows=rows, columns=columns))


def _subsample(_: nn.Module, inputs: tuple[Tensor, ...], *, rows: int, columns: int) -> Tensor:
    return inputs[0][:, :, ::rows, ::columns]


def _drop_unstrided_pools(module: nn.Module) -> None:
    # A 2x2 average at stride 1, left in the shortcuts of "d" and "t" ResNets, only blurs and shifts by half a cell.
    for key, child in module.named_children():
        if isinstance(child, nn.AvgPool2d) and child.stride in (1, (1, 1)):
            setattr(module, key, nn.Identity())
        else:
            _drop_unstrided_pools(child)
