"""CAMs of every layer, of CNNs and of token grids, against the published formulas in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fer_au.cam import CamRun, compute_cam, list_cams
from fer_au.cam.gradients import differentiate
from fer_au.errors import ConfigError
from fer_au.models import FerModel, create_model
from tests.cam.formulas import FORMULAS, through_the_network

CLASSES = ("neutral", "happiness", "surprise", "anger")
TARGET = torch.tensor([0, 3])
# Network -> configuration, a layer that is not the last, and the module that gives it.
NETWORKS: dict[str, tuple[dict[str, Any], str, str]] = {
    "residual": ({"backbone": "resnet18"}, "3", "network.layer2"),
    "inverted": ({"backbone": "mobilenetv2_050"}, "2", "network.blocks.1"),
    "signed": ({"backbone": "efficientnet_b0"}, "3", "network.blocks.2"),
    "layer norm": ({"backbone": "convnext_atto"}, "4", "network.stages.3"),
    "tokens": ({"backbone": "vit_tiny_patch16_224"}, "5", "network.blocks.4"),
    "distilled": ({"backbone": "deit_tiny_distilled_patch16_224"}, "11", "network.blocks.10"),
    "no class token": (
        {"backbone": "vit_tiny_patch16_224", "backbone_options": {"class_token": False}},
        "6",
        "network.blocks.5",
    ),
}


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("network", NETWORKS)
def test_every_gradient_method_is_its_formula_at_a_layer(network: str, images: Tensor) -> None:
    config, layer, module = NETWORKS[network]
    model = create_model(config, CLASSES, seed=0).eval()
    features, gradients = through_the_network(model, images, TARGET, module)
    found = CamRun(model, images, [f"{name}@{layer}" for name in FORMULAS]).maps(TARGET, normalize=False)
    for name, formula in FORMULAS.items():
        expected = formula(features, gradients)
        own = found[f"{name}@{layer}"].double()
        assert own.shape == expected.shape
        assert float(expected.max()) > 0, name
        # The cells of a signed channel nearly cancel out, and XGrad-CAM divides by their sum.
        tolerance = 1e-2 if name == "xgradcam" and float(features.min()) < 0 else 1e-4
        assert (own - expected).abs().max() < tolerance * expected.max(), name


def test_products_that_cancel_out_are_no_map(images: Tensor) -> None:
    """A layer norm ignores the length of what it reads, so that its gradient is orthogonal to it."""
    model = create_model({"backbone": "vit_tiny_patch16_224"}, CLASSES, seed=0).eval()
    maps = CamRun(model, images, ["hirescam@last", "layercam@last", "hirescam@11"]).maps(TARGET)
    assert not maps["hirescam@last"].any()
    assert maps["layercam@last"].any()
    assert maps["hirescam@11"].any()


@pytest.mark.parametrize("layer", ["1", "2", "3", "4", "5"])
def test_whole_networks_have_cams_at_every_layer(layer: str, images: Tensor) -> None:
    model = create_model({"backbone": "gimefive-15d"}, CLASSES, seed=0).eval()
    output = model(images)
    score = output.logits[range(2), TARGET].sum()
    (gradients,) = torch.autograd.grad(score, output.features[layer])
    expected = (gradients.relu() * output.features[layer]).sum(1).relu().detach()
    found = compute_cam("layercam", model, images, TARGET, int(layer), normalize=False)
    assert float(expected.max()) > 0
    assert torch.allclose(found, expected, atol=1e-4 * float(expected.max()))


def test_the_last_layer_of_a_cnn_is_the_map_that_the_head_reads(images: Tensor) -> None:
    model = create_model({"backbone": "resnet10t"}, CLASSES, seed=0).eval()
    own = compute_cam("gradcam", model, images, TARGET)
    assert torch.allclose(compute_cam("gradcam", model, images, TARGET, "last"), own, atol=1e-5)
    assert torch.allclose(compute_cam("gradcam@5", model, images, TARGET), own, atol=1e-5)


def test_the_faces_part_of_two_views_that_share_a_backbone_has_its_own_gradients() -> None:
    model = create_model({"backbone": "resnet10t", "head": "multiscale"}, CLASSES, seed=0).eval()
    pictures = torch.randn(2, 6, 64, 64, generator=torch.Generator().manual_seed(0))
    found = compute_cam("hirescam", model, pictures, TARGET, 4, normalize=False)
    alone = torch.cat(
        [compute_cam("hirescam", model, pictures[i : i + 1], TARGET[i : i + 1], 4, normalize=False) for i in range(2)]
    )
    assert float(found.max()) > 0
    assert torch.allclose(found, alone, atol=1e-5)


def test_all_cams_of_a_batch_share_one_backward_pass(images: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    model = create_model({"backbone": "resnet10t"}, CLASSES, seed=0)
    passes: list[int] = []
    forward = model.backbone.forward
    monkeypatch.setattr(model.backbone, "forward", lambda x: passes.append(len(x)) or forward(x))
    backward: list[int] = []

    def counting(score: Tensor, values: Any) -> Any:
        backward.append(len(values))
        return differentiate(score, values)

    monkeypatch.setattr("fer_au.cam.forward.differentiate", counting)
    cams = [*FORMULAS, *(f"{name}@{layer}" for name in FORMULAS for layer in (2, 4))]
    run = CamRun(model, images, cams)
    assert list(run.maps(TARGET)) == cams
    assert (passes, backward) == ([2], [3])
    run.maps(TARGET - TARGET)  # of another class, without another forward pass
    assert (passes, backward) == ([2], [3, 3])


def test_a_run_gives_the_models_own_output_and_the_maps_of_single_calls(images: Tensor) -> None:
    model = create_model({"backbone": "vit_tiny_patch16_224"}, CLASSES, seed=0).train()
    run = CamRun(model, images, ["native", "gradcam", "layercam@2"])
    maps = run.maps(TARGET)
    with torch.no_grad():
        expected = model.eval()(images)
    assert torch.equal(run.output.logits, expected.logits)
    assert all(torch.equal(run.output.features[layer], expected.features[layer]) for layer in model.layers)
    tensors = [run.output.logits, run.output.final, *run.output.features.values(), *maps.values()]
    assert not any(tensor.requires_grad for tensor in tensors)
    assert torch.allclose(maps["gradcam"], compute_cam("gradcam", model, images, TARGET), atol=1e-4)
    assert torch.allclose(maps["layercam@2"], compute_cam("layercam", model, images, TARGET, 2), atol=1e-4)


class Broken(nn.Module):
    def forward(self, *_: object) -> None:
        raise RuntimeError("broken head")


@pytest.mark.parametrize("cam", ["gradcam", "layercam@2"])
def test_an_exception_leaves_nothing_behind_either(cam: str, images: Tensor) -> None:
    model = create_model({"backbone": "resnet10t"}, CLASSES, seed=0).train()
    model.head.linear.weight.requires_grad_(False)
    state = [(module.training, len(module._forward_hooks), len(module._backward_hooks)) for module in model.modules()]
    wanted = [parameter.requires_grad for parameter in model.parameters()]
    model.head.forward = Broken().forward
    with torch.no_grad(), pytest.raises(RuntimeError, match="broken head"):
        compute_cam(cam, model, images, TARGET)
    assert state == [(m.training, len(m._forward_hooks), len(m._backward_hooks)) for m in model.modules()]
    assert wanted == [parameter.requires_grad for parameter in model.parameters()]
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.is_grad_enabled()
    assert not images.requires_grad


@pytest.mark.parametrize("cam", ["layercam@0", "layercam@first", "layercam@", "@3", "layercam@2@3", "layer cam"])
def test_what_is_no_method_at_a_layer_is_refused(cam: str, images: Tensor) -> None:
    model = create_model({"backbone": "resnet10t"}, CLASSES, seed=0)
    with pytest.raises(ConfigError, match="as in layercam@3"):
        compute_cam(cam, model, images, TARGET)


def test_a_layer_that_the_model_does_not_have_is_named(images: Tensor) -> None:
    model = create_model({"backbone": "resnet10t"}, CLASSES, seed=0)
    with pytest.raises(ConfigError, match=r"^layercam@7: unknown feature layer '7': backbone 'resnet10t' has 1 .*5"):
        compute_cam("layercam", model, images, TARGET, 7)
    with pytest.raises(ConfigError, match=r"^native@2: it explains no single layer; write 'native'"):
        compute_cam("native", model, images, TARGET, 2)


def test_a_layer_that_the_scores_pass_by_is_refused(images: Tensor) -> None:
    leaf = torch.ones(2, requires_grad=True)
    with pytest.raises(ConfigError, match="no gradient reaches layer 4"):
        differentiate(leaf.sum(), {"4": leaf.exp()})


def test_the_earlier_layers_of_a_deep_model_stay_undifferentiated(images: Tensor) -> None:
    model: FerModel = create_model({"backbone": "resnet10t"}, CLASSES, seed=0)
    first = next(model.backbone.parameters())
    first.register_hook(lambda _: pytest.fail("a parameter was differentiated"))
    assert compute_cam("layercam", model, images, TARGET, 3).shape == (2, 6, 6)
    assert first.grad is None


def test_methods_and_layers_are_listed_once() -> None:
    assert {*FORMULAS, "native"} <= set(list_cams())
    assert "gradcampp" not in list_cams()
