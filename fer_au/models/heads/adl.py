"""Head ``adl``: GAP and one linear layer, on a backbone that hides its strongest cells from itself in training."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from fer_au.errors import ConfigError
from fer_au.maps import channel_mean
from fer_au.models.heads.base import HEADS
from fer_au.models.heads.gap import GapHead
from fer_au.models.options import number
from fer_au.models.parts import Trunk

# Which blocks of the last but one and of the last stage are followed by a drop block; a stage with fewer has it at its
# end. ResNet-50: after block 0 of stage 3, and after blocks 0 and 2 of stage 4, its last.
_PLACES = ((0,), (0, 2))


@HEADS.register("adl")
class AdlHead(GapHead):
    """Attention-based dropout layer (Choe and Shim, CVPR 2019) in the backbone, and the head ``gap``.

    In training the output of some blocks is multiplied, for a whole batch at a time, by one of two maps that derive
    from its channel mean M: with probability ``drop_rate`` by a drop mask, 1 where M < ``threshold`` * max M and 0
    elsewhere; else by the importance map sigmoid(M). Outside training nothing happens. The model's feature layers are
    those that the next block receives.

    Places and defaults are the AU-cue paper's; on backbones other than ResNets the places are in the last two stages
    that are made of blocks. Deviation: drop blocks are hooks and no modules of the backbone, so that pretrained weights
    keep their names, and the class maps are those of the last block. In the paper's code the modules inserted shift
    the names: blocks get the weights of their neighbours or none, and the CAM is taken one block too early.

    Args:
        channels: Of the trunk's final map.
        classes: Number of classes.
        drop_rate: Probability of the drop mask, in [0, 1].
        threshold: Of the drop mask, as a share of the largest value, in [0, 1].
    """

    def __init__(self, channels: int, classes: int, drop_rate: float = 0.4, threshold: float = 0.1) -> None:
        super().__init__(channels, classes)
        self.drop_rate = number("drop_rate", drop_rate, 0, 1)
        self.threshold = number("threshold", threshold, 0, 1)

    def attach(self, backbone: Trunk) -> None:
        """Hook the drop blocks onto the backbone.

        Raises:
            ConfigError: The backbone has no convolutional blocks.
        """
        stages = _block_stages(backbone.network)[-len(_PLACES) :]
        if not stages:
            raise ConfigError(
                f"head 'adl' needs blocks of convolutions, and backbone {backbone.name!r} has none; try a resnet"
            )
        for (blocks, channels), places in zip(stages, _PLACES[-len(stages) :], strict=True):
            # A partial of plain values: copies of the model share it, and it keeps no module alive.
            hook = partial(_after_block, channels=channels, drop_rate=self.drop_rate, threshold=self.threshold)
            for place in sorted({min(place, len(blocks) - 1) for place in places}):
                blocks[place].register_forward_hook(hook)


def drop_block(features: Tensor, drop_rate: float, threshold: float) -> Tensor:
    """Multiply features by a drop mask or an importance map; see ``AdlHead``.

    Args:
        features: (N, c, h, w).
        drop_rate: Probability of the drop mask; one draw for the batch, from the global random state of the CPU.
        threshold: Share of the largest mean of each image at which the drop mask begins.

    Returns:
        (N, c, h, w) in the features' type.
    """
    attention = channel_mean(features)
    if float(torch.rand(())) < drop_rate:
        factor = (attention < threshold * attention.amax((1, 2), keepdim=True)).to(features.dtype)
    else:
        factor = attention.sigmoid().to(features.dtype)
    return features * factor.unsqueeze(1)


def _after_block(
    block: nn.Module, _: tuple[Any, ...], output: Tensor, *, channels: int, drop_rate: float, threshold: float
) -> Tensor | None:
    if output.ndim != 4 or output.shape[1] != channels:
        kind = type(block).__name__
        raise ConfigError(
            f"head 'adl' needs blocks that give maps of {channels} channels, and not {kind}; try a resnet"
        )
    return drop_block(output, drop_rate, threshold) if block.training else None


def _block_stages(network: nn.Module) -> list[tuple[list[nn.Module], int]]:
    """Blocks and channels of each stage of a timm network that is made of blocks, in network order."""
    info = cast(Any, network).feature_info
    entries = list(info if isinstance(info, list) else info.get_dicts())
    modules = dict(network.named_modules())  # without the classifier's, which some names in feature_info belong to
    stages = [(_blocks(modules.get(entry["module"])), int(entry["num_chs"])) for entry in entries]
    return [(blocks, channels) for blocks, channels in stages if blocks]


def _blocks(stage: nn.Module | None) -> list[nn.Module]:
    """The composite children of a stage with a convolution that looks at neighbours: not layers, not attention."""
    if stage is None:
        return []
    children = getattr(stage, "blocks", stage).children()
    return [child for child in children if any(_looks_around(part) for part in child.modules() if part is not child)]


def _looks_around(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and max(module.kernel_size) > 1
