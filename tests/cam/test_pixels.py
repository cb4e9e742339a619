"""Guided Grad-CAM and integrated gradients against captum, and against their definitions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fer_au.cam import compute_cam
from fer_au.errors import ConfigError
from fer_au.models import FerModel, create_model

CLASSES = ("neutral", "happiness", "surprise", "anger")
TARGET = torch.tensor([0, 3])


class Logits(nn.Module):
    """A model as captum takes it: images to logits."""

    def __init__(self, model: FerModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x).logits


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fer_au.cam.pixels._STEPS", 4)


@pytest.fixture(params=["resnet10t", "gimefive-15d"])
def model(request: pytest.FixtureRequest) -> FerModel:
    return create_model({"backbone": request.param}, CLASSES, seed=0).eval()


def last_module(model: FerModel) -> nn.Module:
    name = "network.layer4" if hasattr(model.backbone, "network") else "blocks.4"
    return model.backbone.get_submodule(name)


def close(found: Tensor, expected: Tensor) -> bool:
    assert float(expected.max()) > 0
    return bool((found - expected).abs().max() < 1e-4 * expected.max())


@pytest.mark.filterwarnings("ignore")
def test_integrated_gradients_are_captums(model: FerModel, images: Tensor) -> None:
    attr = pytest.importorskip("captum.attr")
    pixels = attr.IntegratedGradients(Logits(model)).attribute(images, 0, TARGET, n_steps=4)
    found = compute_cam("integrated_gradients", model, images, TARGET, normalize=False)
    assert close(found, pixels.sum(1).relu().float())


@pytest.mark.filterwarnings("ignore")
def test_guided_gradcam_is_captums(images: Tensor) -> None:
    """Of a network whose ReLUs are all modules: captum overlooks functions."""
    attr = pytest.importorskip("captum.attr")
    model = create_model({"backbone": "resnet10t"}, CLASSES, seed=0).eval()
    whole = Logits(model)
    pixels = attr.GuidedGradCam(whole, last_module(model)).attribute(images, TARGET, interpolate_mode="bilinear")
    found = compute_cam("guided_gradcam", model, images, TARGET, normalize=False)
    assert close(found, pixels.sum(1).relu())


@pytest.mark.filterwarnings("ignore")
def test_gradcam_is_captums(model: FerModel, images: Tensor) -> None:
    attr = pytest.importorskip("captum.attr")
    expected = attr.LayerGradCam(Logits(model), last_module(model)).attribute(images, TARGET, relu_attributions=True)
    assert close(compute_cam("gradcam", model, images, TARGET, normalize=False), expected[:, 0].detach())


def test_integrated_gradients_add_up_to_the_difference_of_the_logits(images: Tensor) -> None:
    """Of a model without negative evidence, where rectification takes nothing away."""
    model = create_model({"backbone": "test_resnet"}, CLASSES, seed=0).eval().double()

    def positive(x: Tensor) -> object:
        return type("Output", (), {"logits": x.square().mean((2, 3)).sum(1, keepdim=True).expand(-1, 4)})()

    model.forward = positive
    own = compute_cam("integrated_gradients", model, images.double(), TARGET, normalize=False)
    assert torch.allclose(own, images.square().sum(1) / images[0, 0].numel(), rtol=1e-4)


class FunctionalNet(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.relu(x - 0.5) * -1 + nn.functional.relu6(x) + torch.relu(x * 0.5).clone().relu_() + x.relu()
        return (y + nn.functional.hardtanh(x, 0.0, 6.0)).sum((1, 2, 3))


def test_every_form_of_a_relu_is_guided(images: Tensor) -> None:
    from fer_au.cam.pixels import _GuidedReLUs

    leaf = images.clone().requires_grad_()
    with _GuidedReLUs():
        score = FunctionalNet()(leaf).sum()
    (found,) = torch.autograd.grad(-score, leaf)  # of the five only the first is asked for more
    assert torch.equal(found, (images > 0.5).float())


@pytest.mark.parametrize("backbone", ["vit_tiny_patch16_224", "efficientnet_b0"])
def test_guided_gradcam_of_other_activations_is_refused(backbone: str, images: Tensor) -> None:
    model = create_model({"backbone": backbone}, CLASSES, seed=0)
    with pytest.raises(ConfigError, match=rf"^guided_gradcam: .* needs ReLU activations, and backbone '{backbone}'"):
        compute_cam("guided_gradcam", model, images, TARGET)


def test_guided_gradcam_takes_a_layer_and_integrated_gradients_none(images: Tensor) -> None:
    model = create_model({"backbone": "mobilenetv2_050"}, CLASSES, seed=0)
    early, late = (compute_cam("guided_gradcam", model, images, TARGET, layer) for layer in (2, None))
    assert early.shape == late.shape == (2, 48, 48)
    assert not torch.allclose(early, late, atol=0.05)
    with pytest.raises(ConfigError, match="integrated_gradients@2: it explains no single layer"):
        compute_cam("integrated_gradients", model, images, TARGET, 2)


def test_two_views_explain_the_faces_pixels() -> None:
    model = create_model({"backbone": "resnet10t", "head": "multiscale"}, CLASSES, seed=0)
    pictures = torch.randn(2, 6, 48, 48, generator=torch.Generator().manual_seed(0))
    for cam in ("integrated_gradients", "guided_gradcam"):
        assert compute_cam(cam, model, pictures, TARGET).shape == (2, 48, 48)
