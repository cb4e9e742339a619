"""Recorded attention of vision transformers, and the head that needs it."""

from __future__ import annotations

import copy
import gc
import re
import weakref

import pytest
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from fer_au.errors import ConfigError
from fer_au.models import FerModel, create_model
from fer_au.models.heads.ts_cam import TsCamHead, class_token_attention
from fer_au.models.parts import TrunkOutput

CLASSES = ("neutral", "happiness", "surprise", "anger")
TINY = "test_vit"  # timm's own tiny one: 6 blocks of 2 heads, 16 pixel patches, a class token
PREFIXES = {
    "test_vit": 1,
    "test_vit2": 1,
    "deit_tiny_patch16_224": 1,
    "deit_tiny_distilled_patch16_224": 2,
    "vit_small_patch16_rope_224": 1,
    "eva02_tiny_patch14_224": 1,
}
SIZES = {"eva02_tiny_patch14_224": 224}


@pytest.fixture
def model() -> FerModel:
    return create_model({"backbone": TINY, "head": "ts_cam"}, CLASSES, seed=0).eval()


def images(size: int = 64, count: int = 2) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("backbone", "prefix"), PREFIXES.items())
def test_a_transformer_gives_one_matrix_per_block_and_the_same_features_as_without(backbone: str, prefix: int) -> None:
    plain = create_model({"backbone": backbone}, CLASSES, seed=0).eval()
    recorded = copy.deepcopy(plain)
    names = list(recorded.state_dict())
    recorded.backbone.record_attention()
    batch = images(SIZES.get(backbone, 64))
    with torch.no_grad():
        before, after = plain(batch), recorded(batch)
    tokens = prefix + before.final.shape[2] * before.final.shape[3]
    assert before.trunk.attentions == ()
    assert len(after.trunk.attentions) == len(recorded.layers)
    for matrix in after.trunk.attentions:
        assert matrix.shape[0] == 2
        assert matrix.shape[2:] == (tokens, tokens)
        assert torch.allclose(matrix.sum(-1), torch.ones(()), atol=1e-5)
    assert torch.allclose(before.final, after.final, atol=1e-4)
    assert list(recorded.state_dict()) == names


def test_the_matrices_are_the_softmax_of_scaled_products_of_queries_and_keys(model: FerModel) -> None:
    network = model.backbone.network
    with torch.no_grad():
        recorded = model(images()).trunk.attentions
        stream = network.norm_pre(network._pos_embed(network.patch_embed(images())))
        for block, matrix in zip(network.blocks, recorded, strict=True):
            heads = block.attn.num_heads
            weight, bias = block.attn.qkv.weight.chunk(3), block.attn.qkv.bias.chunk(3)
            normed = block.norm1(stream)
            query, key = (
                (normed @ w.T + b).unflatten(2, (heads, -1)) for w, b in zip(weight[:2], bias[:2], strict=True)
            )
            products = torch.einsum("nihd,njhd->nhij", query, key) / query.shape[-1] ** 0.5
            expected = products.exp() / products.exp().sum(-1, keepdim=True)
            assert torch.allclose(matrix, expected, atol=1e-5)
            stream = block(stream)


@pytest.mark.parametrize(
    "backbone", ["test_resnet", "test_convnext", "swin_tiny_patch4_window7_224", "xcit_nano_12_p16_224"]
)
def test_a_network_without_attention_over_the_image_is_refused_in_one_line(backbone: str) -> None:
    model = create_model({"backbone": backbone}, CLASSES, seed=0)
    with pytest.raises(ConfigError, match=f"backbone '{backbone}' has no attention over the whole image") as caught:
        model.backbone.record_attention()
    assert "\n" not in str(caught.value)


def test_copies_record_their_own_attention_and_nothing_is_kept_between_batches(model: FerModel) -> None:
    with torch.no_grad():
        expected = model(images()).attention
        twin = copy.deepcopy(model)
        for parameter in model.parameters():
            parameter.zero_()
        output = twin(images())
    assert torch.equal(output.attention, expected)
    assert len(output.trunk.attentions) == len(twin.backbone.network.blocks)
    matrices = [weakref.ref(matrix) for matrix in output.trunk.attentions]
    del output
    gc.collect()
    assert [matrix() for matrix in matrices] == [None] * len(matrices)
    assert not any(module._forward_pre_hooks for module in twin.modules())


def test_a_failed_pass_leaves_no_hooks(model: FerModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("late")

    last = next(module for name, module in reversed([*model.named_modules()]) if re.search(r"blocks\.\d+$", name))
    monkeypatch.setattr(last, "forward", fail)
    with pytest.raises(RuntimeError, match="late"):
        model(torch.randn(1, 3, 64, 64))
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_it_works_within_distributed_training(model: FerModel) -> None:
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        output = DistributedDataParallel(model.train())(images())
        (output.logits.square().sum() + output.attention.square().sum()).backward()
    finally:
        torch.distributed.destroy_process_group()
    assert output.attention.shape == (2, 4, 4)
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_attention_is_differentiable_down_to_the_first_block(model: FerModel) -> None:
    output = model(images())
    output.attention[:, 0, 0].sum().backward()
    assert model.backbone.network.blocks[0].attn.qkv.weight.grad.abs().sum() > 0
    assert model.head.conv.weight.grad is None


def trunk() -> TrunkOutput:
    """Two images of 4 channels on a 2 x 3 grid, with one more token in front; three blocks of two heads."""
    generator = torch.Generator().manual_seed(0)
    attentions = tuple(torch.rand(2, 2, 7, 7, generator=generator).softmax(-1) for _ in range(3))
    return TrunkOutput(torch.randn(2, 4, 2, 3, generator=generator), {}, attentions)


def test_class_token_attention_is_the_mean_over_heads_summed_over_blocks() -> None:
    given = trunk()
    attention = class_token_attention(given)
    for image in range(2):
        for row in range(2):
            for column in range(3):
                patch = 1 + 3 * row + column
                expected = sum(
                    (block[image, 0, 0, patch] + block[image, 1, 0, patch]) / 2 for block in given.attentions
                )
                assert attention[image, row, column] == pytest.approx(float(expected), abs=1e-6)


def test_logits_are_the_means_of_the_semantic_maps_and_class_maps_their_products_with_attention() -> None:
    given = trunk()
    head = TsCamHead(4, 3)
    output = head(given)
    padded = torch.nn.functional.pad(given.final, (1, 1, 1, 1))
    semantic = torch.zeros(2, 3, 2, 3)
    for row in range(2):
        for column in range(3):
            window = padded[:, :, row : row + 3, column : column + 3]
            semantic[:, :, row, column] = torch.einsum("ncij,kcij->nk", window, head.conv.weight)
    assert torch.allclose(output.logits, semantic.mean((2, 3)) + head.conv.bias, atol=1e-5)
    assert torch.allclose(output.attention, class_token_attention(given))
    assert torch.allclose(head.class_maps(given), semantic * output.attention[:, None], atol=1e-5)


def test_the_head_computes_in_float32_under_autocast(model: FerModel) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(images())
        maps = model.class_maps(output)
    assert output.logits.dtype == output.attention.dtype == maps.dtype == torch.float32


@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit3"])
def test_a_backbone_without_a_class_token_is_refused(backbone: str) -> None:
    with pytest.raises(ConfigError, match=f"'ts_cam' needs a class token, and backbone '{backbone}' has none"):
        create_model({"backbone": backbone, "head": "ts_cam"}, CLASSES)
