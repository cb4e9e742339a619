"""Head ``acol``: two branches; the second learns from the features that the first branch's map leaves."""

from __future__ import annotations

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from fer_au.config.experiments import Probability
from fer_au.config.options import PartOptions
from fer_au.maps import min_max
from fer_au.models.heads.base import HEADS
from fer_au.models.parts import Head, HeadOutput, TrunkOutput


@HEADS.register("acol")
class AcolHead(Head):
    """Adversarial complementary learning: two branches (Zhang et al., CVPR 2018).

    Each branch makes one map per class with two 3x3 convolutions and a 1x1 convolution, and averages it to a logit. In
    training the second branch sees features set to 0 where the first branch's map of the true class, scaled to [0, 1],
    reaches ``threshold``; no gradient passes through that choice. Both branches learn the label; the first predicts.

    Defaults are the AU-cue paper's; Zhang et al. find a threshold of 0.6 best. Deviation: no label is needed outside
    training. The second branch is left out of predictions, and class maps erase each class's own evidence in turn. In
    training without labels the first branch's prediction decides which cells are erased.
    """

    class Options(PartOptions):
        """Options of head ``acol``.

        Attributes:
            width: Channels of a branch's two hidden layers.
            threshold: Value of the map, scaled to [0, 1], from which on features are erased; 0 erases everything.
        """

        width: PositiveInt = 1024
        threshold: Probability = 0.1

    options: Options

    def __init__(self, channels: int, classes: int, **options: object) -> None:
        super().__init__(channels, classes, **options)
        self.first = _branch(channels, self.options.width, classes)
        self.second = _branch(channels, self.options.width, classes)

    def forward(self, trunk: TrunkOutput, labels: Tensor | None = None) -> HeadOutput:
        """Score features; the second branch's logits are auxiliary, the head has no attention map of its own."""
        maps = self.first(trunk.final)
        logits = maps.mean((2, 3))
        if not self.training and labels is None:
            return HeadOutput(logits)
        chosen = logits.argmax(1) if labels is None else labels
        maps = min_max(maps[torch.arange(len(maps), device=maps.device), chosen])
        return HeadOutput(logits, auxiliary=(self.second(self._erase(trunk.final, maps)).mean((2, 3)),))

    def class_maps(self, trunk: TrunkOutput) -> Tensor:
        """Compute, for each class, the larger of both branches' maps, each scaled to [0, 1]; never negative.

        The second branch runs once per class, because each class's own map erases: with 7 classes this costs four times
        a training step of the head.
        """
        first = min_max(self.first(trunk.final))
        second = [self.second(self._erase(trunk.final, maps))[:, label] for label, maps in enumerate(first.unbind(1))]
        return torch.maximum(first, min_max(torch.stack(second, dim=1)))

    def _erase(self, features: Tensor, maps: Tensor) -> Tensor:
        """Set features (N, c, h, w) to 0 where the maps (N, h, w) reach the threshold."""
        return features * (maps < self.options.threshold).unsqueeze(1)


def _branch(channels: int, width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, classes, 1),
    )
