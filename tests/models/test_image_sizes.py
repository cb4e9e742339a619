"""Networks and the size of their images: fitted, or refused with sizes that fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch

from fer_au.errors import ConfigError
from fer_au.models import create_model
from fer_au.models.files import load_model, save_model
from fer_au.models.image_sizes import fit_to_images
from tools.try_backbones import PAGE, Row, try_network, written_rows

CLASSES = ("neutral", "happiness", "anger")
# Made for 160 or 224 pixels; each family says so in other words of its own.
FIXED = {
    "test_vit_relpos": 7,
    "gmlp_ti16_224": 7,
    "visformer_tiny": 3,
    "levit_128s": 2,
    "nest_tiny": 7,
    "convit_tiny": 7,
}


def fitted(backbone: str, size: int, **options: object) -> dict[str, object]:
    with torch.device("meta"):
        model = create_model({"backbone": backbone, "backbone_options": options}, CLASSES)
        return dict(fit_to_images(model, size).config.backbone_options)


@pytest.mark.parametrize(("backbone", "cells"), FIXED.items())
def test_a_network_that_is_made_for_one_size_is_built_for_that_of_the_images(backbone: str, cells: int) -> None:
    with torch.device("meta"):
        model = fit_to_images(create_model({"backbone": backbone}, CLASSES), 112)
    assert model.config.backbone_options == {"img_size": 112}
    assert model.grid_sizes(112)[model.layers[-1]] == (cells, cells)


@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit", "test_convnext", "swin_tiny_patch4_window7_224"])
def test_a_network_that_takes_any_size_is_left_as_it_is(backbone: str) -> None:
    with torch.device("meta"):
        model = create_model({"backbone": backbone}, CLASSES)
        assert fit_to_images(model, 96) is model


def test_the_weights_follow_the_seed_and_the_model_is_rebuilt_for_the_same_images(tmp_path: Path) -> None:
    model = create_model({"backbone": "test_vit_relpos"}, CLASSES, seed=3)
    first, second = (fit_to_images(model, 64, seed=3) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    save_model(tmp_path, first.eval(), {})
    assert json.loads((tmp_path / "config.json").read_text())["model"]["backbone_options"] == {"img_size": 64}
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(load_model(tmp_path)[0](images).logits, first(images).logits)


@pytest.mark.parametrize(
    ("backbone", "size", "message"),
    [
        ("dla46x_c", 112, r"can't take images of 112 pixels; set train\.image_size to 96 or 128"),
        ("hrnet_w18_small", 112, r"can't take images of 112 pixels; set train\.image_size to 96 or 128"),
        ("efficientformerv2_s0", 112, r"set train\.image_size to 96 or 128"),
        ("pit_ti_224", 112, "doesn't end in one feature map"),
        ("coat_tiny", 112, "doesn't end in one feature map"),
        ("efficientvim_m1", 112, "doesn't end in one feature map"),
        ("gimefive-vgg", 100, r"100 pixels: its classifier needs a .* map, not .*; set train\.image_size to 64"),
    ],
)
def test_a_size_that_can_not_be_had_is_refused_with_sizes_that_fit(backbone: str, size: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fitted(backbone, size)


def test_a_size_that_the_user_gives_is_his() -> None:
    assert fitted("test_vit_relpos", 96, img_size=96) == {"img_size": 96}
    with pytest.raises(ConfigError, match=r"can't take images of 96 pixels; set train\.image_size to 128"):
        fitted("test_vit_relpos", 96, img_size=128)


def test_the_page_is_of_every_family_of_this_timm() -> None:
    if f"timm {timm.__version__}," not in PAGE.read_text(encoding="utf-8"):
        pytest.skip("the page was written with another release of timm")
    assert {row.family for row in written_rows()} >= set(timm.list_modules()) - {"deepseek_vit", "gemma4_vit"}


@pytest.mark.slow
@pytest.mark.parametrize("row", written_rows(), ids=lambda row: row.family)
def test_each_row_of_the_page_holds(row: Row) -> None:
    now = try_network(row.family, row.network)
    assert now.outcome.startswith(
        ("map of ", "refused: takes ", "refused: doesn't ")
    )  # never torch's words about shapes
    if f"timm {timm.__version__}," in PAGE.read_text(encoding="utf-8"):
        assert now == row
