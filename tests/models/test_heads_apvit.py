"""Head ``apvit``: which patches go on, and what attention and positions are made of."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from fer_au.errors import ConfigError
from fer_au.maps import min_max
from fer_au.models import create_model
from fer_au.models.heads.apvit import ApvitHead, PoolingBlock
from fer_au.models.parts import TrunkOutput

CHANNELS, CLASSES = 6, 3


def trunk(side: int = 8) -> TrunkOutput:
    return TrunkOutput(torch.randn(2, CHANNELS, side, side, generator=torch.Generator().manual_seed(0)), {})


def head(**options: Any) -> ApvitHead:
    """A head as if it had learned: away from the zeros it starts with."""
    torch.manual_seed(1)
    made = ApvitHead(CHANNELS, CLASSES, **{"dim": 16, "depth": 4, "heads": 2, "grid": 8, **options}).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.2 * torch.randn(parameter.shape)
    return made


def token_counts(made: ApvitHead, features: TrunkOutput) -> list[int]:
    """Tokens that enter the first block and leave each one."""
    counts: list[int] = []
    made.blocks.register_forward_pre_hook(lambda module, inputs: counts.append(inputs[0].shape[1]))
    for block in made.blocks:
        block.register_forward_hook(lambda module, inputs, output: counts.append(output.shape[1]))
    with torch.no_grad():
        made(features)
    return counts


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"k": 160 / 196}, [53, 53, 53, 47, 42]),
        ({"k": 0.5, "depth": 4, "keep": 0.75}, [33, 33, 33, 25, 19]),
        ({"k": 10, "depth": 4, "keep": 1.0}, [11, 11, 11, 11, 11]),
        ({"k": 1, "keep": 0.1}, [2, 2, 2, 2, 2]),
        ({"k": 1.0, "depth": 1}, [65, 65]),
    ],
)
def test_pooling_keeps_its_share_of_patches_and_always_the_class_token(
    options: dict[str, Any], expected: list[int]
) -> None:
    assert token_counts(head(**options), trunk()) == expected


def test_only_the_patches_with_the_largest_absolute_sums_reach_the_logits() -> None:
    made = head(k=20)
    features = trunk().final.requires_grad_()
    made(TrunkOutput(features, {})).logits[:, 0].sum().backward()
    assert features.grad is not None
    with torch.no_grad():
        score = made.projection(features).abs().sum(1)
    for sample in range(2):
        reached = features.grad[sample].abs().sum(0).flatten() > 0
        assert set(reached.nonzero().flatten().tolist()) <= set(score[sample].flatten().argsort()[-20:].tolist())
        assert reached.sum() >= 10


def test_the_attention_is_the_score_of_every_patch_in_the_unit_range() -> None:
    made = head()
    with torch.no_grad():
        weights = made.projection.weight[:, :, 0, 0]
        bias = made.projection.bias
        assert bias is not None
        patches = torch.einsum("dc,nchw->ndhw", weights, trunk().final) + bias[:, None, None]
        attention = made(trunk()).attention
    assert attention is not None
    assert torch.allclose(attention, min_max(patches.abs().sum(1)), atol=1e-5)


def test_attention_is_that_of_torch_and_relevance_sums_the_class_tokens_products() -> None:
    torch.manual_seed(0)
    block = PoolingBlock(dim=12, heads=3, hidden=24, keep=0.5).eval()
    tokens = torch.randn(2, 7, 12)
    reference = nn.MultiheadAttention(12, 3, bias=False, batch_first=True)
    with torch.no_grad():
        reference.in_proj_weight.copy_(block.query_key_value.weight)
        reference.out_proj.weight.copy_(block.output.weight)
        mixed, relevance = block.attend(tokens)
        expected, _ = reference(tokens, tokens, tokens, need_weights=False)
        query, key, _ = block.query_key_value(tokens).chunk(3, dim=2)
        # Over all channels at once: a sum over heads.
        products = (query[:, :1] * key[:, 1:]).sum(2) / 4**0.5
    assert torch.allclose(mixed, expected + block.output.bias, atol=1e-5)
    assert torch.allclose(relevance, products, atol=1e-5)


def test_a_block_passes_on_what_the_class_token_attends_to() -> None:
    torch.manual_seed(0)
    block = PoolingBlock(dim=12, heads=3, hidden=24, keep=0.5).eval()
    tokens = torch.randn(1, 9, 12)
    with torch.no_grad():
        nn.init.zeros_(block.output.weight)
        nn.init.zeros_(block.mlp[2].weight)
        nn.init.zeros_(block.output.bias)
        nn.init.zeros_(block.mlp[2].bias)  # what is left of the block is its choice
        _, relevance = block.attend(block.norm1(tokens))
        kept = block(tokens)
    best = relevance[0].argsort(descending=True)[:4]
    assert torch.equal(kept[0], torch.cat([tokens[0, :1], tokens[0, 1:][best]]))


def test_the_order_of_the_cells_matters_by_their_positions_alone() -> None:
    made, mirrored = head(k=1.0), trunk().final.flip(3)
    with torch.no_grad():
        logits = made(trunk()).logits
        assert not torch.allclose(made(TrunkOutput(mirrored, {})).logits, logits, atol=1e-3)
        made.positions.copy_(made.positions.flip(3))
        assert torch.allclose(made(TrunkOutput(mirrored, {})).logits, logits, atol=1e-4)


def test_positions_of_another_grid_are_interpolated() -> None:
    coarse, fine = head(grid=4), head(grid=8)
    with torch.no_grad():
        fine.load_state_dict({**coarse.state_dict(), "positions": fine.positions})
        fine.positions.copy_(functional.interpolate(coarse.positions, (8, 8), mode="bicubic", align_corners=False))
        assert torch.allclose(coarse(trunk()).logits, fine(trunk()).logits, atol=1e-5)


def test_a_fresh_head_scores_every_class_alike() -> None:
    made = ApvitHead(CHANNELS, CLASSES, dim=16, depth=1, heads=2)
    assert torch.equal(made(trunk()).logits, torch.zeros(2, CLASSES))


def test_more_patches_than_the_grid_has_are_refused_before_training() -> None:
    options = {"dim": 16, "depth": 1, "heads": 2, "k": 20}
    model = create_model({"backbone": "resnet10t", "head": "apvit", "head_options": options}, ("neutral", "anger"))
    with pytest.raises(ConfigError, match=r"model\.head_options\.k: 20 patches can't be kept of 4"):
        model.grid_sizes(64)
