"""The decoder: what it makes of every kind of picture, and by which name it refuses the rest."""

from __future__ import annotations

import copy
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from fer_au.decoding import MAX_PIXELS, ImageRejected, decode_image
from fer_au.rejects import Reason


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


def reason_of(data: bytes) -> Reason:
    with pytest.raises(ImageRejected) as caught:
        decode_image(data)
    assert caught.value.detail
    return caught.value.reason


@pytest.mark.parametrize("format_", ["PNG", "BMP"])
def test_lossless_formats_give_the_exact_pixels(format_: str) -> None:
    image = photograph()
    decoded = decode_image(encode(image, format_))
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous
    np.testing.assert_array_equal(decoded, np.asarray(image))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_jpeg_is_close_to_the_pixels(options: dict[str, object]) -> None:
    image = photograph()
    decoded = decode_image(encode(image, "JPEG", quality=95, **options))
    assert np.abs(decoded.astype(int) - np.asarray(image)).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied(format_: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(photograph(), format_, exif=exif.tobytes())
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    decoded = decode_image(data)
    np.testing.assert_array_equal(decoded, np.asarray(expected))
    assert decoded.shape == ((96, 128, 3) if orientation >= 5 else (128, 96, 3))


def test_orientation_6_turns_the_top_left_corner_to_the_top_right() -> None:
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:5, :5] = (255, 0, 0)
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode_image(encode(Image.fromarray(pixels), "PNG", exif=exif.tobytes()))
    assert decoded.shape == (30, 20, 3)
    assert (decoded[:5, -5:] == (255, 0, 0)).all()


def test_damaged_exif_loses_the_orientation_and_not_the_picture() -> None:
    data = encode(photograph(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0garbage")
    assert decode_image(data).shape == (128, 96, 3)


def test_16_bit_grey_is_scaled_and_not_clipped() -> None:
    wide = np.linspace(0, 65535, 64 * 48).reshape(64, 48).astype(np.uint16)
    decoded = decode_image(encode(Image.fromarray(wide), "PNG"))
    assert np.abs(decoded - wide[:, :, None] / 257.0).max() <= 0.51
    assert len(np.unique(decoded)) == 256


def test_cmyk_keeps_its_colours() -> None:
    image = Image.new("RGB", (64, 64), (200, 40, 60))
    decoded = decode_image(encode(image.convert("CMYK"), "JPEG", quality=95))
    assert np.abs(decoded.reshape(-1, 3).mean(0) - (200, 40, 60)).max() < 12


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA"])
def test_other_modes_become_rgb(mode: str) -> None:
    image = photograph().convert(mode)
    decoded = decode_image(encode(image, "PNG"))
    np.testing.assert_array_equal(decoded, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_lie_over_white(mode: str) -> None:
    image = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    image.paste((10, 10, 10, 255), (0, 0, 16, 32))
    if mode == "P":
        palette = Image.new("P", (32, 32), 1)
        palette.putpalette([10, 10, 10, 90, 0, 0])
        palette.paste(0, (0, 0, 16, 32))
        data = encode(palette, "PNG", transparency=bytes([255, 0]))
    else:
        data = encode(image.convert(mode), "PNG")
    decoded = decode_image(data)
    assert (decoded[:, :16] == 10).all()
    assert (decoded[:, 16:] == 255).all()


@pytest.mark.parametrize("format_", ["PNG", "WEBP"])
def test_an_animation_gives_its_first_frame(format_: str) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    data = encode(frames[0], format_, save_all=True, append_images=frames[1:], lossless=True)
    assert (decode_image(data) == (255, 0, 0)).mean() > 0.99


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.7, 0.95])
def test_a_cut_file_is_truncated_wherever_it_is_cut(format_: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 96, 3), dtype=np.uint8)
    data = encode(Image.fromarray(noise), format_)
    assert reason_of(data[: int(len(data) * share)]) is Reason.TRUNCATED


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "BMP"])
def test_a_lone_signature_is_truncated(format_: str) -> None:
    assert reason_of(encode(photograph(), format_)[:12]) is Reason.TRUNCATED


def test_wrong_bytes_inside_a_png_are_noticed() -> None:
    data = bytearray(encode(photograph(), "PNG"))
    middle = len(data) // 2
    data[middle : middle + 40] = bytes(40)
    assert reason_of(bytes(data)) is Reason.UNREADABLE


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.NOT_AN_IMAGE),
        (b"<!DOCTYPE html><html><body>404</body></html>", Reason.NOT_AN_IMAGE),
        (b"  <HTML>", Reason.NOT_AN_IMAGE),
        (b"BM is how this text starts", Reason.NOT_AN_IMAGE),
        (b"RIFF\x10\0\0\0AVI LIST", Reason.NOT_AN_IMAGE),
        (bytes(1000), Reason.NOT_AN_IMAGE),
        (encode(photograph(), "GIF"), Reason.UNSUPPORTED_FORMAT),
        (encode(photograph(), "TIFF"), Reason.UNSUPPORTED_FORMAT),
        (encode(photograph(), "JPEG2000"), Reason.UNSUPPORTED_FORMAT),
        (b"\0\0\0\x1cftypheic" + bytes(100), Reason.UNSUPPORTED_FORMAT),
    ],
    ids=["empty", "html", "html tag", "text", "avi", "zeros", "gif", "tiff", "jpeg 2000", "heic"],
)
def test_what_is_no_allowed_picture_is_named(data: bytes, reason: Reason) -> None:
    assert reason_of(data) is reason


@pytest.mark.parametrize("side", [7072, 10_000, 20_000])
def test_a_huge_picture_is_refused_by_its_header(side: int) -> None:
    data = png_header(side, side, rows=2)  # rows that are absent can't have been decoded before the refusal
    assert side * side > MAX_PIXELS
    assert reason_of(data) is Reason.TOO_LARGE


def test_a_whole_decompression_bomb_is_refused() -> None:
    data = png_header(20_000, 20_000, rows=20_000)
    assert len(data) < 1_000_000
    assert reason_of(data) is Reason.TOO_LARGE


def test_a_large_picture_below_the_limit_is_taken() -> None:
    assert decode_image(png_header(8000, 1000, rows=1000)).shape == (1000, 8000, 3)


def test_a_refusal_comes_back_from_another_process() -> None:
    error = copy.copy(ImageRejected(Reason.TOO_LARGE, "9x9"))  # the way a worker process sends it
    assert (error.reason, error.detail) == (Reason.TOO_LARGE, "9x9")
