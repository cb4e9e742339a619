"""Batched augmentation on the training device: geometry moves image and maps, all else changes the image alone.

All random numbers of a batch are drawn at once, on the CPU and for the whole batch: a process that trains on a part of
it takes that part's rows, and sees the same images as if it trained on all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from fer_au.batches.preprocess import LUMA
from fer_au.batches.similarities import random_similarities, warp
from fer_au.config.experiments import AugmentConfig
from fer_au.training.mixing import Mix, draw_mix

# From RGB to NTSC's YIQ, whose last two coordinates are the colour: a saturation scales them, a hue turns them.
_YIQ = torch.tensor((LUMA, (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135)), dtype=torch.float64)
_YIQ_INVERSE = torch.linalg.inv(_YIQ)
_ERASE_ASPECT = (0.3, 3.3)


@dataclass(frozen=True)
class Draws:
    """The random numbers of a batch's augmentation, a row per image.

    Attributes:
        matrices: (N, 2, 3) transforms of pixels, as ``random_similarities`` draws them.
        colours: (N, 6) uniform in [0, 1).
        erasing: (N, 5) uniform in [0, 1).
        paint: (N, 3) colours of erased rectangles.
        noise: (N,) int64 seeds of pixel noise.
        mix: Mixing of the batch afterwards; None for none.
    """

    matrices: Tensor
    colours: Tensor
    erasing: Tensor
    paint: Tensor
    noise: Tensor
    mix: Mix | None

    def part(self, rows: slice) -> Draws:
        """Select the draws of some of the batch's images."""
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
    """

    config: AugmentConfig

    def draw(self, count: int, generator: Generator) -> Draws:
        """Draw the changes of a batch of ``count`` images; the generator is a CPU's, so that all devices agree."""
        draws = Draws(
            matrices=random_similarities(count, self.config, generator),
            colours=torch.rand(4, count, generator=generator).T,
            erasing=torch.rand(5, count, generator=generator).T,
            paint=torch.rand(count, 3, generator=generator),
            noise=torch.randint(2**62, (count,), generator=generator),
            mix=draw_mix(self.config, generator),
        )
        # Nothing is drawn for what is off, so that other trainings don't depend on these options.
        varied = self.config.hue > 0 or self.config.jitter < 1
        more = torch.rand(2, count, generator=generator).T if varied else torch.zeros(count, 2)
        return replace(draws, colours=torch.cat([draws.colours, more], dim=1))

    def __call__(self, images: Tensor, maps: Sequence[Tensor], draws: Draws) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Change a batch, up to mixing.

        Args:
            images: (N, 3 k, H, W) float RGB in [0, 1]: k views of each face, which are changed alike.
            maps: Any number of (N, h, w) maps of the same scenes, each of any size.
            draws: Draws for these images.

        Returns:
            The images, and the maps moved with them; pixels from outside the frame repeat the image's border and are
            0 in maps.
        """
        matrices = draws.matrices.to(images.device)
        images = warp(images, matrices, "border")
        moved = tuple(warp(cue[:, None].to(images.dtype), matrices, "zeros")[:, 0] for cue in maps)
        images = change_colours(images, self.config, draws.colours)
        images = erase_rectangles(images, self.config, draws.erasing, draws.paint)
        return add_noise(images, self.config.noise, draws.noise), moved


def change_colours(images: Tensor, config: AugmentConfig, uniform: Tensor) -> Tensor:
    """Jitter brightness, contrast, saturation and hue, and turn some images grey.

    Each is linear in the pixel, so that one 3 x 3 matrix and one offset per view do all of them: x -> M x + b, then
    clamp. The hue is turned in YIQ, which keeps the luma; HSV's is another angle, and not linear.

    Args:
        images: (N, 3 k, H, W) RGB in [0, 1].
        config: ``brightness``, ``contrast``, ``saturation`` (largest relative change), ``hue`` (largest turn, share of
            the circle), ``jitter`` and ``grayscale`` (probabilities).
        uniform: (N, 6) draws in [0, 1).
    """
    views = images.shape[1] // 3
    columns = uniform.to(images).repeat_interleave(views, 0).T[:, :, None, None]
    jittered = columns[5] < config.jitter

    def change(column: int, reach: float) -> Tensor:
        return torch.where(jittered, reach * (2 * columns[column] - 1), 0.0)

    def factor(column: int, reach: float) -> Tensor:
        return (1 + change(column, reach)).clamp(min=0)

    brightness = factor(0, config.brightness)
    contrast = factor(1, config.contrast)
    saturation = torch.where(columns[3] < config.grayscale, 0.0, factor(2, config.saturation))
    luma = images.new_tensor(LUMA).expand(3, 3)
    matrix = saturation * torch.eye(3, device=images.device) + (1 - saturation) * luma
    if config.hue:
        matrix = matrix @ _hue_matrices(2 * math.pi * change(4, config.hue))
    pixels = images.reshape(len(images) * views, 3, -1)
    mean_luma = pixels.mean(dim=2) @ luma[0]
    offset = (brightness * (1 - contrast)).flatten() * mean_luma
    mixed = torch.baddbmm(offset[:, None, None], brightness * contrast * matrix, pixels)
    return mixed.clamp_(0, 1).view_as(images)


def _hue_matrices(angles: Tensor) -> Tensor:
    """Make (N, 3, 3) turns of RGB's colours around grey from (N, 1, 1) angles."""
    sine, cosine = angles.flatten().sin(), angles.flatten().cos()
    turn = torch.zeros(len(angles), 3, 3, dtype=angles.dtype, device=angles.device)
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = cosine
    turn[:, 1, 2], turn[:, 2, 1] = -sine, sine
    matrices: Tensor = _YIQ_INVERSE.to(angles) @ turn @ _YIQ.to(angles)
    return matrices


def erase_rectangles(images: Tensor, config: AugmentConfig, uniform: Tensor, paint: Tensor) -> Tensor:
    """Paint one rectangle of random colour over some images (random erasing); maps keep what lies under it.

    Args:
        images: (N, 3 k, H, W) in [0, 1].
        config: ``erase`` (share of images that lose a rectangle) and ``erase_area`` (range of its share of the image).
        uniform: (N, 5) draws in [0, 1).
        paint: (N, 3) colours.
    """
    height, width = images.shape[-2:]
    least, most = config.erase_area
    area = least + (most - least) * uniform[:, 1]
    aspect = (_ERASE_ASPECT[1] / _ERASE_ASPECT[0]) ** uniform[:, 2] * _ERASE_ASPECT[0]
    inside = (uniform[:, 0] < config.erase)[:, None, None]
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
        seeds: (N,) int64 seeds, one for each image's noise.
    """
    if not deviation:
        return images
    noise = torch.empty_like(images)
    generator = Generator(images.device)
    for plane, seed in zip(noise, seeds.tolist(), strict=True):
        plane.normal_(0, deviation, generator=generator.manual_seed(seed))
    return (images + noise).clamp_(0, 1)
