"""Encode and decode the crops inside ``faces.h5``."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.arguments import check_type, read_text
from fer_au.errors import StoreError
from fer_au.faces.warp import without_empty_colour
from fer_au.picture_arguments import read_picture
from fer_au.stores.reader import Store

JPEG_QUALITY = 95
_ENCODING = (
    cv2.IMWRITE_JPEG_QUALITY,
    JPEG_QUALITY,
    # No chroma subsampling: lips and teeth keep their colour edges.
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
)


def encode_crop(image: NDArray[np.uint8]) -> bytes:
    """Encode a crop as JPEG, quality 95, 4:4:4; equal pixels give equal bytes.

    A crop without colour becomes a grey JPEG, which is decoded to the same pixels as a colour JPEG.

    Args:
        image: Crop (H, W, 3) uint8 RGB.
    """
    plain = without_empty_colour(read_picture("image", image, grey=True))
    if plain.ndim == 3:
        plain = np.asarray(cv2.cvtColor(plain, cv2.COLOR_RGB2BGR), np.uint8)
    _, data = cv2.imencode(".jpg", plain, _ENCODING)
    return bytes(data)


def decode_crop_bytes(data: bytes) -> NDArray[np.uint8]:
    """Decode the bytes of ``encode_crop``, without the checks that a stranger's picture needs.

    The store's hash has vouched for the bytes.

    Returns:
        Crop (H, W, 3) uint8 RGB.

    Raises:
        StoreError: The bytes are empty or no picture.
    """
    check_type("data", data, (bytes, bytearray, memoryview), "the bytes of a crop")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB) if data else None
    if image is None:
        raise StoreError("a crop is empty or is no picture")
    return np.asarray(image, np.uint8)


def decode_crop(store: Store, row: int, column: str = "data") -> NDArray[np.uint8]:
    """Decode the crop of one row of ``faces.h5``.

    Args:
        store: Open ``faces`` store.
        row: Number of the row.
        column: Column of the crops: ``data``, or ``context`` where the store has context crops.

    Returns:
        Crop (size, size, 3) uint8 RGB.

    Raises:
        StoreError: The row has no crop (status REJECTED), or the store has no such column.
        ArgumentError: There is no such row, or an argument is something else.
    """
    check_type("store", store, Store, "a fer_au.stores.Store")
    row, column = store.row("row", row), read_text("column", column, "the name of a column")
    try:
        return decode_crop_bytes(store.ragged(row, column))
    except StoreError as error:
        raise StoreError(f"{store.path}: row {row} ({store.ids[row]}): {error}") from error
