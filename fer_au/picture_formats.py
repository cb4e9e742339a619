"""Picture formats: which are read, and what the first bytes of other files say."""

from __future__ import annotations

import re

# Only these codecs are ever tried: Pillow's rare ones are where its vulnerabilities are found.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")

READ = "JPEG, PNG, WebP, BMP and TIFF"
CONVERT = f"read are {READ}: convert them, such as by `magick mogrify -format png FILE`, and take the originals away"
"""Advice about pictures of other formats."""

RAW = "a camera's raw picture"
_TIFF = (b"II*\0", b"MM\0*")
_OTHER_MAGIC = {
    b"GIF8": "GIF",
    b"II+\0": "BigTIFF",
    b"MM\0+": "BigTIFF",
    b"IIRO": RAW,
    b"IIRS": RAW,
    b"IIU\0": RAW,
    b"FUJIFILMCCD-RAW": RAW,
    b"II\x1a\0\0\0HEAP": RAW,
    b"FOVb": RAW,
    b"8BPS": "PSD",
    b"\0\0\x01\0": "ICO",
    b"\0\0\0\x0cjP": "JPEG 2000",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL": "JPEG XL",
    b"%PDF": "PDF",
    b"SIMPLE": "FITS",
}
_NETPBM = tuple(b"P%d%c" % (kind, blank) for kind in range(1, 7) for blank in b"\n\r\t ")
# Brand after `ftyp`, of a file built as ISO media.
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"crx ": RAW} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIF"
)


# First bytes of files that stand for a picture which is kept elsewhere, or that belong to one.
_STANDINS = {
    b"version https://git-lfs": "a Git LFS pointer, not the picture itself; `git lfs pull` brings it",
    b"/annex/objects/": "a git-annex pointer, not the picture itself; `git annex get` brings it",
    b"outs:\n": "a file of DVC that names a picture, not the picture itself; `dvc pull` brings it",
    b"md5: ": "a file of DVC that names a picture, not the picture itself; `dvc pull` brings it",
    b"\0\5\x16\7": "what a Mac keeps beside a file (AppleDouble), not the picture itself",
    b"\0\5\x16\0": "what a Mac keeps beside a file (AppleSingle), not the picture itself",
    b"bplist00": "a property list of a Mac, as iCloud leaves for a picture that isn't downloaded",
    b"[InternetShortcut]": "a link to a web page",
    b"<!doctype html": "an HTML page",
    b"<html": "an HTML page",
}

_SOF = {0xC3: "lossless JPEG", 0xC5: "hierarchical JPEG", 0xC6: "hierarchical JPEG", 0xC7: "hierarchical JPEG"}
"""Frames of JPEG that Pillow doesn't read; those from 0xC9 on are arithmetic-coded."""


def is_tiff(data: bytes) -> bool:
    """Tell whether the first bytes are those of TIFF; most cameras' raw pictures begin so, too."""
    return data.startswith(_TIFF)


def name_standin(data: bytes) -> str | None:
    """Say what a file is that has a picture's name and only points to a picture, or belongs to one.

    Example:
        >>> name_standin(b"/annex/objects/MD5E-s3--0cc1.jpg")
        'a git-annex pointer, not the picture itself; `git annex get` brings it'
    """
    head = data[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    known = (text for magic, text in _STANDINS.items() if head.lower().startswith(magic.lower()))
    # A link that was copied as a text, by git without core.symlinks, holds a path that leads to the annex.
    return next(known, _STANDINS[b"/annex/objects/"] if b".git/annex/objects/" in data[:256] else None)


def name_rare_jpeg(data: bytes) -> str | None:
    """Name the kind of a JPEG that Pillow can't read: of 12 bits, lossless, arithmetic-coded; None for usual ones.

    Example:
        >>> name_rare_jpeg(bytes.fromhex("ffd8 ffc1 000b 0c 0040 0040 01 012200"))
        '12-bit JPEG'
    """
    start = 2
    while data[start : start + 1] == b"\xff" and start + 10 <= len(data):
        kind = data[start + 1]
        if kind == 0xFF:  # padding
            start += 1
        elif 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            bits, parts = data[start + 4], data[start + 9]
            if bits != 8:
                return f"{bits}-bit JPEG"
            if parts not in (1, 3, 4):
                return f"JPEG of {parts} channels"
            return "arithmetic-coded JPEG" if kind >= 0xC9 else _SOF.get(kind)
        else:
            start += 2 + int.from_bytes(data[start + 2 : start + 4])
    return None


def is_webp(data: bytes) -> bool:
    """Tell whether the first bytes are those of WebP."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def has_allowed_signature(data: bytes) -> bool:
    """Tell whether the first bytes belong to an allowed format, so that a later failure means damage."""
    bitmap = data[:2] == b"BM" and data[6:10] == b"\0\0\0\0"  # two letters alone would catch any text
    return data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or is_webp(data) or is_tiff(data) or bitmap


def name_format(data: bytes) -> str | None:
    """Name the format of a picture that is not read, by its first bytes.

    Returns:
        Its name; None for bytes that no table knows.

    Example:
        >>> name_format(b"GIF89a"), name_format(b"name,label")
        ('GIF', None)
    """
    head = data[:64]
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "a video, or a picture like one")
    if head.startswith(_NETPBM):
        return "Netpbm"
    return next((name for magic, name in _OTHER_MAGIC.items() if head.startswith(magic)), None)


# In a scan of a JPEG, 0xff is followed by 0, or by a mark to start anew; any other mark ends it.
_NEXT_MARK = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
_SCAN, _END = 0xDA, 0xD9


def count_scans(data: bytes) -> int:
    """Count the scans of a JPEG; what lies in its segments (thumbnails) or after its end (films) is none of them."""
    scans, place = 0, 2
    while (mark := _NEXT_MARK.search(data, place)) and mark[1][0] != _END:
        scans += mark[1][0] == _SCAN
        place = mark.end() + int.from_bytes(data[mark.end() : mark.end() + 2], "big")
    return scans
