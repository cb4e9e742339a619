"""Pretrained weights: exact transfer from other implementations, files of many kinds, a clear line for what fails."""

from __future__ import annotations

import argparse
import hashlib
import pickle
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch

from fer_au.errors import ConfigError, DataError, FerAuError
from fer_au.models import save_model
from fer_au.models.network import build_model
from fer_au.models.weights import load_pretrained
from tests.models.weight_files import CLASSES, TINY, has, load, saved, tensors_of
from tests.models.weight_files import cache as cache


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
