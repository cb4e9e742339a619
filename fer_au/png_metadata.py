"""What a PNG carries beside its pixels: left out before Pillow reads it, which refuses whole pictures for it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Chunks of neither pixels nor orientation. Texts are looked at one by one, since some hold the orientation.
_PLAIN = frozenset((b"iCCP", b"cHRM", b"gAMA", b"sRGB", b"cICP", b"pHYs", b"tIME", b"sBIT", b"bKGD", b"hIST", b"sPLT"))
_TEXTS = frozenset((b"tEXt", b"zTXt", b"iTXt"))
_ORIENTED = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0", b"exif\0")
_LONGEST_TEXT = 1_000_000
"""Bytes of a text, uncompressed, up to which it is asked for the orientation: below what Pillow takes."""


def without_metadata(data: bytes) -> bytes:
    """Leave out the chunks of a PNG that decide neither pixels nor orientation: colour profiles, times, most texts.

    Args:
        data: Bytes of a PNG file.

    Returns:
        The PNG; from the first chunk on that is cut short, as it was.
    """
    kept, rest = [data[: len(SIGNATURE)]], len(SIGNATURE)
    for kind, start, stop in _chunks(data):
        if kind not in _PLAIN and not (kind in _TEXTS and not _may_tell_orientation(kind, data[start + 8 : stop - 4])):
            kept.append(data[start:stop])
        rest = stop
    return b"".join([*kept, data[rest:]])


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Give kind, start and end of each whole chunk; a chunk is a length, a kind, a body and a checksum."""
    start = len(SIGNATURE)
    while (stop := start + 12 + int.from_bytes(data[start : start + 4])) <= len(data) and start + 12 <= len(data):
        yield data[start + 4 : start + 8], start, stop
        start = stop


def _may_tell_orientation(kind: bytes, body: bytes) -> bool:
    """Tell whether a text may hold the picture's orientation, and is short enough to be read."""
    key = next((key for key in _ORIENTED if body.startswith(key)), None)
    if key is None or len(body) > _LONGEST_TEXT:
        return False
    text = body[len(key) :]
    if kind == b"iTXt":  # compressed or not, method, language, translated key
        if text[:1] != b"\1":
            return True
        text = text[2:].split(b"\0", 2)[-1]
    elif kind == b"zTXt":
        text = text[1:]
    else:
        return True
    try:
        return len(zlib.decompressobj().decompress(text, _LONGEST_TEXT)) < _LONGEST_TEXT
    except zlib.error:
        return False
