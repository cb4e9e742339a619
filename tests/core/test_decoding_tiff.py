"""TIFF files in the decoder: orientation, modes, and what is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from fer_au.decoding import ImageRejected, decode_image, upright_rgb
from fer_au.rejects import Reason
from tests.core.pictures import encode, photograph


def with_tags(image: Image.Image, tags: dict[int, object], **options: object) -> bytes:
    """A TIFF with more tags."""
    directory = ImageFileDirectory_v2()
    for tag, value in tags.items():
        directory[tag] = value
        if isinstance(value, bytes):
            directory.tagtype[tag] = 1
    return encode(image, "TIFF", tiffinfo=directory, **options)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_upright_once(orientation: int, compression: str | None) -> None:
    data = with_tags(photograph(), {0x0112: orientation}, compression=compression)
    exif = Image.Exif()
    exif[0x0112] = orientation
    expected = decode_image(encode(photograph(), "PNG", exif=exif.tobytes()))
    np.testing.assert_array_equal(decode_image(data), expected)
    np.testing.assert_array_equal(upright_rgb(Image.open(io.BytesIO(data))), expected)


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "RGBA", "LA", "I;16"])
def test_tiffs_of_other_modes_look_like_pngs_of_them(mode: str) -> None:
    grey = np.arange(64 * 96, dtype=np.uint16).reshape(64, 96) * 10
    image = Image.fromarray(grey) if mode == "I;16" else photograph().convert(mode)
    twin = image.convert("RGB") if mode == "CMYK" else image
    np.testing.assert_array_equal(decode_image(encode(image, "TIFF")), decode_image(encode(twin, "PNG")))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (with_tags(photograph(), {254: 1}), "a camera's raw picture; "),
        (with_tags(photograph(), {50706: b"\1\4\0\0"}), "a camera's raw picture; "),
        (encode(photograph(), "TIFF", compression="jpeg"), "TIFF compressed by jpeg"),
        (encode(photograph().convert("F"), "TIFF"), "TIFF with 32-bit float samples"),
        (encode(photograph().convert("I"), "TIFF"), "TIFF with 32-bit samples"),
    ],
    ids=["thumbnail first", "dng", "jpeg inside", "float", "32 bits"],
)
def test_a_tiff_whose_pixels_would_not_be_shown_as_meant_is_named(data: bytes, said: str) -> None:
    with pytest.raises(ImageRejected) as caught:
        decode_image(data)
    assert caught.value.reason is Reason.UNSUPPORTED_FORMAT
    assert caught.value.detail.startswith(said)
