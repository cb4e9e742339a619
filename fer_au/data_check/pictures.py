"""Sizes, formats and colours of a data set's pictures."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_au.data_check.holdings import Holdings, spread
from fer_au.data_check.result import Pictures
from fer_au.datasets.inside import PictureFiles
from fer_au.datasets.manifest import ManifestRow
from fer_au.decoding import decode_image
from fer_au.errors import DataError
from fer_au.gate import PICTURES, read_bytes
from fer_au.picture_formats import FORMATS

_DESCRIBED = 300  # pictures whose format and colour are looked at
_SIDE = 256  # pixels of a picture's middle by which it is grey or not
_GREY = ("1", "L", "LA", "La")
_PALETTE = ("P", "PA")
_DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")

INSIDE = "inside a table or a clip"
"""Format of pictures that are no files."""
GREY, RGB, GREY_AS_RGB, PALETTE, CMYK, DEEP = "grey", "RGB", "grey saved as RGB", "palette", "CMYK", "16-bit grey"


def describe_pictures(root: Path, holdings: Holdings) -> Pictures | None:
    """Describe the pictures that were opened; None where none could be.

    Args:
        root: Root of the data set.
        holdings: What the data set holds.
    """
    opened = {row.path: row for row in holdings.opened_rows}
    if not opened:
        return None
    sizes = np.array(sorted((row.width * row.height, row.width, row.height) for row in opened.values()))
    files = PictureFiles(root.resolve())
    chosen = spread([opened[path] for path in sorted(opened)], _DESCRIBED)
    looks = [look for row in chosen if (look := _look(files, row))]
    middle = np.median(sizes[:, 1:], axis=0).round().astype(int).tolist()
    return Pictures(
        listed=holdings.listed,
        opened=len(holdings.opened),
        smallest=(int(sizes[0, 1]), int(sizes[0, 2])),
        median=(middle[0], middle[1]),
        largest=(int(sizes[-1, 1]), int(sizes[-1, 2])),
        formats=_shares(format_ for format_, _ in looks),
        colours=_shares(colour for _, colour in looks),
        described=len(looks),
    )


def _look(files: PictureFiles, row: ManifestRow) -> tuple[str, str] | None:
    """Name the format and the colour of a picture that ``ingest`` takes; None if it is no more."""
    try:
        data = read_bytes(files.path(row.path, row.sha256), PICTURES)
        pixels = decode_image(data)  # the gate, before anything else looks at the bytes
    except (OSError, DataError):
        return None
    if files.is_inside(row.path):  # its file is the project's own
        return INSIDE, GREY if _is_grey(pixels) else RGB
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return str(image.format), _name_colour(image.mode, pixels)


def _name_colour(mode: str, pixels: NDArray[np.uint8]) -> str:
    if mode in _GREY:
        return GREY
    if mode in _PALETTE:
        return PALETTE
    if mode in _DEEP:
        return DEEP
    if mode == "CMYK":
        return CMYK
    return GREY_AS_RGB if _is_grey(pixels) else RGB


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    """Tell whether the channels of a picture's middle are equal."""
    top, left = ((side - _SIDE) // 2 if side > _SIDE else 0 for side in pixels.shape[:2])
    middle = pixels[top : top + _SIDE, left : left + _SIDE]
    return bool((middle == middle[..., :1]).all())


def _shares(names: Iterable[str]) -> Mapping[str, float]:
    counts = Counter(names)
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    return {name: round(counts[name] / counts.total(), 4) for name in ranked}
