"""Head ``adl``: GAP and one linear layer, on a backbone that drops its strongest cells in training."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from fer_au.config.experiments import Probability
from fer_au.config.options import PartOptions
from fer_au.config.unread import ReadIf
from fer_au.errors import ConfigError
from fer_au.maps import channel_mean
from fer_au.models.heads.base import HEADS
from fer_au.models.heads.gap import GapHead
from fer_au.models.parts import Trunk

# Which blocks of the last but one and of the last stage are followed by a drop block; a stage with fewer has it at its
# end. ResNet-50: after block 0 of stage 3, and after blocks 0 and 2 of stage 4, its last.
_PLACES = ((0,), (0, 2))


@HEADS.register("adl")
class AdlHead(GapHead):
    """Attention-based dropout layers in the backbone (Choe and Shim, CVPR 2019), and the head ``gap``.

    In training the output of some blocks is multiplied, for a whole batch at a time, by one of two maps that derive
    from its channel mean M: with probability ``drop_rate`` by a drop mask, 1 where M < ``threshold`` * max M and 0
    elsewhere; otherwise by the importance map sigmoid(M). Outside of training nothing happens. A feature layer of the
    model is the product, which the next block receives.

    Places and defaults are the AU-cue paper's; on backbones other than ResNets the places are in the last two stages
    that are made of blocks. Deviation: drop blocks are hooks and no modules of the backbone, so that pretrained weights
    keep their names, and the class maps are those of the last block. In the paper's code the inserted modules shift
    the names: blocks get the weights of their neighbours or none, and the CAM is taken one block too early.
    """

    class Options(PartOptions):
        """Options of head ``adl``.

        Attributes:
            drop_rate: Probability of the drop mask.
            threshold: Value from which on the drop mask hides cells, as a share of the largest value.
        """

        READ_IF = (ReadIf("threshold", lambda one: one.drop_rate > 0, "drop_rate is 0"),)

        drop_rate: Probability = 0.4
        threshold: Probability = 0.1

    options: Options

    def attach(self, backbone: Trunk) -> None:
        """Hook the drop blocks onto the backbone.

        Raises:
            ConfigError: The backbone has no blocks of convolutions.
        """
        drop_rate, threshold = self.options.drop_rate, self.options.threshold
        stages = backbone.block_stages()[-len(_PLACES) :]
        if not stages:
            raise ConfigError(
                f"head 'adl' needs blocks of convolutions, and backbone {backbone.name!r} has none; try a resnet"
            )
        for (blocks, channels), places in zip(stages, _PLACES[-len(stages) :], strict=True):
            # A partial of plain values: copies of the model share it, and it keeps no module alive.
            hook = partial(_after_block, channels=channels, drop_rate=drop_rate, threshold=threshold)
            for place in sorted({min(place, len(blocks) - 1) for place in places}):
                blocks[place].register_forward_hook(hook)


def drop_block(features: Tensor, drop_rate: float, threshold: float) -> Tensor:
    """Multiply features by a drop mask or an importance map; see ``AdlHead``.

    Args:
        features: Output of a block, (N, c, h, w).
        drop_rate: Probability of the drop mask; one draw for the batch, from the global random state of the CPU.
        threshold: Share of each image's largest channel mean from which on the drop mask hides cells.

    Returns:
        Product (N, c, h, w) in the features' type.
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
