"""Batched augmentation on the training device: geometry moves image and maps, all else changes the image alone.

All random numbers of a batch are drawn at once, on the CPU and for the whole batch: a process that trains on a part of
it takes that part's rows, and sees the same images as if it trained on all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from fer_au.config.experiments import AugmentConfig
from fer_au.errors import ConfigError
from fer_au.training.geometry import random_similarities, warp
from fer_au.training.mixing import Mix, draw_mix
from fer_au.training.preprocess import LUMA

_ERASE_AREA = (0.02, 0.2)  # share of the image; the upper end of the paper's .33 hides a whole small face
_ERASE_ASPECT = (0.3, 3.3)


@dataclass(frozen=True)
class Draws:
    """The random numbers of a batch's augmentation, a row per image.

    Attributes:
        matrices: (N, 2, 3), where pixels go; see ``random_similarities``.
        colours: (N, 4) uniform in [0, 1).
        erasing: (N, 5) uniform in [0, 1).
        paint: (N, 3) colours of erased rectangles.
        noise: (N,) int64 seeds of pixel noise.
        mix: How the batch is mixed afterwards; None for not at all.
    """

    matrices: Tensor
    colours: Tensor
    erasing: Tensor
    paint: Tensor
    noise: Tensor
    mix: Mix | None

    def part(self, rows: slice) -> Draws:
        """The draws of some of the batch's images."""
        return replace(
            self,
            matrices=self.matrices[rows],
            colours=self.colours[rows],
            erasing=self.erasing[rows],
            paint=self.paint[rows],
            noise=self.noise[rows],
        )


@dataclass(frozen=True)
class Augmenter:
    """Random changes of a training batch, drawn anew for every sample.

    Args:
        config: Ranges and probabilities; all zero leaves the batch as it is.

    Raises:
        ConfigError: ``scale`` is not an increasing pair, or ``mixup`` and ``cutmix`` claim more than all batches.
    """

    config: AugmentConfig

    def __post_init__(self) -> None:
        if self.config.scale[0] > self.config.scale[1]:
            raise ConfigError(f"train.augment.scale: {list(self.config.scale)} is not (smallest, largest)")
        if self.config.mixup + self.config.cutmix > 1:
            raise ConfigError(
                f"train.augment.cutmix: a batch is mixed in one way at most, so mixup {self.config.mixup:g} and "
                f"cutmix {self.config.cutmix:g} may not add up to more than 1"
            )

    def draw(self, count: int, generator: Generator) -> Draws:
        """Draw what happens to a batch of ``count`` images; the generator is a CPU's, so that all devices agree."""
        return Draws(
            matrices=random_similarities(count, self.config, generator),
            colours=torch.rand(4, count, generator=generator).T,
            erasing=torch.rand(5, count, generator=generator).T,
            paint=torch.rand(count, 3, generator=generator),
            noise=torch.randint(2**62, (count,), generator=generator),
            mix=draw_mix(self.config, generator),
        )

    def __call__(self, images: Tensor, maps: Sequence[Tensor], draws: Draws) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Change a batch, up to mixing.

        Args:
            images: (N, 3 k, H, W) float RGB in [0, 1]: k views of each face, which are changed alike.
            maps: Any number of (N, h, w) maps of the same scenes, each of any size.
            draws: What ``draw`` gave for these images.

        Returns:
            The images, and the maps moved with them; pixels from outside the frame repeat the image's border and are
            0 in maps.
        """
        matrices = draws.matrices.to(images.device)
        images = warp(images, matrices, "border")
        moved = tuple(warp(cue[:, None].to(images.dtype), matrices, "zeros")[:, 0] for cue in maps)
        images = change_colours(images, self.config, draws.colours)
        images = erase_rectangles(images, self.config.erase, draws.erasing, draws.paint)
        return add_noise(images, self.config.noise, draws.noise), moved


def change_colours(images: Tensor, config: AugmentConfig, uniform: Tensor) -> Tensor:
    """Jitter brightness, contrast and saturation, and turn some images grey.

    Each is linear in the pixel, so that one 3 x 3 matrix and one offset per view do all four: x -> M x + b, then
    clamp.

    Args:
        images: (N, 3 k, H, W) RGB in [0, 1].
        config: ``brightness``, ``contrast``, ``saturation`` (largest relative change), ``grayscale`` (probability).
        uniform: (N, 4) draws in [0, 1).
    """
    views = images.shape[1] // 3
    columns = uniform.to(images).repeat_interleave(views, 0).T[:, :, None, None]

    def factor(column: int, reach: float) -> Tensor:
        return (1 + reach * (2 * columns[column] - 1)).clamp(min=0)

    brightness = factor(0, config.brightness)
    contrast = factor(1, config.contrast)
    saturation = torch.where(columns[3] < config.grayscale, 0.0, factor(2, config.saturation))
    luma = images.new_tensor(LUMA).expand(3, 3)
    matrix = saturation * torch.eye(3, device=images.device) + (1 - saturation) * luma
    pixels = images.reshape(len(images) * views, 3, -1)
    mean_luma = pixels.mean(dim=2) @ luma[0]
    offset = (brightness * (1 - contrast)).flatten() * mean_luma
    mixed = torch.baddbmm(offset[:, None, None], brightness * contrast * matrix, pixels)
    return mixed.clamp_(0, 1).view_as(images)


def erase_rectangles(images: Tensor, probability: float, uniform: Tensor, paint: Tensor) -> Tensor:
    """Paint one rectangle of random colour over some images (random erasing); maps keep what lies under it.

    Args:
        images: (N, 3 k, H, W) in [0, 1].
        probability: Share of images that lose a rectangle.
        uniform: (N, 5) draws in [0, 1).
        paint: (N, 3) colours.
    """
    height, width = images.shape[-2:]
    area = _ERASE_AREA[0] + (_ERASE_AREA[1] - _ERASE_AREA[0]) * uniform[:, 1]
    aspect = (_ERASE_ASPECT[1] / _ERASE_ASPECT[0]) ** uniform[:, 2] * _ERASE_ASPECT[0]
    inside = (uniform[:, 0] < probability)[:, None, None]
    if not inside.any():
        return images
    sides = ((area * aspect).sqrt(), (area / aspect).sqrt())
    for side, place, size, axis in zip(sides, uniform.T[3:5], (height, width), (2, 1), strict=True):
        extent = side.clamp(max=1.0) * size
        start = place * (size - extent)
        centre = torch.arange(size) + 0.5
        hit = (centre >= start[:, None]) & (centre < (start + extent)[:, None])
        inside = inside & hit.unsqueeze(axis)
    colour = paint.to(images).repeat(1, images.shape[1] // 3)[:, :, None, None]
    return torch.where(inside[:, None].to(images.device), colour, images)


def add_noise(images: Tensor, deviation: float, seeds: Tensor) -> Tensor:
    """Add Gaussian noise to pixels, then clamp.

    Args:
        images: (N, C, H, W) in [0, 1].
        deviation: Standard deviation; 0 leaves the images as they are.
        seeds: (N,) int64, of each image's own noise.
    """
    if not deviation:
        return images
    noise = torch.empty_like(images)
    generator = Generator(images.device)
    for plane, seed in zip(noise, seeds.tolist(), strict=True):
        plane.normal_(0, deviation, generator=generator.manual_seed(seed))
    return (images + noise).clamp_(0, 1)
