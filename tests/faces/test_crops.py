from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from fer_au.errors import StoreError
from fer_au.faces.crops import decode_crop_bytes, encode_crop


def picture():
    return cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8), (0, 0), 2)


def test_colours_survive_in_rgb_order():
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, :, 0] = 200
    decoded = decode_crop_bytes(encode_crop(image))
    assert np.abs(decoded.astype(int) - image).max() <= 3


def test_equal_pixels_give_equal_bytes():
    assert encode_crop(picture()) == encode_crop(picture())


def test_crops_are_jpeg_without_chroma_subsampling_and_nearly_lossless():
    data = encode_crop(picture())
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "JPEG"
        assert {component[1:3] for component in image.layer} == {(1, 1)}
    assert np.abs(decode_crop_bytes(data).astype(int) - picture()).mean() < 1.5


@pytest.mark.parametrize("data", [b"", b"no picture"])
def test_an_empty_or_broken_crop_is_a_store_error(data):
    with pytest.raises(StoreError, match="no picture"):
        decode_crop_bytes(data)


def test_a_grey_crop_is_smaller_and_decodes_to_the_pixels_of_a_colour_jpeg():
    grey = np.repeat(picture()[:, :, :1], 3, axis=2)
    flags = (cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
    colour = bytes(cv2.imencode(".jpg", grey, flags)[1])
    data = encode_crop(grey)
    assert len(data) < len(colour)
    assert np.array_equal(decode_crop_bytes(data), decode_crop_bytes(colour))
