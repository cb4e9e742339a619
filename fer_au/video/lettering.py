"""Letters and soft shapes on a picture: antialiased, drawn once and kept, since frames show the same words again."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Picture = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Colour = tuple[int, int, int]

DARK: Colour = (18, 20, 26)
WHITE: Colour = (255, 255, 255)
_TRACKS: tuple[Colour, ...] = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 188, 137),
    (240, 228, 66),
    (224, 142, 188),
    (232, 110, 32),
    (235, 235, 235),
)
# Those of Okabe and Ito, which people with any colour vision tell apart; the darker ones lightened, for dark grounds.

_FACES = {False: "DejaVuSans.ttf", True: "DejaVuSans-Bold.ttf"}
_FINER = 4  # times finer than pixels are shapes drawn


@cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    """Load a font of matplotlib's, which has the letters of all languages of Europe."""
    from matplotlib import get_data_path

    return ImageFont.truetype(str(Path(get_data_path()) / "fonts/ttf" / _FACES[bold]), size)


@lru_cache(maxsize=2048)
def letters(text: str, size: int, bold: bool = False) -> Mask:
    """Draw a line of text.

    Args:
        text: Text of one line.
        size: Height of the font in pixels.
        bold: Whether it is bold.

    Returns:
        (h, w) coverage, 255 inside the letters; all lines of a size are equally high, on the same base line.
    """
    font = _font(size, bold)
    ascent, descent = font.getmetrics()
    image = Image.new("L", (max(round(font.getlength(text)) + 1, 1), ascent + descent))
    ImageDraw.Draw(image).text((0, 0), text, font=font, fill=255)
    return np.asarray(image)


def width_of(text: str, size: int, bold: bool = False) -> int:
    """Measure a line of text in pixels."""
    return int(letters(text, size, bold).shape[1])


@lru_cache(maxsize=256)
def rounded(width: int, height: int, radius: int) -> Mask:
    """Draw a rectangle with rounded corners: (height, width) coverage."""
    radius = min(radius, width // 2, height // 2)
    image = Image.new("L", (_FINER * width, _FINER * height))
    corner = (0, 0, _FINER * width - 1, _FINER * height - 1)
    ImageDraw.Draw(image).rounded_rectangle(corner, _FINER * radius, fill=255)
    return np.asarray(cv2.resize(np.asarray(image), (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def paint(picture: Picture, mask: Mask, x: int, y: int, colour: Colour, opacity: float = 1.0) -> None:
    """Lay a colour over a picture, in place, where a mask covers it; what lies outside the picture is cut off.

    Args:
        picture: (H, W, 3) uint8 RGB.
        mask: (h, w) coverage.
        x: Left edge of the mask in the picture.
        y: Its upper edge.
        colour: RGB.
        opacity: Share of the colour where the mask is full.
    """
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + mask.shape[1], picture.shape[1]), min(y + mask.shape[0], picture.shape[0])
    if right <= left or bottom <= top:
        return
    part = picture[top:bottom, left:right]
    share = mask[top - y : bottom - y, left - x : right - x].astype(np.uint16)[..., None] * round(256 * opacity) // 255
    part[:] = (part * (256 - share) + np.array(colour, np.uint16) * share) >> 8


def track_colour(number: int) -> Colour:
    """Give the colour of a face by its number in the video; they come again after seven."""
    return _TRACKS[(number - 1) % len(_TRACKS)]
