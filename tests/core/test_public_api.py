"""The names users write, from the places they import them."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

PUBLIC = {
    "fer_au": ["Predictor", "open_project"],
    "fer_au.cues": [
        "render_au_maps",
        "list_codebooks",
        "create_codebook",
        "load_codebook",
        "list_cues",
        "create_cue",
        "list_geometries",
        "create_geometry",
    ],
    "fer_au.datasets": ["list_adapters", "create_adapter", "open_faces"],
    "fer_au.faces": ["list_detectors", "create_detector"],
    "fer_au.landmarks": ["list_extractors", "create_extractor"],
    "fer_au.presets": ["list_presets", "load_preset", "expand", "write_preset"],
    "fer_au.models": ["create_model", "list_backbones", "list_heads"],
    "fer_au.cam": ["compute_cam", "list_cams", "create_cam"],
    "fer_au.training": ["list_losses", "create_loss"],
    "fer_au.evaluation": ["cosine_alignment", "centered_cosine", "region_attention"],
}


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in PUBLIC.items() for name in names])
def test_public_names_are_where_users_import_them(module: str, name: str) -> None:
    room = importlib.import_module(module)
    assert callable(getattr(room, name))
    assert name in room.__all__


@pytest.mark.parametrize("module", sorted(PUBLIC))
def test_everything_a_room_exports_exists(module: str) -> None:
    room = importlib.import_module(module)
    for name in room.__all__:
        assert getattr(room, name) is not None
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        _ = room.nothing_of_that_name


def test_registries_hold_what_the_default_params_name() -> None:
    from fer_au.cam import list_cams
    from fer_au.cues import list_codebooks, list_cues
    from fer_au.datasets import list_adapters
    from fer_au.faces import list_detectors
    from fer_au.landmarks import list_extractors
    from fer_au.models import list_backbones, list_heads
    from fer_au.training import list_losses

    assert {"demo", "folder", "csv", "sep"} <= set(list_adapters())
    assert {"dlib-hog", "whole-image", "provided"} <= set(list_detectors())
    assert {"dlib68", "mean-shape", "provided", "truth"} <= set(list_extractors())
    assert {"paper", "corrected"} <= set(list_codebooks())
    assert "au" in list_cues()
    assert {"resnet18", "resnet10t", "test_resnet"} <= set(list_backbones())
    assert "gap" in list_heads()
    assert {"native", "gradcam", "layercam"} <= set(list_cams())
    assert "cosine" in list_losses()


def test_the_documented_calls_fit_together() -> None:
    import torch

    from fer_au.cam import compute_cam
    from fer_au.cues import render_au_maps
    from fer_au.evaluation import cosine_alignment
    from fer_au.ibug68 import MEAN_FACE
    from fer_au.models import create_model

    low, high = MEAN_FACE.min(0), MEAN_FACE.max(0)
    points = np.repeat(((MEAN_FACE - low) / (high - low).max() * 160 + 32)[None], 2, axis=0)
    maps, valid = render_au_maps(points, ["happiness", "neutral"])
    assert (maps.shape, maps.dtype, valid.tolist()) == ((2, 28, 28), np.float32, [True, False])
    assert not maps[1].any()

    model = create_model({"backbone": "test_resnet", "output_stride": 8}, classes=["neutral", "happiness"], seed=0)
    x = torch.zeros(2, 3, 64, 64)
    output = model(x)
    assert output.logits.shape == (2, 2)
    assert output.features["5" if "5" in output.features else model.layers[-1]].shape[-2:] == (8, 8)
    cam = compute_cam("layercam", model, x, torch.tensor([0, 1]))
    assert cam.shape == (2, 8, 8)
    assert cosine_alignment(maps, maps)[0] == pytest.approx(1)
