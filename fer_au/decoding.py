"""The one decoder: bytes of a stranger's picture in, an upright RGB array or a named reason out.

Every picture of the project passes here, so that orientation, colour and bit depth are decided once. Pillow is the
gate: OpenCV returns a grey-tailed array for half a JPEG and allocates gigabytes for a crafted header without complaint.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import COMPRESSION_INFO, TiffImageFile

from fer_au.answers import describe
from fer_au.errors import ArgumentError, DataError
from fer_au.gate import PICTURES, read_bytes
from fer_au.picture_formats import (
    FORMATS,
    RAW,
    READ,
    count_scans,
    has_allowed_signature,
    is_webp,
    name_format,
    name_rare_jpeg,
    name_standin,
)
from fer_au.png_metadata import SIGNATURE, without_metadata
from fer_au.rejects import Reason

MAX_PIXELS = 50_000_000
MAX_SCANS = 200
"""Most scans of a JPEG: encoders write a dozen, and each costs a look at all pixels however few bytes it has."""

_ONE_OF = READ.replace(" and ", " or ")

_ORIENTATION_TAG = 0x0112
_SUBFILE_TYPE, _BITS_PER_SAMPLE, _PHOTOMETRIC, _DNG_VERSION = 254, 258, 262, 50706
_COMPRESSION = 259
# None, fax, LZW, deflate and PackBits: what scanners and editors write. Others, JPEG too, may hide work without end.
_COMPRESSIONS = frozenset((1, 2, 3, 4, 5, 8, 32773, 32946))

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
        path: File; empty where bytes were given.
    """

    def __init__(self, reason: Reason, detail: str, path: str = "") -> None:
        super().__init__(f"{path}: {reason.value}: {detail}" if path else f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail
        self.path = path

    def __reduce__(self) -> tuple[type[ImageRejected], tuple[Reason, str, str]]:
        return type(self), (self.reason, self.detail, self.path)  # else it can't come back from a worker process


def decode_image(data: bytes | str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Decode a JPEG, PNG, WebP, BMP or TIFF picture.

    EXIF orientation is applied. Transparent pixels are laid over white, 16-bit samples are scaled, CMYK, grey and
    palette pictures become RGB, and of several frames or pages the first is taken. Colour profiles are not applied.

    Args:
        data: Bytes of the file, or its path.

    Returns:
        The upright picture, (H,W,3) uint8 RGB, contiguous.

    Raises:
        ArgumentError: It is neither bytes nor a path.
        DataError: The file can't be read.
        ImageRejected: Empty, of another format, cut short, damaged, or of more than ``MAX_PIXELS`` (found in the
            header, before anything is decoded). The message names the file, if its path was given.
    """
    try:
        return _decode(_bytes_of(data))
    except ImageRejected as rejected:
        if isinstance(data, str | os.PathLike):
            raise ImageRejected(rejected.reason, rejected.detail, os.fsdecode(data)) from rejected
        raise


def _decode(data: bytes) -> NDArray[np.uint8]:
    if not data:
        raise ImageRejected(Reason.NOT_AN_IMAGE, "the file is empty")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # A damaged EXIF block costs nothing but the orientation; the pixels are whole.
        warnings.filterwarnings("ignore", message=r"Corrupt EXIF data|Truncated File Read|Metadata Warning")
        if data.startswith(SIGNATURE):
            data = without_metadata(data)
        with _open(data) as image:
            _load(image, data)
            return upright_rgb(image)


def upright_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Turn a Pillow image upright and into RGB, as ``decode_image`` does with a file's.

    Args:
        image: Image of any mode.

    Returns:
        The picture, (H,W,3) uint8 RGB, contiguous.

    Raises:
        ImageRejected: It can't be loaded or converted.
    """
    try:
        image.load()  # of TIFF, Pillow applies the orientation as it loads
        orientation = _orientation(image)
        array = _to_rgb(image)
    except Exception as error:
        raise ImageRejected(Reason.UNREADABLE, f"no RGB from mode {image.mode}: {error}") from error
    upright = _UPRIGHT.get(orientation)
    return np.ascontiguousarray(upright(array) if upright else array)


def _bytes_of(given: object) -> bytes:
    """Give the bytes of a picture's file.

    Raises:
        ArgumentError: Something else was given.
        DataError: The file can't be read.
    """
    if isinstance(given, bytes | bytearray | memoryview):
        return bytes(given)
    if not isinstance(given, str | os.PathLike):
        raise ArgumentError(f"data: expected the bytes of a picture's file or its path, got {describe(given)}")
    try:
        return read_bytes(os.fspath(given), PICTURES)
    except (OSError, ValueError) as error:  # the last: a NUL in a path
        raise DataError(f"{given}: {getattr(error, 'strerror', None) or error}") from error


def _open(data: bytes) -> Image.Image:
    """Read the header and check its size."""
    if not has_allowed_signature(data):
        raise _foreign(data)
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        if rare := name_rare_jpeg(data):
            raise _unsupported(rare) from error
        raise ImageRejected(Reason.TRUNCATED, "the header is cut short or damaged") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageRejected(Reason.TOO_LARGE, f"more than {MAX_PIXELS // 10**6} megapixels") from error
    except Exception as error:  # on hostile bytes Pillow's plugins raise nearly everything
        raise _damaged(error, data) from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        image.close()
        raise ImageRejected(Reason.TOO_LARGE, f"{width}x{height}: more than {MAX_PIXELS // 10**6} megapixels")
    if isinstance(image, TiffImageFile) and (other := _odd_tiff(image, data)):
        image.close()
        raise _unsupported(other)
    return image


def _odd_tiff(image: TiffImageFile, data: bytes) -> str:
    """Name a TIFF whose pixels Pillow doesn't show as meant; empty for usual ones."""
    tags = image.tag_v2
    if data[8:10] == b"CR" or _DNG_VERSION in tags or int(tags.get(_SUBFILE_TYPE, 0)) & 1:  # the first is a thumbnail
        return RAW
    if (compression := tags.get(_COMPRESSION, 1)) not in _COMPRESSIONS:
        return f"TIFF compressed by {COMPRESSION_INFO.get(compression, compression)}"
    bits = tags.get(_BITS_PER_SAMPLE, (1,))
    if image.mode in ("I", "F") or not {*bits} <= {1, 2, 4, 8, 16}:
        return f"TIFF with {max(bits)}-bit {'float ' if image.mode == 'F' else ''}samples of no picture's range"
    if 16 in bits and tags.get(_PHOTOMETRIC) == 0:
        return "16-bit TIFF with white as 0"
    return ""


def _load(image: Image.Image, data: bytes) -> None:
    """Decode all pixels; half a picture is an error here, not a grey tail."""
    if image.format == "JPEG" and (scans := count_scans(data)) > MAX_SCANS:
        raise ImageRejected(Reason.TOO_LARGE, f"{scans} scans, more than {MAX_SCANS}")
    try:
        if image.format == "PNG":  # the only format with checksums, and they are not looked at in decoding
            with Image.open(io.BytesIO(data), formats=("PNG",)) as twin:
                twin.verify()
        image.load()
    except Exception as error:
        if rare := name_rare_jpeg(data):
            raise _unsupported(rare) from error
        raise _damaged(error, data) from error


def _damaged(error: Exception, data: bytes) -> ImageRejected:
    """Tell a file that was cut short from one with wrong bytes inside."""
    text = str(error) or type(error).__name__
    cut = isinstance(error, EOFError) or "truncated" in text.lower()
    if is_webp(data):  # its decoder says the same of both, but a RIFF header knows its length
        cut = int.from_bytes(data[4:8], "little") + 8 > len(data)
    return ImageRejected(Reason.TRUNCATED if cut else Reason.UNREADABLE, text)


def _foreign(data: bytes) -> ImageRejected:
    """Explain bytes without an allowed signature."""
    if found := name_format(data):
        return _unsupported(found)
    return ImageRejected(Reason.NOT_AN_IMAGE, name_standin(data) or f"no {_ONE_OF} header")


def _unsupported(what: str) -> ImageRejected:
    return ImageRejected(Reason.UNSUPPORTED_FORMAT, f"{what}; save it as {_ONE_OF}")


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
