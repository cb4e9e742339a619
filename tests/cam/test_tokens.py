"""Rollout and self-attention against a transformer's queries and keys, in float64."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from fer_au.cam import CamRun, compute_cam
from fer_au.errors import ConfigError
from fer_au.models import FerModel, create_model

CLASSES = ("neutral", "happiness", "surprise", "anger")
TARGET = torch.tensor([0, 3])
VIT = "vit_tiny_patch16_224"
MODELS: dict[str, dict[str, Any]] = {
    "class token": {"backbone": VIT},
    "two extra tokens": {"backbone": "deit_tiny_distilled_patch16_224"},
    "no class token": {"backbone": VIT, "backbone_options": {"class_token": False}},
    "recorded by its head": {"backbone": VIT, "head": "ts_cam"},
}


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(2, 3, 48, 32, generator=torch.Generator().manual_seed(0))


def matrices_by_hand(model: FerModel, images: Tensor) -> list[Tensor]:
    """Mean attention of each block (N, tokens, tokens), from its input, queries and keys."""
    network = copy.deepcopy(model.backbone.network).eval().double()
    inputs: list[Tensor] = []
    for block in network.blocks:
        block.attn.register_forward_hook(lambda _, arguments, __: inputs.append(arguments[0]))
    with torch.no_grad():
        network.forward_features(images.double())
        found = []
        for block, x in zip(network.blocks, inputs, strict=True):
            heads = block.attn.num_heads
            queries, keys, _ = block.attn.qkv(x).unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
            scores = queries @ keys.transpose(-1, -2) / queries.shape[-1] ** 0.5
            found.append(scores.softmax(-1).mean(1))
    return found


def as_map(matrix: Tensor, model: FerModel) -> Tensor:
    """The class token's row, or the patches' mean row, on the 3 x 2 patches."""
    extra = matrix.shape[1] - 6
    row = matrix[:, 0, extra:] if extra else matrix.mean(1)
    return row.reshape(-1, 3, 2)


@pytest.mark.parametrize("name", MODELS)
def test_attention_and_rollout_are_those_of_queries_and_keys(name: str, images: Tensor) -> None:
    model = create_model(MODELS[name], CLASSES, seed=0).eval()
    blocks = matrices_by_hand(model, images)
    identity = torch.eye(blocks[0].shape[-1], dtype=torch.float64)
    joint = [identity]
    for block in blocks:
        joint.append(torch.einsum("nij,njk->nik", 0.5 * block + 0.5 * identity, joint[-1].expand_as(block)))
    cams = ["attention", "attention@3", "rollout", "rollout@5"]
    found = CamRun(model, images, cams).maps(TARGET, normalize=False)
    expected = {"attention": blocks[-1], "attention@3": blocks[2], "rollout": joint[-1], "rollout@5": joint[5]}
    for cam in cams:
        own = as_map(expected[cam], model)
        assert (found[cam].double() - own).abs().max() < 1e-5 * own.max(), cam
    assert torch.allclose(joint[-1].sum(-1), torch.ones_like(joint[-1][..., 0]))


def test_a_call_leaves_the_fused_kernels_on(images: Tensor) -> None:
    model = create_model(MODELS["class token"], CLASSES, seed=0)
    fused = [block.attn.fused_attn for block in model.backbone.network.blocks]
    assert any(fused)
    compute_cam("rollout", model, images, TARGET)
    assert [block.attn.fused_attn for block in model.backbone.network.blocks] == fused
    assert model.eval()(images).trunk.attentions == ()


def test_both_need_one_more_forward_pass_and_share_it(images: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    model = create_model(MODELS["class token"], CLASSES, seed=0)
    passes: list[int] = []
    forward = model.backbone.forward
    monkeypatch.setattr(model.backbone, "forward", lambda x: passes.append(1) or forward(x))
    CamRun(model, images, ["gradcam", "rollout", "attention", "attention@2"]).maps(TARGET)
    assert sum(passes) == 2


@pytest.mark.parametrize("backbone", ["resnet10t", "gimefive-13"])
@pytest.mark.parametrize("cam", ["rollout", "attention"])
def test_a_cnn_has_none(cam: str, backbone: str) -> None:
    model = create_model({"backbone": backbone}, CLASSES, seed=0)
    with pytest.raises(ConfigError, match=rf"^{cam}: .* needs a vision transformer: backbone '{backbone}' has no"):
        compute_cam(cam, model, torch.zeros(2, 3, 64, 64), TARGET)
