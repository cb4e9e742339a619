"""CAM methods against their closed forms, and what a call must leave behind: nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fer_au.cam import compute_cam, list_cams, resolve_cams
from fer_au.errors import ConfigError, UnknownNameError
from fer_au.maps import min_max
from fer_au.models import FerModel, create_model

CLASSES = ("neutral", "happiness", "surprise", "anger")
BACKBONES = ("resnet10t", "mobilenetv2_050", "vit_tiny_patch16_224")
PLACES = 6  # of occlusion, along each side
TARGET = torch.tensor([0, 3, 2])


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def model() -> FerModel:
    return create_model({"backbone": "resnet10t", "output_stride": 8}, CLASSES, seed=0).eval()


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fer_au.cam.pixels._STEPS", 2)
    monkeypatch.setattr("fer_au.cam.occlusion.GRID", PLACES)


def skip_if_impossible(name: str, model: FerModel) -> None:
    """Skip a method that this kind of model can't have; such a method says so before it computes."""
    try:
        resolve_cams([name], model)
    except ConfigError as error:
        with pytest.raises(ConfigError):
            compute_cam(name, model, torch.zeros(3, 3, 64, 64), TARGET)
        pytest.skip(str(error))


def through_the_network(model: FerModel, images: Tensor) -> tuple[Tensor, Tensor]:
    """Features and gradients by plain autograd through the whole network: the definition of Grad-CAM."""
    output = model(images)
    score = output.logits[range(len(images)), TARGET].sum()
    return output.final.detach(), torch.autograd.grad(score, output.final)[0]


@pytest.mark.parametrize("name", list_cams())
@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_method_gives_batched_maps_in_the_unit_range(name: str, backbone: str, images: Tensor) -> None:
    model = create_model({"backbone": backbone}, CLASSES, seed=0).eval()
    skip_if_impossible(name, model)
    maps = compute_cam(name, model, images, TARGET)
    assert maps.shape in {(3, *model(images).final.shape[2:]), (3, *images.shape[2:]), (3, PLACES, PLACES)}
    assert maps.dtype == torch.float32
    assert not maps.requires_grad
    assert torch.isfinite(maps).all()
    assert float(maps.min()) >= 0
    assert float(maps.max()) <= 1
    alone = torch.cat([compute_cam(name, model, images[i : i + 1], TARGET[i : i + 1]) for i in range(3)])
    # A batch is computed by other kernels; single pixels beside a ReLU's edge may tell, in sums of many gradients.
    assert (maps - alone).abs().mean() < 1e-4
    assert (maps - alone).abs().max() < 5e-2


def test_native_is_the_class_map_of_the_target(model: FerModel, images: Tensor) -> None:
    with torch.no_grad():
        output = model(images)
    weights = model.head.linear.weight.detach().double()
    expected = torch.stack(
        [torch.tensordot(weights[k], maps.double(), 1) for k, maps in zip(TARGET, output.final, strict=True)]
    )
    raw = compute_cam("native", model, images, TARGET, normalize=False)
    assert torch.allclose(raw.double(), expected, atol=1e-4)
    assert torch.allclose(compute_cam("native", model, images, TARGET), min_max(raw))


@pytest.mark.parametrize("backbone", BACKBONES)
def test_gradcam_is_the_rectified_class_map_divided_by_the_number_of_cells(backbone: str, images: Tensor) -> None:
    model = create_model({"backbone": backbone}, CLASSES, seed=0).eval()
    native = compute_cam("native", model, images, TARGET, normalize=False)
    gradcam = compute_cam("gradcam", model, images, TARGET, normalize=False)
    assert torch.allclose(gradcam * native[0].numel(), native.relu(), atol=1e-4)


def test_gradient_methods_agree_with_autograd_through_the_whole_network(model: FerModel, images: Tensor) -> None:
    features, gradients = through_the_network(model, images)
    gradcam = torch.einsum("nc,nchw->nhw", gradients.mean((2, 3)), features).relu()
    assert torch.allclose(compute_cam("gradcam", model, images, TARGET, normalize=False), gradcam, atol=1e-6)
    layercam = (gradients.relu() * features).sum(1).relu()
    assert torch.allclose(compute_cam("layercam", model, images, TARGET, normalize=False), layercam, atol=1e-6)


def test_gradcam_plus_plus_is_the_published_formula_with_its_division(model: FerModel, images: Tensor) -> None:
    features, gradients = (part.double() for part in through_the_network(model, images))
    alpha = gradients**2 / (2 * gradients**2 + features.sum((2, 3), keepdim=True) * gradients**3)
    weights = (alpha * gradients.relu()).nan_to_num(0).sum((2, 3))
    expected = torch.einsum("nc,nchw->nhw", weights, features).relu()
    found = compute_cam("gradcam++", model, images, TARGET, normalize=False)
    assert torch.allclose(found.double(), expected, rtol=1e-4, atol=1e-6)
    undivided = torch.einsum("nc,nchw->nhw", (gradients**2 * gradients.relu()).sum((2, 3)), features).relu()
    assert not torch.allclose(min_max(undivided), min_max(expected).float(), atol=1e-2)


def test_layercam_of_a_gap_head_weighs_channels_by_rectified_weights(model: FerModel, images: Tensor) -> None:
    with torch.no_grad():
        final = model(images).final
        expected = torch.einsum("nc,nchw->nhw", model.head.linear.weight[TARGET].relu(), final)
    found = compute_cam("layercam", model, images, TARGET)
    assert torch.allclose(found, min_max(expected), atol=1e-4)


@pytest.mark.parametrize("name", list_cams())
def test_a_class_without_evidence_has_an_empty_map(name: str, model: FerModel, images: Tensor) -> None:
    deaf = create_model({"backbone": "resnet10t"}, CLASSES, seed=0).eval()
    skip_if_impossible(name, deaf)
    torch.nn.init.zeros_(deaf.head.linear.weight)
    maps = compute_cam(name, deaf, images, TARGET)
    assert torch.equal(maps, torch.zeros_like(maps))


@pytest.mark.parametrize("name", list_cams())
def test_a_call_leaves_modes_gradients_hooks_and_statistics_as_they_were(name: str, images: Tensor) -> None:
    model = create_model({"backbone": "resnet10t"}, CLASSES, seed=0).train()
    skip_if_impossible(name, model)
    model.backbone.network.layer1.eval()
    modes = [module.training for module in model.modules()]
    hooks = [(len(m._forward_hooks), len(m._backward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    compute_cam(name, model, images, TARGET)
    assert [module.training for module in model.modules()] == modes
    assert hooks == [
        (len(m._forward_hooks), len(m._backward_hooks), len(m._forward_pre_hooks)) for m in model.modules()
    ]
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", list_cams())
def test_the_callers_autograd_mode_and_frozen_weights_do_not_matter(name: str, model: FerModel, images: Tensor) -> None:
    skip_if_impossible(name, model)
    expected = compute_cam(name, model, images, TARGET)
    with torch.no_grad():
        assert torch.equal(compute_cam(name, model, images, TARGET), expected)
    with torch.inference_mode():
        inside = images * 1.0
        assert torch.equal(compute_cam(name, model, inside, TARGET + 0), expected)
        assert torch.is_inference_mode_enabled()
    frozen = create_model({"backbone": "resnet10t", "output_stride": 8}, CLASSES, seed=0).requires_grad_(False)
    assert torch.equal(compute_cam(name, frozen, images, TARGET), expected)


@pytest.mark.parametrize("name", list_cams())
def test_under_autocast_maps_are_those_in_float32(name: str, model: FerModel, images: Tensor) -> None:
    skip_if_impossible(name, model)
    with torch.autocast("cpu", torch.bfloat16):
        maps = compute_cam(name, model, images, TARGET)
    assert maps.dtype == torch.float32
    assert torch.equal(maps, compute_cam(name, model, images, TARGET))


def test_an_unknown_method_lists_near_names(model: FerModel, images: Tensor) -> None:
    with pytest.raises(UnknownNameError, match="did you mean gradcam"):
        compute_cam("grad-cam", model, images, TARGET)


@pytest.mark.parametrize(
    "target", [torch.tensor([0, 1]), torch.tensor([0.0, 1, 2]), torch.tensor([0, 1, 4]), torch.tensor([-1, 0, 0])]
)
def test_a_target_that_is_no_class_per_image_is_refused(target: Tensor, model: FerModel, images: Tensor) -> None:
    with pytest.raises(ValueError, match="target: expected"):
        compute_cam("native", model, images, target)
