from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fer_au.faces.geometry import apply_matrix
from fer_au.faces.warp import to_opencv, warp_crop

BORDER = cv2.BORDER_REPLICATE


def blob(height, width, x, y, sigma):
    """A bright spot whose centre of mass is (x, y) in the project's frame."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    return np.round(250 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))).astype(np.uint8)


def centre_of_mass(image):
    weight = image.astype(np.float64)
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    return np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()


@given(
    angle=st.floats(-np.pi, np.pi),
    scale=st.floats(0.12, 4),
    x=st.floats(330, 470),
    y=st.floats(230, 370),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.filter_too_much])
def test_a_blob_lands_where_the_matrix_says(angle, scale, x, y):
    image = blob(600, 800, x, y, sigma=max(6 / scale, 4))
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[c, -s], [s, c]])
    matrix = np.concatenate([linear, (np.array([100, 90]) - linear @ (400, 300))[:, None]], axis=1)
    expected = apply_matrix(matrix, [x, y])
    assume(((expected > 60) & (expected < 140)).all())
    found = centre_of_mass(warp_crop(image, matrix, 200))
    assert np.abs(found - expected).max() < 0.1


def test_the_identity_changes_no_pixel():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert np.array_equal(warp_crop(image, [[1, 0, 0], [0, 1, 0]], 64), image)


def test_whole_pixel_shifts_are_exact():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert np.array_equal(warp_crop(image, [[1, 0, -10], [0, 1, -20]], 32), image[20:52, 10:42])


def test_halving_averages_blocks():
    image = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    blocks = image.reshape(32, 2, 32, 2).mean(axis=(1, 3))
    assert np.abs(warp_crop(image, [[0.5, 0, 0], [0, 0.5, 0]], 32) - blocks).max() <= 1


def test_fine_texture_becomes_grey_not_noise():
    image = np.indices((1024, 1024)).sum(0).astype(np.uint8) % 2 * 255  # a checkerboard of single pixels
    small = warp_crop(image.astype(np.uint8), [[0.1, 0, 0], [0, 0.1, 0]], 100)
    assert np.abs(small[4:-4, 4:-4].astype(int) - 127).max() < 12


@pytest.mark.parametrize("scale", [0.1, 0.2, 0.3, 0.45, 0.55, 0.7, 0.95, 1.7])
def test_a_pixel_is_the_average_of_the_picture_below_it(scale):
    noise = np.random.default_rng(0).normal(128, 400, (700, 700, 3))
    image = np.clip(cv2.GaussianBlur(noise, (0, 0), max(1.5, 0.5 / scale)), 0, 255).astype(np.uint8)
    matrix = np.array([[scale, 0.1 * scale, 3], [-0.1 * scale, scale, 5]])
    fine = cv2.warpAffine(image, to_opencv(8 * matrix), (64 * 8, 64 * 8), flags=cv2.INTER_CUBIC, borderMode=BORDER)
    average = cv2.resize(fine, (64, 64), interpolation=cv2.INTER_AREA).astype(int)
    assert average.std() > 8
    assert np.abs(warp_crop(image, matrix, 64) - average).mean() < 0.055 * average.std()


@pytest.mark.parametrize("shift", [-4, -3, -2, 0])
def test_the_border_is_repeated_wherever_it_is_seen(shift):
    image = np.random.default_rng(0).integers(150, 256, (40, 40), dtype=np.uint8)
    matrix = np.array([[1.6, 0, 1.6 * shift], [0, 1.6, 1.6 * shift]])
    padded = cv2.copyMakeBorder(image, 20, 20, 20, 20, BORDER)
    inside = np.array([[1.6, 0, 1.6 * (shift - 20)], [0, 1.6, 1.6 * (shift - 20)]])
    for size in (50, 54, 58, 62):
        assert np.abs(warp_crop(image, matrix, size).astype(int) - warp_crop(padded, inside, size)).max() <= 1


def test_mirroring_before_or_after_the_warp_is_the_same():
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8), (0, 0), 2)
    matrix = np.array([[0.9, -0.2, 5], [0.2, 0.9, -7]])
    # x -> 120 - x before, x -> 64 - x after.
    mirrored = np.array([[0.9, 0.2, 64 - 5 - 0.9 * 120], [-0.2, 0.9, -7 + 0.2 * 120]])
    one = warp_crop(np.ascontiguousarray(image[:, ::-1]), mirrored, 64)
    assert np.abs(one[:, ::-1].astype(int) - warp_crop(image, matrix, 64)).max() <= 1


def test_outside_the_picture_its_border_is_repeated():
    image = np.full((10, 10, 3), 50, np.uint8)
    image[:, -1] = 200
    crop = warp_crop(image, [[1, 0, 0], [0, 1, 0]], 20)
    assert (crop[:, 9:] == 200).all()
    assert (crop[:, :8] == 50).all()


def test_a_crop_that_misses_the_picture_is_its_border():
    image = np.full((10, 10, 3), 7, np.uint8)
    assert (warp_crop(image, [[1, 0, 5000], [0, 1, 5000]], 16) == 7).all()


def test_pictures_wider_than_opencv_can_warp_are_taken():
    image = np.zeros((4, 40_000), np.uint8)
    image[:, 39_990:] = 255
    crop = warp_crop(image, [[1, 0, -39_984], [0, 1, 0]], 16)
    assert crop[0, 2] == 0
    assert crop[0, -1] == 255


def test_the_same_map_in_opencvs_numbers():
    matrix = np.array([[0.3, -1.2, 4], [1.2, 0.3, -5]])
    # The centre of source pixel (2, 3), index (2, 3) for OpenCV, is (2.5, 3.5) here.
    np.testing.assert_allclose(apply_matrix(to_opencv(matrix), [2, 3]) + 0.5, apply_matrix(matrix, [2.5, 3.5]))


@pytest.mark.parametrize(("matrix", "size"), [(np.zeros((2, 3)), 8), (np.full((2, 3), np.nan), 8), (np.eye(3)[:2], 0)])
def test_a_useless_matrix_or_size_is_refused(matrix, size):
    with pytest.raises(ValueError, match=r"inverted|size"):
        warp_crop(np.zeros((4, 4, 3), np.uint8), matrix, size)
