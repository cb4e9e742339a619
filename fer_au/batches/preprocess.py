"""Pixels between a stored crop and a model: the one place that training, evaluation and prediction share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor

from fer_au.answers import describe
from fer_au.arguments import read_list, read_number, read_whole
from fer_au.array_arguments import read_array
from fer_au.errors import ArgumentError, DataError

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_OVERSHOT = 1.0  # floats further beyond [0, 1] were not overshot by an interpolation, but have another scale


def decode_picture(data: bytes, side: float, size: int) -> NDArray[np.uint8] | None:
    """Decode a stored picture to a model's input size.

    Args:
        data: JPEG or PNG, square.
        side: Side of the stored picture, pixels.
        size: Side of the result, pixels.

    Returns:
        (size, size, 3) uint8 RGB, as ``resize_picture`` makes it; None if it can't be decoded.
    """
    # A JPEG decodes four times faster straight to half its size.
    mode = cv2.IMREAD_REDUCED_COLOR_2 if _is_halved(side, size) else cv2.IMREAD_COLOR
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), mode)
    return None if picture is None else _resize(np.asarray(picture, np.uint8), size)[:, :, ::-1]


def resize_picture(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Bring a picture in memory to a model's input size; pixel areas are averaged when it shrinks, nothing shifts.

    Args:
        picture: (H, W, 3) uint8, any channel order.
        size: Side of the result, pixels.
    """
    if _is_halved(min(picture.shape[:2]), size):
        half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        picture = np.asarray(half, np.uint8)
    return _resize(picture, size)


def _is_halved(side: float, size: int) -> bool:
    """Tell whether a picture is brought to half its size first: where that leaves enough pixels."""
    return 2 * size <= side


def _resize(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    if picture.shape[:2] == (size, size):
        return picture
    shrinks = picture.shape[0] > size
    resized = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8)


@dataclass(frozen=True)
class Preprocessing:
    """The input that a model wants.

    Attributes:
        image_size: Side of the square input, pixels.
        channels: Channels of each view: 3 for RGB, 1 for luma.
        mean: Mean of RGB in [0, 1], subtracted.
        std: Standard deviation of RGB in [0, 1], divided by.

    Raises:
        ArgumentError: An attribute is something else.
    """

    image_size: int
    channels: int = 3
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        object.__setattr__(self, "image_size", read_whole("image_size", self.image_size))
        object.__setattr__(self, "channels", read_whole("channels", self.channels))
        if self.channels not in (1, 3):
            raise ArgumentError(f"channels: expected 3 for RGB, or 1 for luma, got {self.channels}")
        for name, above in (("mean", -1.0), ("std", 0.0)):
            given = read_list(name, getattr(self, name), "three numbers, of red, green and blue")
            if len(given) != 3:
                raise ArgumentError(f"{name}: expected three numbers, of red, green and blue, got {len(given)}")
            object.__setattr__(self, name, tuple(read_number(name, one, above=above) for one in given))

    def __call__(self, images: Tensor) -> Tensor:
        """Turn crops into a model's input.

        Args:
            images: (N, 3 views, H, W) RGB tensor of any size: whole numbers from 0 to 255, or floats in [0, 1].

        Returns:
            (N, channels * views, image_size, image_size) float32, resized with antialiasing where needed, and
            normalised, each view alike.

        Raises:
            ArgumentError: They are something else.
        """
        if not torch.compiler.is_compiling():
            images = _read_pictures("images", images)
        floats = images.float() if images.is_floating_point() else images.float() / 255
        size = (self.image_size, self.image_size)
        if floats.shape[-2:] != size:
            floats = F.interpolate(floats, size=size, mode="bilinear", align_corners=False, antialias=True)
        pictures = floats.reshape(-1, 3, *size)
        mean, std = floats.new_tensor(self.mean), floats.new_tensor(self.std)
        if self.channels == 1:
            luma = floats.new_tensor(LUMA)
            pictures = torch.einsum("nchw,c->nhw", pictures, luma)[:, None]
            mean, std = (mean @ luma)[None], (std @ luma)[None]
        return ((pictures - mean[:, None, None]) / std[:, None, None]).reshape(
            images.shape[0], images.shape[1] // 3 * pictures.shape[1], *size
        )

    def to_meta(self) -> dict[str, Any]:
        """Return plain data for ``models/<exp>/config.json``, key ``preprocessing``."""
        return {
            "image_size": self.image_size,
            "channels": self.channels,
            "mean": list(self.mean),
            "std": list(self.std),
        }

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any]) -> Preprocessing:
        """Restore the data of ``to_meta``; other keys are left alone.

        Raises:
            DataError: A key is missing or has another type.
        """
        try:
            mean, std = ((float(r), float(g), float(b)) for r, g, b in (meta["mean"], meta["std"]))
            return cls(int(meta["image_size"]), int(meta["channels"]), mean, std)
        except (KeyError, TypeError, ValueError) as error:  # an ArgumentError is one of the last
            raise DataError(f"preprocessing of a model's config.json: {type(error).__name__}: {error}") from error


def _read_pictures(name: str, images: object) -> Tensor:
    """Read pictures as they lie in tensors, channels first.

    Values are looked at in main memory alone, and not where they are bytes, which can't be wrong. A network would take
    floats up to 255 for a white picture.

    Raises:
        ArgumentError: They are something else.
    """
    read: Tensor = read_array(name, images, ("N", "C", "H", "W"), library="torch")
    if read.shape[1] % 3 or 0 in read.shape[1:] or read.dtype == torch.bool:
        way = f"; write {name}.permute(0, 3, 1, 2)" if read.shape[3] == 3 else ""
        raise ArgumentError(f"{name}: expected pictures (N, 3, H, W) RGB, got {describe(read)}{way}")
    if read.numel() and read.dtype != torch.uint8 and read.device.type == "cpu":
        low, high = map(float, read.aminmax())
        right, least, most = "from 0 to 255", 0.0, 255.0
        if read.is_floating_point():
            right, least, most = "in [0, 1], as they are floats", -_OVERSHOT, 1 + _OVERSHOT
        if low < least or high > most:
            raise ArgumentError(f"{name}: expected values {right}, got {low:g} to {high:g}")
    return read
