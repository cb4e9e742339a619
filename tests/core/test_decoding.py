"""The decoder: what it makes of every kind of picture, and by which name it refuses the rest."""

from __future__ import annotations

import copy
import io
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from fer_au.decoding import MAX_PIXELS, ImageRejected, decode_image
from fer_au.errors import DataError
from fer_au.picture_formats import count_scans
from fer_au.rejects import Reason
from tests.core.pictures import encode, photograph, png_header


def reason_of(data: bytes) -> Reason:
    with pytest.raises(ImageRejected) as caught:
        decode_image(data)
    assert caught.value.detail
    return caught.value.reason


@pytest.mark.parametrize("format_", ["PNG", "BMP", "TIFF"])
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
        (encode(photograph(), "JPEG2000"), Reason.UNSUPPORTED_FORMAT),
        (b"\0\0\0\x1cftypheic" + bytes(100), Reason.UNSUPPORTED_FORMAT),
    ],
    ids=["empty", "html", "html tag", "text", "avi", "zeros", "gif", "jpeg 2000", "heic"],
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


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\0\0\0\x1cftypheic" + bytes(100), "HEIF"),
        (b"\0\0\0\x1cftypavif" + bytes(100), "AVIF"),
        (b"\0\0\0\x18ftypcrx " + bytes(100), "a camera's raw picture"),
        (b"\0\0\0\x18ftypmp42" + bytes(100), "a video"),
        (b"II+\0" + bytes(100), "BigTIFF"),
        (b"FUJIFILMCCD-RAW 0201", "a camera's raw picture"),
        (b"IIRO\x08\0\0\0", "a camera's raw picture"),
        (encode(photograph(), "PPM"), "Netpbm"),
        (encode(photograph(), "JPEG2000"), "JPEG 2000"),
    ],
)
def test_another_format_is_called_by_its_name_with_the_formats_that_are_read(data: bytes, said: str) -> None:
    with pytest.raises(ImageRejected) as caught:
        decode_image(data)
    assert caught.value.reason is Reason.UNSUPPORTED_FORMAT
    assert caught.value.detail.startswith(said)
    assert caught.value.detail.endswith("; save it as JPEG, PNG, WebP, BMP or TIFF")


def test_a_path_is_read(tmp_path: Path) -> None:
    path = tmp_path / "me.png"
    photograph().save(path)
    data = path.read_bytes()
    for given in (data, bytearray(data), memoryview(data), path, str(path)):
        np.testing.assert_array_equal(decode_image(given), np.asarray(photograph()))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("none.png", "none.png: No such file"),
        (Path("none.png"), "none.png: No such file"),
        (".", ".: Is a directory"),
        ("a\0b", "embedded null byte"),
        (None, "data: expected the bytes of a picture's file or its path, got None"),
        (np.zeros((4, 4, 3), np.uint8), "got a numpy array (4, 4, 3) uint8"),
        (io.BytesIO(b""), "got a value of type BytesIO"),
        (3, "its path, got 3"),
    ],
    ids=["text", "path", "folder", "nul", "none", "array", "file", "number"],
)
def test_what_is_neither_bytes_nor_a_readable_file_is_one_line(given: object, said: str) -> None:
    with pytest.raises(DataError, match=re.escape(said)) as caught:
        decode_image(given)
    assert not isinstance(caught.value, ImageRejected)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        b"<html></html>",
        b"GIF89a" + bytes(40),
        encode(photograph(), "JPEG")[:500],
        png_header(20000, 20000, 1),
    ],
    ids=range(6),
)
def test_a_refused_file_is_named_and_bytes_have_no_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a picture.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageRejected) as bare:
        decode_image(content)
    assert bare.value.path == ""
    for given in (path, str(path)):
        with pytest.raises(ImageRejected) as found:
            decode_image(given)
        assert str(found.value) == f"{path}: {bare.value}"
        assert (found.value.reason, found.value.detail) == (bare.value.reason, bare.value.detail)
        again = pickle.loads(pickle.dumps(found.value))
        assert (str(again), again.path) == (str(found.value), str(path))


def test_a_jpeg_of_very_many_scans_is_refused_before_they_are_decoded() -> None:
    """Each empty scan costs a look at all pixels; bytes alike in segments and after the end are no scans."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "JPEG", progressive=True)
    good = buffer.getvalue()
    scans = count_scans(good)
    assert 2 <= scans <= 20
    last = good.rindex(b"\xff\xda")
    many = good[:-2] + good[last:-2] * 1000 + good[-2:]
    assert count_scans(many) == scans + 1000
    with pytest.raises(ImageRejected, match=f"{scans + 1000} scans, more than 200") as caught:
        decode_image(many)
    assert caught.value.reason is Reason.TOO_LARGE
    junk = b"\xff\xda" * 5000
    comment = b"\xff\xfe" + (len(junk) + 2).to_bytes(2, "big") + junk
    assert decode_image(good[:2] + comment + good[2:] + junk).shape == (64, 64, 3)
    for cut in range(2, len(good), 7):
        assert count_scans(good[:cut]) <= scans


@pytest.mark.parametrize(
    ("frame", "bits", "parts", "said"),
    [
        (0xC1, 12, 3, "12-bit JPEG"),
        (0xC0, 16, 3, "16-bit JPEG"),
        (0xC3, 8, 3, "lossless JPEG"),
        (0xC5, 8, 3, "hierarchical JPEG"),
        (0xCB, 8, 3, "arithmetic-coded JPEG"),
        (0xC0, 8, 2, "JPEG of 2 channels"),
    ],
)
def test_a_rare_jpeg_is_named_and_not_called_damaged(frame: int, bits: int, parts: int, said: str) -> None:
    data = bytearray(encode(photograph(), "JPEG"))
    start = data.index(b"\xff\xc0")
    data[start + 1], data[start + 4], data[start + 9] = frame, bits, parts
    with pytest.raises(ImageRejected, match=f"unsupported_format: {said}; save it as"):
        decode_image(bytes(data))


def info_of(key: str, text: str, *, zip_: bool = True, international: bool = False) -> dict[str, object]:
    info = PngInfo()
    if international:
        info.add_itxt(key, text, zip=zip_)
    else:
        info.add_text(key, text, zip=zip_)
    return {"pnginfo": info}


@pytest.mark.parametrize(
    "options",
    [
        {"icc_profile": bytes(3_000_000)},
        info_of("Comment", " " * 3_000_000),
        info_of("Comment", " " * 70_000_000),
        info_of("Comment", " " * 3_000_000, international=True),
        info_of("XML:com.adobe.xmp", "<x/>" + " " * 3_000_000, international=True),
        info_of("Raw profile type exif", " " * 3_000_000),
    ],
    ids=["profile", "text", "much text", "international", "xmp", "exif as text"],
)
def test_whole_pixels_are_taken_whatever_metadata_a_png_carries(options: dict[str, object]) -> None:
    np.testing.assert_array_equal(decode_image(encode(photograph(), "PNG", **options)), np.asarray(photograph()))


@pytest.mark.parametrize("zip_", [False, True])
def test_the_orientation_in_a_text_of_a_png_is_kept(zip_: bool) -> None:
    options = info_of("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>', zip_=zip_, international=True)
    expected = np.asarray(photograph().transpose(Image.Transpose.ROTATE_270))
    np.testing.assert_array_equal(decode_image(encode(photograph(), "PNG", **options)), expected)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"version https://git-lfs.example/spec/v1\noid sha256:00\nsize 9\n", "Git LFS pointer.*git lfs pull"),
        (b"/annex/objects/MD5E-s9--00.jpg\n", "git-annex pointer.*git annex get"),
        (b"../../.git/annex/objects/0/1/MD5E-s9", "git-annex pointer.*git annex get"),
        (b"outs:\n- md5: 00\n  path: a.jpg\n", "file of DVC.*dvc pull"),
        (b"\0\5\x16\7\0\2\0\0Mac OS X", "AppleDouble"),
        (b"bplist00" + bytes(40), "iCloud"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html>", "an HTML page"),
    ],
    ids=["lfs", "annex", "annex link", "dvc", "mac", "icloud", "html"],
)
def test_a_file_that_stands_for_a_picture_is_named(data: bytes, said: str) -> None:
    with pytest.raises(ImageRejected, match=f"not_an_image: .*{said}"):
        decode_image(data)
