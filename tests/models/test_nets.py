"""Whole networks: published parameter counts, layers, exact class maps, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fer_au.cam import compute_cam
from fer_au.config.options import Counts
from fer_au.errors import ConfigError
from fer_au.models import create_model, list_backbones, load_base_weights, load_model, save_model
from fer_au.models.heads.mlp import MlpHead
from fer_au.models.nets.base import NETS
from fer_au.models.nets.blocks import SqueezeExcitation
from fer_au.models.nets.stacked import SharedNormPair, StackedNet, WideHead
from fer_au.models.parts import TrunkOutput

SIX = ("happiness", "surprise", "fear", "anger", "disgust", "sadness")
SEVEN = ("neutral", *SIX)

PUBLISHED = {
    "gimefive-10": 10_474_118,
    "gimefive-13": 2_606_086,
    "gimefive-15": 10_478_086,
    "gimefive-15d": 10_478_086,
    "gimefive-16": 10_478_598,
    "gimefive-17": 41_950_726,
    "gimefive-25": 95_051_014,
    "gimefive-resnet18": 11_179_590,
    "gimefive-resnet34": 21_287_750,
    "gimefive-vgg": 72_460_742,
    "csci-cnn": 1_307_591,
}
GRIDS = {
    "gimefive-10": (64, 32, 16, 8, 4),
    "gimefive-13": (64, 32, 16, 8),
    "gimefive-17": (64, 32, 16, 8, 4, 2),
    "gimefive-25": (64, 32, 16, 8, 4, 2),
    "gimefive-resnet18": (32, 32, 16, 8, 4),
    "gimefive-vgg": (64, 32, 16),
    "csci-cnn": (48, 24, 12),
}


def options(name: str) -> dict[str, object]:
    return {"backbone": name, "in_chans": 1 if name == "csci-cnn" else 3}


def images(name: str, count: int = 2) -> Tensor:
    shape = (count, 1, 48, 48) if name == "csci-cnn" else (count, 3, 64, 64)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("name", "count"), PUBLISHED.items())
def test_parameters_are_as_many_as_published(name: str, count: int) -> None:
    with torch.device("meta"):
        model = create_model(options(name), SEVEN if name == "csci-cnn" else SIX)
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def test_every_network_is_counted_and_listed_among_the_backbones() -> None:
    assert {name for name in NETS.names() if NETS.get(name).head is not None} == set(PUBLISHED)
    assert set(NETS.names()) <= set(list_backbones())
    assert list_backbones("gimefive-1?") == [f"gimefive-{layers}" for layers in (10, 13, 15, 16, 17)]


@pytest.mark.parametrize(("name", "sides"), GRIDS.items())
def test_every_block_is_a_layer_and_its_map_is_rectified_and_not_pooled(name: str, sides: tuple[int, ...]) -> None:
    model = create_model(options(name), SIX, seed=0).eval()
    assert model.layers == tuple(str(number) for number in range(1, len(sides) + 1))
    with torch.no_grad():
        output = model(images(name))
    assert {layer: maps.shape[-1] for layer, maps in output.features.items()} == dict(
        zip(model.layers, sides, strict=True)
    )
    assert output.final is output.features[model.layers[-1]]
    # The published Grad-CAM hooks the last convolution before batch norm and ReLU, where values are signed.
    assert all(maps.min() == 0 for maps in output.features.values())


@pytest.mark.parametrize("name", ["gimefive-15d", "gimefive-16", "csci-cnn", "gimefive-resnet18"])
def test_training_reaches_every_parameter_and_evaluation_repeats_itself(name: str) -> None:
    model = create_model(options(name), SIX, seed=0).train()
    model(images(name, 4)).logits.square().sum().backward()
    assert [key for key, parameter in model.named_parameters() if parameter.grad is None] == []
    model.eval()
    with torch.no_grad():
        assert torch.equal(model(images(name)).logits, model(images(name)).logits)


def test_dropout_after_pools_is_what_15d_adds_to_15() -> None:
    rates = {}
    for name in ("gimefive-15", "gimefive-15d"):
        with torch.device("meta"):
            trunk = create_model(options(name), SIX).backbone
        rates[name] = [module.p for module in trunk.modules() if isinstance(module, nn.Dropout)]
    assert rates == {"gimefive-15": [0.0] * 4, "gimefive-15d": [0.2] * 4}


def test_16_weighs_the_channels_of_its_first_block() -> None:
    excited, plain = StackedNet(3, widths=[32, 16], excitation=True).eval(), StackedNet(3, widths=[32, 16]).eval()
    plain.load_state_dict(excited.state_dict(), strict=False)
    gate = excited.blocks[0][-1]
    assert isinstance(gate, SqueezeExcitation)
    x = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        before, after = plain(x).features["1"], excited(x).features["1"]
        first, second = gate.gate[0].weight, gate.gate[2].weight
        weights = 1 / (1 + (-(before.mean((2, 3)) @ first.T).clamp(min=0) @ second.T).exp())
    assert first.shape == (2, 32)
    assert torch.allclose(after, before * weights[:, :, None, None], atol=1e-6)


def test_both_convolutions_of_a_vgg_pair_share_one_batch_norm() -> None:
    pair = SharedNormPair(3, 8, 0.2).train()
    pair(torch.randn(4, 3, 8, 8))
    assert pair.norm.num_batches_tracked == 2


def feature_map(channels: int, rows: int, columns: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, channels, rows, columns, generator=generator, dtype=torch.float64).relu().float()


HEADS = [
    ({"hidden": (12, 7), "dropout": (0.0, 0.5, 0.0), "max_pool": True}, (6, 6)),
    ({"hidden": (12, 7), "max_pool": True}, (5, 7)),
    ({"hidden": (12,)}, (4, 4)),
    ({"hidden": ()}, (4, 4)),
    ({"hidden": (12, 7), "batch_norm": True, "max_pool": True, "grid": 3}, (6, 6)),
    ({"hidden": (12,), "batch_norm": True, "max_pool": True, "grid": 1}, (3, 3)),
    ({"hidden": (12,), "max_pool": True, "grid": 2}, (5, 4)),
    ({"hidden": (12,), "grid": 3}, (3, 3)),
    ({"hidden": (12,), "pooling": "max"}, (4, 5)),
    ({"hidden": (), "pooling": "max", "max_pool": True}, (5, 5)),
]


@pytest.mark.parametrize(("config", "shape"), HEADS)
def test_class_maps_are_the_gradient_times_the_features_and_their_mean_the_logits_without_bias(
    config: dict[str, object], shape: tuple[int, int]
) -> None:
    torch.manual_seed(2)
    head = MlpHead(5, 4, **config)
    for norm in head.norms:
        if isinstance(norm, nn.BatchNorm1d):
            nn.init.uniform_(norm.running_mean, -0.2, 0.2)
            nn.init.uniform_(norm.running_var, 0.5, 2)
            nn.init.uniform_(norm.weight, -1, 1)
            nn.init.uniform_(norm.bias, -0.2, 0.2)
    head.eval()
    final = feature_map(5, *shape).requires_grad_()
    trunk = TrunkOutput(final, {})
    logits, maps = head(trunk).logits, head.class_maps(trunk)
    for label in range(4):
        (gradient,) = torch.autograd.grad(logits[:, label].sum(), final, retain_graph=True)
        expected = final.numel() / (3 * 5) * (gradient * final).sum(1)
        assert torch.allclose(maps[:, label], expected, atol=1e-4)
    bias = [local_bias(head, final[k : k + 1].detach()) for k in range(3)]
    assert torch.allclose(maps.mean((2, 3)) + torch.stack(bias), logits, atol=1e-5)


def local_bias(head: MlpHead, final: Tensor) -> Tensor:
    """What an image's linear piece gives at 0: only the units that are on there, followed from bias to bias."""
    x = head._vector(nn.functional.max_pool2d(final, 2) if head.options.max_pool else final)[0]
    bias = torch.zeros_like(x)
    for linear, norm in zip(head.linears, head.norms, strict=False):
        with torch.no_grad():
            x, bias = norm(linear(x)[None])[0], norm(linear(bias)[None])[0]
            x, bias = x.relu(), bias * (x > 0)
    return head.linears[-1](bias)


def test_class_maps_carry_gradients_to_the_trunk_and_touch_no_statistics() -> None:
    model = create_model(options("csci-cnn"), SIX, seed=0).train()
    output = model(images("csci-cnn", 4))
    statistics = {name: value.clone() for name, value in model.named_buffers()}
    maps = model.class_maps(output)
    assert all(torch.equal(value, statistics[name]) for name, value in model.named_buffers())
    maps[:, 1].square().mean().backward()
    assert model.backbone.blocks[0][0].weight.grad.abs().max() > 0


def test_maps_in_training_are_those_of_the_batch_without_dropout() -> None:
    torch.manual_seed(3)
    head = MlpHead(5, 4, hidden=(12, 7), dropout=0.0, batch_norm=True).train()
    dropping = MlpHead(5, 4, hidden=(12, 7), dropout=0.5, batch_norm=True).train()
    dropping.load_state_dict(head.state_dict())
    trunk = TrunkOutput(feature_map(5, 4, 4), {})
    maps = head.class_maps(trunk)
    assert torch.equal(maps, dropping.class_maps(trunk))
    settled = MlpHead(5, 4, hidden=(12, 7), dropout=0.0, batch_norm=True)
    settled.load_state_dict(head.state_dict())
    x = trunk.final.mean((2, 3))
    for linear, norm in zip(settled.linears, settled.norms, strict=False):
        y = linear(x).detach()
        norm.running_mean.copy_(y.mean(0))
        norm.running_var.copy_(y.var(0, correction=0))
        x = norm.eval()(y).relu()
    assert torch.allclose(maps, settled.eval().class_maps(trunk), atol=1e-5)


@pytest.mark.parametrize("cam", ["native", "gradcam", "gradcam++", "layercam"])
def test_cams_have_the_grid_of_the_last_layer(cam: str) -> None:
    model = create_model(options("gimefive-13"), SIX, seed=0)
    maps = compute_cam(cam, model, images("gimefive-13"), torch.tensor([0, 5]))
    assert maps.shape == (2, 8, 8)
    assert maps.max() == 1


def test_scores_and_maps_are_float32_inside_autocast() -> None:
    model = create_model(options("csci-cnn"), SIX, seed=0).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        output = model(images("csci-cnn").contiguous(memory_format=torch.channels_last))
        maps = model.class_maps(output)
    assert output.final.dtype == torch.bfloat16
    assert output.logits.dtype == maps.dtype == torch.float32


@pytest.mark.parametrize("size", [33, 48, 100])
def test_networks_that_average_take_any_image_size(size: int) -> None:
    model = create_model({**options("gimefive-13"), "in_chans": 1}, SIX, seed=0)
    assert model.grid_sizes(size)["4"] == (size // 8, size // 8)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("csci-cnn", 64, "'csci-cnn' can't take images of 64 pixels: its classifier needs a 6 x 6 map, not 8 x 8"),
        ("gimefive-13", 8, "'gimefive-13' can't take images of 8 pixels"),
    ],
)
def test_an_image_size_that_cannot_work_is_one_clear_line(name: str, size: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        create_model(options(name), SIX, seed=0).grid_sizes(size)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"head": "gap"}, r"model\.head: network 'gimefive-13' doesn't take it: it has a head of its own"),
        ({"output_stride": 8}, r"model\.output_stride: .*strides are fixed"),
        ({"large_maps": True}, r"model\.large_maps: .*strides are fixed"),
        ({"weights": "imagenet"}, r"model\.weights: there are no ImageNet weights of network 'gimefive-13'"),
    ],
)
def test_what_a_network_would_ignore_is_refused(extra: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create_model({"backbone": "gimefive-13", **extra}, SIX)


def test_options_span_the_published_search() -> None:
    counts = set()
    for widths in ([8, 16, 32, 64], [8, 16, 32, 64, 128], [8, 16, 32, 64, 128, 256]):
        for batch_norm, hidden in ((True, []), (False, [16]), (True, [32, 16])):
            model = create_model(
                {
                    "backbone": "gimefive-15",
                    "backbone_options": {"widths": widths, "batch_norm": batch_norm, "dropout": 0.5},
                    "head_options": {"hidden": hidden, "pooling": "max"},
                },
                SIX,
                seed=0,
            )
            trunk, head = model.backbone, model.head
            assert len(trunk.blocks) == len(widths) == int(model.layers[-1])
            assert len(head.linears) == len(hidden) + 1
            assert any(isinstance(module, nn.BatchNorm2d) for module in trunk.modules()) == batch_norm
            assert {module.p for module in trunk.modules() if isinstance(module, nn.Dropout)} == {0.5}
            assert head.dropout == (0.0, 0.5, 0.0)[: len(hidden) + 1]
            counts.add(sum(parameter.numel() for parameter in model.parameters()))
            assert model.eval()(images("gimefive-15")).logits.isfinite().all()
    assert len(counts) == 9


def test_a_deeper_residual_network_is_an_option() -> None:
    with torch.device("meta"):
        deeper = create_model({"backbone": "gimefive-resnet18", "backbone_options": {"depths": [3, 4, 6, 3]}}, SIX)
    assert sum(parameter.numel() for parameter in deeper.parameters()) == PUBLISHED["gimefive-resnet34"]


@pytest.mark.parametrize(
    ("name", "extra", "message"),
    [
        ("gimefive-15", {"backbone_options": {"widths": []}}, r"widths: should name at least one block, got \[\]"),
        ("gimefive-15", {"backbone_options": {"widths": [8, 0]}}, r"widths\.1: should be greater than 0, got 0"),
        ("gimefive-15", {"backbone_options": {"widths": [8, 2.0]}}, r"widths\.1: should be a whole number"),
        (
            "gimefive-15",
            {"backbone_options": {"dropout": 2}},
            "dropout: should be less than or equal to 1, got 2",
        ),
        ("gimefive-15", {"backbone_options": {"batch_norm": "no"}}, "batch_norm: should be true or false"),
        ("gimefive-15", {"backbone_options": {"width": [4]}}, r"width: unknown key; did you mean widths\?"),
        ("gimefive-vgg", {"backbone_options": {"widths": [8]}}, "widths: unknown key; there are none"),
        ("gimefive-resnet18", {"backbone_options": {"depths": [1]}}, "depths: should be four whole numbers, got"),
        ("gimefive-15", {"head_options": {"hidden": 3}}, "hidden: should be a list of whole numbers, got 3"),
        ("gimefive-15", {"head_options": {"depth": 3}}, r"depth: unknown key; known: batch_norm, dropout"),
    ],
)
def test_a_bad_option_of_a_network_is_one_clear_line(name: str, extra: dict[str, object], message: str) -> None:
    (key,) = extra
    with pytest.raises(ConfigError, match=rf"^network '{name}': model\.{key}\.{message}") as caught:
        create_model({"backbone": name, **extra}, SIX)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"hidden": 512}, r"\.hidden: should be a list of whole numbers, got 512"),
        ({"hidden": [0]}, r"\.hidden\.0: should be greater than 0, got 0"),
        ({"dropout": [0.5]}, r"\.dropout: should be one share, or one of each of 2 linear layers"),
        ({"dropout": 1.5}, r"\.dropout: should be a number from 0 to 1, or a list of such numbers, got 1.5"),
        ({"dropout": [0.5, True]}, r"\.dropout: should be a number from 0 to 1, or a list of such numbers"),
        ({"dropout": "half"}, r"\.dropout: should be a number from 0 to 1, or a list of such numbers, got 'half'"),
        ({"grid": 0}, r"\.grid: should be greater than 0, got 0"),
        ({"pooling": "sum"}, r"\.pooling: should be 'mean' or 'max', got 'sum'"),
        ({"pooling": "max", "grid": 2}, r"\.pooling: has no effect: grid is given: .*; delete it"),
        ({"max_pool": 2}, r"\.max_pool: should be true or false, got 2"),
        ({"batchnorm": True}, r"\.batchnorm: unknown key; did you mean batch_norm\?"),
    ],
)
def test_a_bad_option_of_the_head_is_one_clear_line(extra: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^head 'mlp': model\.head_options{message}"):
        create_model({"backbone": "test_resnet", "head": "mlp", "head_options": extra}, SIX)


def test_a_saved_network_comes_back_and_serves_as_base(tmp_path: Path) -> None:
    model = create_model(options("csci-cnn"), SIX, seed=0).eval()
    save_model(tmp_path, model, {})
    loaded, _ = load_model(tmp_path)
    with torch.no_grad():
        assert torch.equal(loaded(images("csci-cnn")).logits, model(images("csci-cnn")).logits)
    other = create_model(options("csci-cnn"), SEVEN, seed=1)
    report = load_base_weights(other, tmp_path)
    assert all(name.startswith("head.") for name in report.skipped)
    assert torch.equal(other.backbone.blocks[1][2].weight, model.backbone.blocks[1][2].weight)


def test_a_third_partys_network_is_built_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tiny(StackedNet):
        class Options(StackedNet.Options):
            widths: Counts = (4, 8)

    monkeypatch.setitem(NETS._entries, "tiny", Tiny)
    model = create_model({"backbone": "tiny", "in_chans": 1}, SIX, seed=0)
    assert "tiny" in list_backbones("t*")
    assert model.grid_sizes(16) == {"1": (16, 16), "2": (8, 8)}
    assert model(torch.randn(2, 1, 16, 16)).logits.shape == (2, 6)


def test_the_wide_head_has_the_published_widths() -> None:
    assert [linear.weight.shape for linear in WideHead(512, 6).linears] == [(1024, 512), (512, 1024), (6, 512)]
