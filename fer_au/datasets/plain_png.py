"""PNG files whose bytes depend on their pixels alone: what becomes a file by its hash is written so."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_BLOCK = 0xFFFF  # bytes that a block without compression holds
_GREY, _RGB = 0, 2


def plain_png(pixels: NDArray[np.uint8]) -> bytes:
    """Write a picture as a PNG without compression: equal pixels give equal bytes under any library.

    Args:
        pixels: (H, W) grey levels, or (H, W, 3) RGB, uint8.
    """
    height, width = pixels.shape[:2]
    kind = _GREY if pixels.ndim == 2 else _RGB
    lines = np.zeros((height, 1 + pixels[0].size), np.uint8)  # each begins with its filter, none
    lines[:, 1:] = pixels.reshape(height, -1)
    raw = lines.tobytes()
    blocks = [raw[start : start + _BLOCK] for start in range(0, len(raw), _BLOCK)]
    stored = b"".join(
        struct.pack("<BHH", place == len(blocks) - 1, len(block), len(block) ^ _BLOCK) + block
        for place, block in enumerate(blocks)
    )
    body = b"\x78\x01" + stored + struct.pack(">I", zlib.adler32(raw))
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
