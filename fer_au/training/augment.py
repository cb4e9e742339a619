"""Batched augmentation on the training device: geometry moves image and maps, colour and erasing change the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from fer_au.config.experiments import AugmentConfig
from fer_au.errors import ConfigError
from fer_au.training.geometry import random_similarities, warp
from fer_au.training.preprocess import LUMA

_ERASE_AREA = (0.02, 0.2)  # share of the image; the upper end of the paper's .33 hides a whole small face
_ERASE_ASPECT = (0.3, 3.3)


@dataclass(frozen=True)
class Augmenter:
    """Random changes of a training batch, drawn anew for every sample.

    Args:
        config: Ranges and probabilities; all zero leaves the batch as it is.

    Raises:
        ConfigError: ``scale`` is not an increasing pair.
    """

    config: AugmentConfig

    def __post_init__(self) -> None:
        if self.config.scale[0] > self.config.scale[1]:
            raise ConfigError(f"train.augment.scale: {list(self.config.scale)} is not (smallest, largest)")

    def draw(self, count: int, generator: Generator) -> Tensor:
        """Draw where the pixels of a batch of ``count`` images go, (N, 2, 3); see ``random_similarities``."""
        return random_similarities(count, self.config, generator)

    def __call__(
        self, images: Tensor, maps: Sequence[Tensor], matrices: Tensor, generator: Generator
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Augment a batch.

        Args:
            images: (N, 3, H, W) float RGB in [0, 1].
            maps: Any number of (N, h, w) maps of the same scenes, each of any size.
            matrices: What ``draw`` gave.
            generator: CPU generator of all other draws.

        Returns:
            The images, and the maps moved with them; pixels from outside the frame repeat the image's border and are
            0 in maps.
        """
        matrices = matrices.to(images.device)
        images = warp(images, matrices, "border")
        moved = tuple(warp(cue[:, None].to(images.dtype), matrices, "zeros")[:, 0] for cue in maps)
        images = change_colours(images, self.config, generator)
        return erase_rectangles(images, self.config.erase, generator), moved


def change_colours(images: Tensor, config: AugmentConfig, generator: Generator) -> Tensor:
    """Jitter brightness, contrast and saturation, and turn some images grey.

    Each is linear in the pixel, so that one 3 x 3 matrix and one offset per sample do all four: x -> M x + b, then
    clamp.

    Args:
        images: (N, 3, H, W) RGB in [0, 1].
        config: ``brightness``, ``contrast``, ``saturation`` (largest relative change), ``grayscale`` (probability).
        generator: CPU generator.
    """
    uniform = torch.rand(4, len(images), 1, 1, generator=generator).to(images.device)

    def factor(row: int, reach: float) -> Tensor:
        return (1 + reach * (2 * uniform[row] - 1)).clamp(min=0)

    brightness = factor(0, config.brightness)
    contrast = factor(1, config.contrast)
    saturation = torch.where(uniform[3] < config.grayscale, 0.0, factor(2, config.saturation))
    luma = images.new_tensor(LUMA).expand(3, 3)
    matrix = saturation * torch.eye(3, device=images.device) + (1 - saturation) * luma
    mean_luma = images.mean(dim=(2, 3)) @ luma[0]
    offset = (brightness * (1 - contrast)).flatten() * mean_luma
    mixed = torch.bmm(brightness * contrast * matrix, images.flatten(2)) + offset[:, None, None]
    return mixed.clamp(0, 1).view_as(images)


def erase_rectangles(images: Tensor, probability: float, generator: Generator) -> Tensor:
    """Paint one rectangle of random colour over some images (random erasing); maps keep what lies under it.

    Args:
        images: (N, C, H, W) in [0, 1].
        probability: Share of images that lose a rectangle.
        generator: CPU generator.
    """
    count, channels, height, width = images.shape
    uniform = torch.rand(5, count, generator=generator)
    colour = torch.rand(count, channels, 1, 1, generator=generator).to(images)
    area = _ERASE_AREA[0] + (_ERASE_AREA[1] - _ERASE_AREA[0]) * uniform[1]
    aspect = (_ERASE_ASPECT[1] / _ERASE_ASPECT[0]) ** uniform[2] * _ERASE_ASPECT[0]
    inside = (uniform[0] < probability)[:, None, None]
    sides = ((area * aspect).sqrt(), (area / aspect).sqrt())
    for side, place, size, axis in zip(sides, uniform[3:5], (height, width), (2, 1), strict=True):
        extent = side.clamp(max=1.0) * size
        start = place * (size - extent)
        centre = torch.arange(size) + 0.5
        hit = (centre >= start[:, None]) & (centre < (start + extent)[:, None])
        inside = inside & hit.unsqueeze(axis)
    return torch.where(inside[:, None].to(images.device), colour, images)
