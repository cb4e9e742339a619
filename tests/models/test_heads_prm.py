"""Head ``prm`` against loops over windows and cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fer_au.models.heads.prm import PrmHead, find_peaks
from fer_au.models.parts import TrunkOutput

CHANNELS, CLASSES = 5, 3


def trunk(rows: int = 7, columns: int = 6) -> TrunkOutput:
    return TrunkOutput(torch.randn(2, CHANNELS, rows, columns, generator=torch.Generator().manual_seed(0)), {})


def head(**options: object) -> PrmHead:
    torch.manual_seed(1)
    return PrmHead(CHANNELS, CLASSES, **options).eval()  # type: ignore[arg-type]


def maps_of(made: PrmHead, features: torch.Tensor) -> np.ndarray:
    weights = made.conv.weight.detach().numpy()[:, :, 0, 0]
    bias = made.conv.bias
    assert bias is not None
    return np.einsum("kc,nchw->nkhw", weights, features.numpy()) + bias.detach().numpy()[:, None, None]


def peaks_of(plane: np.ndarray, reach: int) -> list[tuple[int, int]]:
    rows, columns = plane.shape
    return [
        (y, x)
        for y in range(rows)
        for x in range(columns)
        if plane[y, x] == plane[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1].max()
    ]


@pytest.mark.parametrize(("rows", "columns"), [(7, 6), (3, 3), (2, 4), (1, 1)])
def test_windows_average_the_highest_cell_of_each_window_inside_the_map(rows: int, columns: int) -> None:
    made, features = head(), trunk(rows, columns).final
    high, wide = min(3, rows), min(3, columns)
    maps = maps_of(made, features)
    windows = [
        maps[:, :, y : y + high, x : x + wide].max(axis=(2, 3))
        for y in range(rows - high + 1)
        for x in range(columns - wide + 1)
    ]
    with torch.no_grad():
        assert np.allclose(made(TrunkOutput(features, {})).logits, np.mean(windows, axis=0), atol=1e-5)


@pytest.mark.parametrize("kernel", [3, 5])
def test_cells_average_each_peak_once(kernel: int) -> None:
    made, features = head(peaks="cells", kernel=kernel), trunk().final
    maps = maps_of(made, features)
    expected = [
        [np.mean([plane[place] for place in peaks_of(plane, kernel // 2)]) for plane in planes] for planes in maps
    ]
    with torch.no_grad():
        assert np.allclose(made(TrunkOutput(features, {})).logits, expected, atol=1e-5)


def test_peaks_lie_on_borders_too_and_a_plateau_is_all_peaks() -> None:
    plane = torch.zeros(1, 1, 4, 4)
    plane[0, 0, 0, 0] = 2
    plane[0, 0, 3, 2] = 1
    level = [[0, 2], [0, 3], [1, 2], [1, 3], [2, 0], [3, 0]]  # with no higher cell near
    assert find_peaks(plane)[0, 0].nonzero().tolist() == sorted([[0, 0], [3, 2], *level])
    assert find_peaks(torch.full((1, 1, 3, 3), -4.0)).all()


@pytest.mark.parametrize("peaks", ["windows", "cells"])
def test_class_maps_are_the_convolutions_without_bias(peaks: str) -> None:
    made, features = head(peaks=peaks), trunk().final
    bias = made.conv.bias
    assert bias is not None
    with torch.no_grad():
        maps = made.class_maps(TrunkOutput(features, {})) + bias[:, None, None]
    assert np.allclose(maps, maps_of(made, features), atol=1e-5)
