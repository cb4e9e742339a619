"""Head ``grid``: what its cells see, and class maps that add up to its logits."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fer_au.errors import ConfigError
from fer_au.models import create_model
from fer_au.models.heads.base import create_head
from fer_au.models.image_sizes import fit_to_images
from fer_au.models.parts import Head, TrunkOutput

SIZES = [(6, 6), (14, 14), (13, 7), (5, 4)]  # even, and with cells that overlap


def head(cells: int, channels: int = 5, classes: int = 3, dropout: float = 0.0) -> Head:
    made = create_head("grid", channels, classes, {"cells": cells, "dropout": dropout})
    torch.nn.init.normal_(made.linear.bias)
    return made.eval()


def trunk(*size: int) -> TrunkOutput:
    return TrunkOutput(torch.randn(2, 5, *size), {})


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cells", [1, 2, 4])
def test_logits_are_a_linear_function_of_the_cells_means(size: tuple[int, int], cells: int) -> None:
    one, seen = head(cells), trunk(*size)
    means = functional.adaptive_avg_pool2d(seen.final, cells).flatten(1)
    torch.testing.assert_close(one(seen).logits, means @ one.linear.weight.T + one.linear.bias)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cells", [1, 2, 4])
def test_class_maps_have_the_maps_size_and_add_up_to_the_logits(size: tuple[int, int], cells: int) -> None:
    one, seen = head(cells, dropout=0.5), trunk(*size)
    maps = one.class_maps(seen)
    assert maps.shape == (2, 3, *size)
    torch.testing.assert_close(maps.mean((2, 3)) + one.linear.bias, one(seen).logits)


def test_one_cell_is_global_average_pooling() -> None:
    one, seen = head(1), trunk(7, 7)
    other = create_head("gap", 5, 3, {})
    other.load_state_dict(one.state_dict())
    torch.testing.assert_close(one(seen).logits, other(seen).logits)
    torch.testing.assert_close(one.class_maps(seen), other.class_maps(seen))


def test_it_matters_where_a_feature_lies() -> None:
    left = torch.zeros(1, 5, 8, 8)
    left[..., :4] = 1
    one = head(2)
    logits: list[Tensor] = [one(TrunkOutput(final, {})).logits for final in (left, left.flip(3))]
    assert (logits[0] - logits[1]).abs().max() > 0.01
    flat = head(1)
    torch.testing.assert_close(*(flat(TrunkOutput(final, {})).logits for final in (left, left.flip(3))))


def test_dropout_acts_in_training_alone() -> None:
    one, seen = head(2, dropout=0.5), trunk(6, 6)
    assert torch.equal(one(seen).logits, one(seen).logits)
    one.train()
    assert not torch.equal(one(seen).logits, one(seen).logits)


def test_a_map_with_fewer_positions_than_cells_is_one_line() -> None:
    config = {"backbone": "test_resnet", "head": "grid", "head_options": {"cells": 5}}
    model = create_model(config, ["anger", "sadness"])
    with pytest.raises(ConfigError) as refused:
        fit_to_images(model, 112)
    end = "112 pixels: its 5 x 5 cells need a map as large, not 4 x 4; set train.image_size to 160"
    assert str(refused.value).endswith(end)
