"""The one decoder: bytes of a stranger's picture in, an upright RGB array or a named reason out.

Every picture of the project passes here, so that orientation, colour and bit depth are decided once. Pillow is the
gate: OpenCV returns a grey-tailed array for half a JPEG and allocates gigabytes for a crafted header without complaint.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from fer_au.errors import DataError
from fer_au.rejects import Reason

MAX_PIXELS = 50_000_000

# Only these codecs are ever tried: Pillow's rare ones are where its vulnerabilities are found.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")

_OTHER_MAGIC = {
    b"GIF8": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"8BPS": "PSD",
    b"\0\0\x01\0": "ICO",
    b"\0\0\0\x0cjP": "JPEG 2000",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL": "JPEG XL",
    b"%PDF": "PDF",
    b"SIMPLE": "FITS",
}
_ORIENTATION_TAG = 0x0112

# EXIF orientation -> function that makes the array upright.
_UPRIGHT: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: image[::-1].transpose(1, 0, 2),
    7: lambda image: image[::-1, ::-1].transpose(1, 0, 2),
    8: lambda image: image[:, ::-1].transpose(1, 0, 2),
}


class ImageRejected(DataError):  # noqa: N818 (what happened to the picture, not a fault of the program)
    """The bytes are no picture that the project accepts.

    Attributes:
        reason: Reason, from the fixed enumeration.
        detail: Explanation for people.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[ImageRejected], tuple[Reason, str]]:
        return type(self), (self.reason, self.detail)  # else it can't come back from a worker process


def decode_image(data: bytes) -> NDArray[np.uint8]:
    """Decode a JPEG, PNG, WebP or BMP picture.

    EXIF orientation is applied. Transparent pixels are laid over white, 16-bit samples are scaled, CMYK, grey and
    palette pictures become RGB, an animation gives its first frame. Colour profiles are not applied.

    Args:
        data: Bytes of the file.

    Returns:
        The upright picture, (H,W,3) uint8 RGB, contiguous.

    Raises:
        ImageRejected: Empty, of another format, cut short, damaged, or of more than ``MAX_PIXELS`` (found in the
            header, before anything is decoded).
    """
    if not data:
        raise ImageRejected(Reason.NOT_AN_IMAGE, "the file is empty")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # A damaged EXIF block costs nothing but the orientation; the pixels are whole.
        warnings.filterwarnings("ignore", message=r"Corrupt EXIF data|Truncated File Read|Metadata Warning")
        with _open(data) as image:
            _load(image, data)
            orientation = _orientation(image)
            try:
                array = _to_rgb(image)
            except Exception as error:
                raise ImageRejected(Reason.UNREADABLE, f"no RGB from mode {image.mode}: {error}") from error
    upright = _UPRIGHT.get(orientation)
    return np.ascontiguousarray(upright(array) if upright else array)


def _open(data: bytes) -> Image.Image:
    """Read the header and check its size."""
    if not _has_allowed_signature(data):
        raise _foreign(data)
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise ImageRejected(Reason.TRUNCATED, "the header is cut short or damaged") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageRejected(Reason.TOO_LARGE, f"more than {MAX_PIXELS // 10**6} megapixels") from error
    except Exception as error:  # on hostile bytes Pillow's plugins raise nearly everything
        raise _damaged(error, data) from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        image.close()
        raise ImageRejected(Reason.TOO_LARGE, f"{width}x{height}: more than {MAX_PIXELS // 10**6} megapixels")
    return image


def _load(image: Image.Image, data: bytes) -> None:
    """Decode all pixels; half a picture is an error here, not a grey tail."""
    try:
        if image.format == "PNG":  # the only format with checksums, and they are not looked at in decoding
            with Image.open(io.BytesIO(data), formats=("PNG",)) as twin:
                twin.verify()
        image.load()
    except Exception as error:
        raise _damaged(error, data) from error


def _damaged(error: Exception, data: bytes) -> ImageRejected:
    """Tell a file that was cut short from one with wrong bytes inside."""
    text = str(error) or type(error).__name__
    cut = isinstance(error, EOFError) or "truncated" in text.lower()
    if _is_webp(data):  # its decoder says the same of both, but a RIFF header knows its length
        cut = int.from_bytes(data[4:8], "little") + 8 > len(data)
    return ImageRejected(Reason.TRUNCATED if cut else Reason.UNREADABLE, text)


def _is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def _has_allowed_signature(data: bytes) -> bool:
    """Tell whether the first bytes belong to an allowed format, so that a later failure means damage."""
    bitmap = data[:2] == b"BM" and data[6:10] == b"\0\0\0\0"  # two letters alone would catch any text
    return data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or _is_webp(data) or bitmap


def _foreign(data: bytes) -> ImageRejected:
    """Explain bytes without an allowed signature."""
    head = data[:64]
    if head[4:8] == b"ftyp":
        return ImageRejected(Reason.UNSUPPORTED_FORMAT, "HEIF or AVIF; save it as JPEG, PNG, WebP or BMP")
    for magic, name in _OTHER_MAGIC.items():
        if head.startswith(magic):
            return ImageRejected(Reason.UNSUPPORTED_FORMAT, f"{name}; save it as JPEG, PNG, WebP or BMP")
    if head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return ImageRejected(Reason.NOT_AN_IMAGE, "an HTML page")
    return ImageRejected(Reason.NOT_AN_IMAGE, "no JPEG, PNG, WebP or BMP header")


def _orientation(image: Image.Image) -> int:
    """Read the EXIF orientation; 1 (upright) where there is none or it can't be read."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # the same damaged EXIF as above, raised instead of warned
        return 1
    return value if isinstance(value, int) else 1


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Convert a loaded picture of any mode to (H,W,3) uint8 RGB."""
    if image.mode == "RGB" and not image.has_transparency_data:
        return np.asarray(image)
    if image.mode == "L" and not image.has_transparency_data:
        # Half the time of Pillow's own way to RGB, which copies three equal channels.
        return np.asarray(cv2.cvtColor(np.asarray(image), cv2.COLOR_GRAY2RGB), np.uint8)
    if image.mode.startswith("I"):
        # 16-bit grey, native or big-endian; convert("L") would clip everything above 255 to white.
        wide = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        return np.repeat(((wide + 128) // 257).astype(np.uint8)[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        opaque = Image.new("RGBA", image.size, "white")
        opaque.alpha_composite(image.convert("RGBA"))
        return np.asarray(opaque.convert("RGB"))
    return np.asarray(image.convert("RGB"))
