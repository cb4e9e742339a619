"""Small generated data sets, whole and damaged."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def encode(image: Image.Image, format_: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def picture(seed: int, width: int = 32, height: int = 24) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height))


@lru_cache(maxsize=1)
def bomb() -> bytes:
    """A 20,000 x 20,000 grey PNG in less than half a megabyte."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    pixels = zlib.compressobj(9)
    body = b"".join(pixels.compress(bytes(20_001 * 100)) for _ in range(200)) + pixels.flush()
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.fixture(autouse=True)
def _one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_AU_WORKERS", "1")


@pytest.fixture
def add() -> Callable[..., Path]:
    """Write a distinct small picture: ``add(path)`` or ``add(path, data=..., width=...)``."""
    count = iter(range(10**6))

    def write(path: Path, data: bytes | None = None, **size: int) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(picture(next(count), **size)) if data is None else data)
        return path

    return write


@pytest.fixture
def nasty_folder(tmp_path: Path, add: Callable[..., Path]) -> tuple[Path, dict[str, str], set[str]]:
    """A class-folder set full of trouble.

    Returns:
        Its root, the expected reject table (id -> reason), and the ids that must be accepted.
    """
    root = tmp_path / "raw"
    happy = root / "happy"
    exif = Image.Exif()
    exif[0x0112] = 6
    grey16 = Image.fromarray(np.linspace(0, 65535, 24 * 32).reshape(24, 32).astype(np.uint16))
    whole = encode(picture(1))
    good = {
        "16bit.png": encode(grey16, "PNG"),
        "cmyk.jpg": encode(picture(2).convert("CMYK")),
        "exif6.jpg": encode(picture(3), exif=exif.tobytes()),
        "rgba.png": encode(picture(4).convert("RGBA"), "PNG"),
        "palette.png": encode(picture(5).convert("P"), "PNG"),
        "webp named.JPG": encode(picture(6), "WEBP"),
        "grüße 笑顔 😀.jpg": encode(picture(7)),
        'new\nline, comma "quote".jpg': encode(picture(8)),
        "carriage\rreturn.jpg": encode(picture(9)),
        "<script>alert('x')<.jpg": encode(picture(10)),
        "=SUM(1).jpg": encode(picture(11)),
        "hash#1.jpg": encode(picture(12)),
        "scan.tiff": encode(picture(14), "TIFF"),
    }
    bad = {
        "cut.jpg": (whole[: len(whole) // 2], "truncated"),
        "empty.jpg": (b"", "not_an_image"),
        "page.jpg": (b"<!DOCTYPE html><title>404</title>", "not_an_image"),
        "bomb.png": (bomb(), "too_large"),
        "gif.jpg": (encode(picture(13), "GIF"), "unsupported_format"),
        "tiny.png": (encode(picture(15, 40, 15), "PNG"), "too_small"),
    }
    for name, data in good.items():
        add(happy / name, data)
    for name, (data, _) in bad.items():
        add(happy / name, data)
    rejects = {f"happy/{name}": reason for name, (_, reason) in bad.items()}

    (happy / "folder.jpg").mkdir()
    rejects["happy/folder.jpg"] = "not_an_image"
    outside = add(tmp_path / "secret" / "out.jpg")
    (happy / "out.jpg").symlink_to(outside)
    rejects["happy/out.jpg"] = "outside_root"
    (happy / "broken.jpg").symlink_to(happy / "absent.jpg")
    rejects["happy/broken.jpg"] = "missing_file"
    (happy / "loop.jpg").symlink_to(happy / "loop.jpg")
    rejects["happy/loop.jpg"] = "missing_file"
    (happy / "inside.jpg").symlink_to(happy / "cmyk.jpg")
    add(root / "sad" / "deep" / "er" / "1.bmp", encode(picture(16), "BMP"))
    add(root / "confused" / "1.jpg")
    rejects["confused/1.jpg"] = "unknown_label"
    add(root / "stray.jpg")
    rejects["stray.jpg"] = "unlabelled"
    add(root / "notes.txt", b"no picture")
    add(happy / ".hidden.jpg")
    accepted = {f"happy/{name}" for name in good} | {"happy/inside.jpg", "sad/deep/er/1.bmp"}
    return root, rejects, accepted
