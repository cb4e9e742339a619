from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from fer_au.evaluation.blurring import blur_images
from fer_au.evaluation.faithfulness import deletion_insertion


def left_half_model(images: torch.Tensor) -> torch.Tensor:
    """Class 1 by how much of the left half still shows its value 1."""
    share = images[:, 0, :, :8].clamp(0, 1).mean(dim=(1, 2))
    return torch.stack([1 - share, share], dim=1)


def slow_deletion(image: np.ndarray, saliency: np.ndarray, steps: int) -> float:
    order = sorted(range(image[0].size), key=lambda pixel: -saliency.ravel()[pixel])
    curve = []
    for k in range(steps + 1):
        left = image.copy().reshape(len(image), -1)
        left[:, order[: round(k / steps * len(order))]] = 0
        probabilities = left_half_model(torch.from_numpy(left.reshape(1, *image.shape)))
        curve.append(float(probabilities[0, 1]))
    return float(np.trapezoid(curve, dx=1 / steps))


@pytest.fixture
def images() -> torch.Tensor:
    """Ones on the left, zeros on the right: blurring the picture loses little of the left's sum, deleting all."""
    images = torch.zeros(3, 3, 16, 16)
    images[..., :8] = 1.0
    return images


def half(left: bool) -> torch.Tensor:
    saliency = torch.zeros(3, 16, 16)
    saliency[..., :8] = 1.0 if left else 0.0
    saliency[..., 8:] = 0.0 if left else 1.0
    return saliency


def test_deletion_equals_a_pixel_by_pixel_reference(images, rng):
    saliency = torch.from_numpy(rng.random((3, 16, 16))).float()
    found = deletion_insertion(left_half_model, images, saliency, steps=8).deletion
    expected = [slow_deletion(i.numpy(), s.numpy(), 8) for i, s in zip(images, saliency, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_known_areas_of_a_model_that_needs_the_left_half(images):
    right = deletion_insertion(left_half_model, images, half(True), steps=8)
    wrong = deletion_insertion(left_half_model, images, half(False), steps=8)
    np.testing.assert_allclose(right.deletion, 0.25, atol=1e-6)  # falls linearly to 0 at half the pixels
    np.testing.assert_allclose(wrong.deletion, 0.75, atol=1e-6)  # stays at 1 for half the pixels
    assert (right.insertion > wrong.insertion).all()


def test_a_coarse_map_is_brought_to_the_image(images):
    fine = deletion_insertion(left_half_model, images, half(True), steps=8)
    coarse = deletion_insertion(left_half_model, images, half(True)[:, ::2, ::2], steps=8)
    np.testing.assert_allclose(coarse.deletion, fine.deletion, atol=1e-6)


def test_only_the_order_of_a_map_matters(images, rng):
    saliency = torch.from_numpy(rng.random((3, 16, 16))).float()
    one = deletion_insertion(left_half_model, images, saliency)
    other = deletion_insertion(left_half_model, images, 3 * saliency**2 - 7)
    np.testing.assert_allclose(one.deletion, other.deletion, rtol=1e-6)
    np.testing.assert_allclose(one.insertion, other.insertion, rtol=1e-6)


def test_the_batch_size_does_not_matter(images, rng):
    saliency = torch.from_numpy(rng.random((3, 16, 16))).float()
    one = deletion_insertion(left_half_model, images, saliency, batch_size=9)
    other = deletion_insertion(left_half_model, images, saliency, batch_size=500)
    np.testing.assert_allclose(one.deletion, other.deletion, rtol=1e-6)
    np.testing.assert_allclose(one.insertion, other.insertion, rtol=1e-6)


def test_areas_are_probabilities_even_for_a_dead_map(images):
    found = deletion_insertion(left_half_model, images, torch.zeros(3, 4, 4))
    for area in (found.deletion, found.insertion):
        assert ((area >= 0) & (area <= 1)).all()


@pytest.mark.parametrize("shape", [(32, 32), (24, 40), (1, 1)])
def test_the_insertion_canvas_is_a_gaussian_blur_with_mirrored_borders(shape, rng):
    pictures = rng.random((2, 3, *shape)).astype(np.float32)
    sigma = min(shape) / 16
    radius = min(math.ceil(3 * sigma), min(shape) - 1)
    expected = gaussian_filter(pictures, sigma, mode="mirror", radius=radius, axes=(2, 3))
    np.testing.assert_allclose(blur_images(torch.from_numpy(pictures), 1 / 16).numpy(), expected, atol=1e-6)


def test_a_step_count_below_one_is_refused(images):
    with pytest.raises(ValueError, match="at least 1"):
        deletion_insertion(left_half_model, images, half(True), steps=0)


def test_no_images_give_no_areas():
    found = deletion_insertion(left_half_model, torch.zeros(0, 3, 16, 16), torch.zeros(0, 4, 4))
    assert found.deletion.shape == found.insertion.shape == (0,)


def test_channels_behind_the_map_stay_as_they_are(images):
    rest = torch.tensor([0.1, 0.5, 0.8]).reshape(3, 1, 1, 1).expand(3, 1, 16, 16)

    def reads_the_rest(pictures: torch.Tensor) -> torch.Tensor:
        share = pictures[:, 3].mean(dim=(1, 2))
        return torch.stack([1 - share, share], dim=1)

    found = deletion_insertion(reads_the_rest, torch.cat([images, rest], 1), half(True), steps=4, channels=3)
    np.testing.assert_allclose(found.deletion, [0.9, 0.5, 0.8], atol=1e-6)
    np.testing.assert_allclose(found.insertion, [0.9, 0.5, 0.8], atol=1e-6)
    alone = deletion_insertion(left_half_model, images, half(True), steps=4)
    beside = deletion_insertion(left_half_model, torch.cat([images, rest], 1), half(True), steps=4, channels=3)
    np.testing.assert_allclose(beside.deletion, alone.deletion, atol=1e-6)
    np.testing.assert_allclose(beside.insertion, alone.insertion, atol=1e-6)
