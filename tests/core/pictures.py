"""Pictures in memory for the tests of the decoder."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image


def photograph(width: int = 96, height: int = 128) -> Image.Image:
    """Smooth, asymmetric, coloured."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], axis=2).astype(np.uint8))


def encode(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def png_header(width: int, height: int, rows: int) -> bytes:
    """A valid grey PNG of any size whose zeros compress to almost nothing; only ``rows`` of them are there."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    pixels = zlib.compressobj(9)
    body = b"".join(pixels.compress(bytes(width + 1)) for _ in range(rows)) + pixels.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
