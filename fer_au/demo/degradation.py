"""Faults that cameras and files add to a picture: blur, colour cast, contrast, sensor noise, JPEG."""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_au.demo.asset import Floats


@dataclass(frozen=True)
class Degradation:
    """Faults of one picture.

    Attributes:
        blur: Deviation of the Gaussian blur, pixels.
        noise: Deviation of the sensor noise, grey levels.
        contrast: Factor about middle grey.
        cast: Colour factors of red, green, blue.
        grey: Whether the picture is black and white.
        quality: JPEG quality.
    """

    blur: float
    noise: float
    contrast: float
    cast: tuple[float, float, float]
    grey: bool
    quality: int


def sample_degradation(rng: np.random.Generator) -> Degradation:
    """Draw the faults of one picture: mostly mild."""
    cast = 1 + rng.normal(0, 0.02, 3)
    return Degradation(
        blur=float(max(0.0, rng.normal(0.35, 0.35))),
        noise=float(rng.uniform(0.5, 6.0)),
        contrast=float(rng.uniform(0.85, 1.12)),
        cast=(float(cast[0]), float(cast[1]), float(cast[2])),
        grey=bool(rng.random() < 0.06),
        quality=int(rng.integers(60, 96)),
    )


def degrade(picture: Floats, faults: Degradation, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Apply everything but JPEG to a (S,S,3) sRGB picture 0..255."""
    if faults.blur > 0.2:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), faults.blur), np.float32)
    picture = (picture - 118) * np.float32(faults.contrast) + 118
    picture = picture * np.asarray(faults.cast, np.float32)
    if faults.grey:
        luma = 0.299 * picture[..., 0] + 0.587 * picture[..., 1] + 0.114 * picture[..., 2]
        picture = np.repeat(luma[..., None], 3, axis=2).astype(np.float32)
    # Sensor noise is partly common to the channels.
    shared = rng.standard_normal((*picture.shape[:2], 1), dtype=np.float32)
    height, width = picture.shape[:2]
    colour = rng.standard_normal((height // 2, width // 2, 3), dtype=np.float32)  # coarser, as after demosaicing
    picture = picture + np.float32(0.8 * faults.noise) * shared
    picture += np.float32(0.7 * faults.noise) * cv2.resize(colour, (width, height))
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


def encode_jpeg(picture: NDArray[np.uint8], faults: Degradation) -> bytes:
    """Encode a picture as JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=faults.quality)
    return buffer.getvalue()
