"""Maps on other grids: every point at its place, or moved exactly as the AU-cue paper's code moves it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from fer_au.resizing import Frame, resize_maps, resize_weights
from tests.core.resizing_by_hand import resize_plane


def centroid(maps: Tensor) -> tuple[float, float]:
    """Centre of mass (x, y) as shares of the sides, cell centres at half-integers."""
    plane = maps[0].double()
    rows, columns = plane.shape
    x = (torch.arange(columns) + 0.5) / columns
    y = (torch.arange(rows) + 0.5) / rows
    return float((plane.sum(0) * x).sum() / plane.sum()), float((plane.sum(1) * y).sum() / plane.sum())


def blob(size: int, x: float, y: float, sigma: float = 0.08) -> Tensor:
    grid = (torch.arange(size) + 0.5) / size
    return torch.exp(-((grid[None] - x) ** 2 + (grid[:, None] - y) ** 2) / (2 * sigma**2))[None]


@settings(max_examples=40)
@given(
    st.floats(0.3, 0.7),
    st.floats(0.3, 0.7),
    st.sampled_from([(56, 14), (28, 14), (14, 28), (14, 112), (28, 7), (7, 28), (28, 20), (28, 28)]),
)
def test_resizing_keeps_every_point_at_its_place(x: float, y: float, sizes: tuple[int, int]) -> None:
    maps = blob(sizes[0], x, y)
    found = centroid(resize_maps(maps, sizes[1]))
    assert found == pytest.approx(centroid(maps), abs=0.01)


def test_shrinking_by_a_whole_factor_uses_every_cell() -> None:
    maps = torch.zeros(1, 28, 28)
    maps[0, 13, 14] = 1
    assert float(resize_maps(maps, 7).sum()) == pytest.approx(1 / 16, rel=1e-5)


def test_resizing_takes_both_shapes_and_leaves_a_fitting_map_unchanged() -> None:
    maps = torch.rand(2, 3, 8, 6)
    both = resize_maps(maps, (5, 12))
    assert both.shape == (2, 3, 5, 12)
    assert torch.allclose(both[:, 1], resize_maps(maps[:, 1], (5, 12)))
    assert torch.equal(resize_maps(maps, (8, 6)), maps)


def test_a_constant_map_stays_constant_when_resized() -> None:
    for size in (5, 14, 37):
        assert torch.allclose(resize_maps(torch.full((1, 14, 14), 0.3), size), torch.full((1, size, size), 0.3))


@pytest.mark.parametrize(("old", "new"), [(28, 28), (28, 7), (28, 14), (28, 20), (28, 56), (28, 224), (1, 5), (5, 1)])
def test_the_weights_of_an_axis_are_those_of_torch(old: int, new: int) -> None:
    image = np.random.default_rng(0).random((old, old))
    weights = resize_weights(old, new)
    expected = functional.interpolate(
        torch.from_numpy(image)[None, None], size=(new, new), mode="bilinear", antialias=True
    )
    np.testing.assert_allclose(weights @ image @ weights.T, expected[0, 0].numpy(), atol=1e-7)


@pytest.mark.parametrize("grid", [(28, 28), (14, 14), (7, 7), (4, 4), (2, 3), (7, 14), (1, 1), (40, 40)])
@pytest.mark.parametrize("pixels", [28, 40])
def test_the_published_frame_is_its_slow_recomputation_both_ways(grid: tuple[int, int], pixels: int) -> None:
    maps = np.random.default_rng(1).random((2, pixels, pixels))
    frame = Frame("published", pixels)
    down = np.array([resize_plane(plane, *grid, published=True) for plane in maps])
    np.testing.assert_allclose(frame.to_layer(maps, grid), down, atol=1e-6)
    np.testing.assert_allclose(frame.to_layer(torch.from_numpy(maps), grid).numpy(), down, atol=1e-6)
    up = np.array([resize_plane(plane, pixels, pixels, published=True) for plane in down])
    np.testing.assert_allclose(frame.to_picture(down, pixels), up, atol=1e-6)
    np.testing.assert_allclose(frame.to_picture(torch.from_numpy(down), pixels).numpy(), up, atol=1e-6)


@pytest.mark.parametrize("cells", [28, 14, 7])
def test_the_published_frame_is_torch_with_both_flags(cells: int) -> None:
    """A map of 28 cells is drawn in the picture's pixels first; the flags then move it on the way down."""
    maps = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    drawn = functional.interpolate(maps, size=(96, 96), mode="bilinear", align_corners=False)
    flags = {"mode": "bilinear", "align_corners": True, "antialias": True}
    down = functional.interpolate(drawn, size=(cells, cells), **flags)
    frame = Frame("published", 96)
    torch.testing.assert_close(frame.to_layer(maps[:, 0], (cells, cells)), down[:, 0], atol=1e-5, rtol=0)
    up = functional.interpolate(down, size=(96, 96), **flags)
    torch.testing.assert_close(frame.to_picture(down[:, 0], 96), up[:, 0], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("pixel", "places"), [(112, {28: 108.5, 14: 104.4, 7: 96.4}), (180, {28: 174.3, 14: 167.9, 7: 156.0})]
)
def test_the_published_frame_moves_a_spot_by_up_to_a_cell(pixel: int, places: dict[int, float]) -> None:
    spot = blob(224, (pixel + 0.5) / 224, (pixel + 0.5) / 224, sigma=0.04)
    for cells, place in places.items():
        found = centroid(Frame("published", 224).to_layer(spot, (cells, cells)))
        assert [224 * one for one in found] == pytest.approx([place, place], abs=0.6)
        still = centroid(Frame("corrected", 224).to_layer(spot, (cells, cells)))
        assert [224 * one for one in still] == pytest.approx([pixel + 0.5] * 2, abs=0.9)


@pytest.mark.parametrize("grid", [(3, 3), (7, 14), (28, 28), (40, 9)])
def test_the_corrected_frame_is_plain_resizing_whatever_the_picture(grid: tuple[int, int]) -> None:
    maps = torch.rand(2, 28, 28, generator=torch.Generator().manual_seed(0))
    for pixels in (28, 224):
        frame = Frame("corrected", pixels)
        assert torch.equal(frame.to_layer(maps, grid), resize_maps(maps, grid))
        assert torch.equal(frame.to_picture(resize_maps(maps, grid), 28), resize_maps(resize_maps(maps, grid), 28))


def test_arrays_and_tensors_are_answered_in_kind_and_leave_autocast() -> None:
    maps = np.random.default_rng(2).random((2, 12, 12)).astype(np.float32)
    for frame in (Frame("corrected", 48), Frame("published", 48)):
        with torch.autocast("cpu", torch.bfloat16):
            tensor = frame.to_layer(torch.from_numpy(maps), (5, 5))
        array = frame.to_layer(maps, (5, 5))
        assert tensor.dtype == torch.float32
        assert array.dtype == np.float64
        np.testing.assert_allclose(tensor.numpy(), array, atol=1e-6)


def test_a_constant_map_stays_constant_in_the_published_frame() -> None:
    frame = Frame("published", 96)
    for cells in (1, 3, 12, 96):
        down = frame.to_layer(np.full((1, 28, 28), 0.3), (cells, cells))
        np.testing.assert_allclose(down, 0.3, atol=1e-6)
        np.testing.assert_allclose(frame.to_picture(down, 28), 0.3, atol=1e-6)
