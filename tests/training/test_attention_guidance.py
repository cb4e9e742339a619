"""Guidance in anyone's loop, on any torch model: the pipeline's losses, and what each kind of loop asks for."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.shared.blobs import CROP, Blob, many
from fer_au.batches import FaceDataset
from fer_au.config.experiments import GuidanceConfig
from fer_au.cues import list_cues, render_au_maps
from fer_au.errors import ArgumentError, ConfigError, DataError, UnknownNameError
from fer_au.ibug68 import MEAN_FACE
from fer_au.models import create_model
from fer_au.training import AttentionGuidance, list_losses
from fer_au.training.guidance import Guidance
from tests.training.forks import Forks
from tests.training.guided import SIZE, run, shares, still
from tests.training.together import guide

CLASSES = ["happiness", "anger"]
LABELS = ["happiness", "anger", "neutral", "anger"]


def points_of(count: int, size: int = SIZE) -> Tensor:
    """Faces that fill an input of a size."""
    return torch.from_numpy((MEAN_FACE * 0.4 + [0.5, 0.35]) * size).float().repeat(count, 1, 1)


class Net(nn.Module):
    """A small network of anyone's."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.body = nn.Sequential(nn.ReLU(), nn.Conv2d(8, 12, 3, stride=2, padding=1), nn.ReLU())
        self.fc = nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.body(self.stem(x)).mean((2, 3)))
        return scores


@pytest.fixture
def net() -> Net:
    return Net()


@pytest.fixture
def images() -> Tensor:
    return torch.rand(4, 3, SIZE, SIZE)


def gradient(net: nn.Module) -> Tensor:
    return torch.cat([one.grad.flatten() for one in net.parameters() if one.grad is not None])


@pytest.mark.parametrize("loss", ["cosine", "kl", "mass", "bce"])
@pytest.mark.parametrize("cue", ["au_generic", "background", "landmarks"])
def test_a_step_is_the_pipelines_bit_for_bit(
    make_dataset: Callable[[Sequence[Blob]], Path], cue: str, loss: str
) -> None:
    folder = make_dataset([*many("happiness", 3), *many("anger", 3), Blob("anger", landmarks=False)])
    faces = FaceDataset(folder, "train", SIZE)
    config = {"backbone": "test_resnet", "output_stride": 8}
    model = create_model(config, faces.classes, seed=0).eval()
    entry = GuidanceConfig.model_validate({"cue": cue, "loss": loss, "layers": ["3", "last"], "weight": 4.0})
    guidance = Guidance([entry], model, faces, 0)
    batch = faces.batch(range(len(faces)))
    targets = guidance.targets(batch, still(len(batch)))
    output = run(model, batch)
    theirs = guidance.weighted(guidance.losses(output, targets, shares(batch), 0), 0)
    assert isinstance(theirs, Tensor)
    theirs.backward()
    expected = gradient(model)
    layers = ["backbone.network.layer2", "backbone.network.layer4"]
    guide = AttentionGuidance(model, layers, cue, loss, 4.0, map_size=faces.map_size)
    for given in ({"maps": targets[0].maps, "valid": targets[0].valid}, {"points": faces.points * SIZE / CROP}):
        model.zero_grad()
        output = run(model, batch)
        assert torch.equal(guide.taps.maps()[0], output.features["3"])
        ours = guide(**given)
        ours.backward()
        if "maps" in given:
            assert torch.equal(ours, theirs)
            assert torch.equal(gradient(model), expected)
        else:  # drawn at the input's scale
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=0)


@pytest.mark.parametrize("form", ["names", "numbers", "tensor", "array"])
def test_labels_are_names_or_the_models_numbers(net: Net, images: Tensor, form: str) -> None:
    guide = AttentionGuidance(net, "body", classes=CLASSES)
    numbers = [0, 1, 1, 0]
    forms: dict[str, Any] = {
        "names": ["happy", "Anger", "anger", "happiness"],
        "numbers": numbers,
        "tensor": torch.tensor(numbers),
        "array": np.array(numbers),
    }
    net(images)
    attention = guide.attention()[0]
    loss = guide(labels=forms[form], points=points_of(4))
    maps, _ = render_au_maps(points_of(4), forms["names"], image_size=SIZE, map_size=28)
    seen = nn.functional.interpolate(maps[:, None], attention.shape[1:], mode="bilinear", antialias=True)[:, 0]
    expected = 1 - nn.functional.cosine_similarity(attention.flatten(1), seen.flatten(1)).mean()
    torch.testing.assert_close(loss, expected, rtol=1e-2, atol=1e-3)  # maps have 8 bits per cell


def test_images_without_a_cue_do_not_count(net: Net, images: Tensor) -> None:
    guide = AttentionGuidance(net, "body")
    points = points_of(4)
    points[3] = torch.nan
    net(images)
    whole = guide(labels=LABELS, points=points)  # neutral, and one without points
    net(images[:2])
    torch.testing.assert_close(whole, guide(labels=LABELS[:2], points=points[:2]))
    net(images)
    nothing = guide(labels=["neutral"] * 4, points=points)
    nothing.backward()
    assert nothing == 0
    assert not gradient(net).any()


@pytest.mark.parametrize("loss", list_losses())
def test_every_loss_pulls(net: Net, images: Tensor, loss: str) -> None:
    guide = AttentionGuidance(net, ["stem", "body"], loss=loss, weight=0.5)
    net(images)
    guide(labels=LABELS, points=points_of(4), time=1.5).backward()
    assert gradient(net).isfinite().all()
    assert gradient(net).any()


@pytest.mark.parametrize("cue", sorted(set(list_cues()) - {"clusters"}))
def test_every_cue_is_drawn(net: Net, images: Tensor, cue: str) -> None:
    guide = AttentionGuidance(net, "body", cue)
    net(images)
    extra = {}
    if cue == "au_active":
        extra = {"columns": {"au": np.full((4, 2), 0.6)}, "attributes": {"au_names": "AU6,AU12"}}
    assert guide(labels=LABELS, points=points_of(4), **extra) > 0


def test_a_cue_without_labels_needs_none_and_others_say_so(net: Net, images: Tensor) -> None:
    net(images)
    guide = AttentionGuidance(net, "body", "background", "mass")
    net(images)
    assert guide(points=points_of(4)) > 0
    guide = AttentionGuidance(net, "body")
    net(images)
    with pytest.raises(ArgumentError, match="labels: cue 'au' is drawn by the faces' expressions"):
        guide(points=points_of(4))
    guide = AttentionGuidance(net, "body", "clusters")
    net(images)
    with pytest.raises(DataError, match="cue 'clusters' needs the column"):
        guide(labels=LABELS, points=points_of(4))


def test_source_cam_is_the_class_map_of_the_own_class(net: Net, images: Tensor) -> None:
    guide = AttentionGuidance(net, "body", source="cam", classifier="fc", classes=CLASSES)
    net(images)
    features = guide.taps.maps()[0]
    loss = guide(labels=[0, 1, 1, 0], points=points_of(4))
    own = torch.stack([torch.einsum("chw,c->hw", features[i], net.fc.weight[[0, 1, 1, 0][i]]) for i in range(4)])
    maps, _ = render_au_maps(points_of(4), [CLASSES[i] for i in [0, 1, 1, 0]], image_size=SIZE, map_size=28)
    seen = nn.functional.interpolate(maps[:, None], own.shape[1:], mode="bilinear", antialias=True)[:, 0]
    expected = 1 - nn.functional.cosine_similarity(own.flatten(1), seen.flatten(1)).mean()
    torch.testing.assert_close(loss, expected, rtol=1e-2, atol=1e-3)


def test_source_module_is_a_map_of_one_channel(images: Tensor) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, 4), nn.Conv2d(4, 1, 1), nn.Sigmoid())
    guide = AttentionGuidance(net, "2", loss="bce", source="module")
    net(images)
    assert guide(labels=LABELS, points=points_of(4)) > 0
    other = AttentionGuidance(net, "0", source="module")
    net(images)
    with pytest.raises(ArgumentError, match="'0' has 4 channels, which are no attention map"):
        other(labels=LABELS, points=points_of(4))


@pytest.mark.parametrize(("arguments", "message"), [
    ({"layers": "bodi"}, "the model has no module 'bodi'; did you mean body"),
    ({"layers": []}, "layers: expected a name"),
    ({"layers": ["body", "body"]}, "layers: 'body' stands there twice"),
    ({"layers": "body", "cue": "eu"}, "unknown cue 'eu'; did you mean au"),
    ({"layers": "body", "loss": "cosin"}, "did you mean cosine"),
    ({"layers": "body", "weight": 0}, "weight: expected a number greater than 0"),
    ({"layers": "body", "source": "cams"}, "source: unknown 'cams'; did you mean cam"),
    ({"layers": "body", "source": "cam", "classes": CLASSES}, "classifier: source 'cam' needs it"),
    ({"layers": "body", "source": "cam", "classifier": "fc"}, "classes: source 'cam' needs it"),
    ({"layers": "body", "source": "cam", "classifier": "stem", "classes": CLASSES}, "'stem' is Conv2d"),
    ({"layers": "body", "source": "cam", "classifier": "fc", "classes": ["fear"]}, "'fc' scores 2"),
    ({"layers": "body", "classifier": "fc"}, "classifier: source 'features' reads none"),
    ({"layers": ["stem", "body"], "source": "module"}, "source 'module' takes one layer, got 2"),
    ({"layers": "body", "classes": ["happy", "glad tidings"]}, "classes[1]: unknown expression 'glad tidings'"),
    ({"layers": "body", "loss_options": {"power": 2}}, "power"),
])  # fmt: skip
def test_wrong_arguments_are_one_line_and_leave_no_hook(net: Net, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((ArgumentError, UnknownNameError, ConfigError)) as refused:
        AttentionGuidance(net, **arguments)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


@pytest.mark.parametrize(("given", "message"), [
    ({"labels": LABELS[:3]}, "labels: expected one for each of 4 faces, got 3"),
    ({"labels": [0, 1, 2, 0]}, "labels[2]: 2 is no number of one of 2 classes"),
    ({"labels": ["joyous", *LABELS[1:]]}, "labels[0]: unknown expression 'joyous'"),
    ({"points": None}, "points: give the 68 points of each face, or ready maps"),
    ({"points": points_of(3)}, "points: expected"),
    ({"points": points_of(4) / SIZE}, "points:"),
    ({"maps": torch.rand(4, 7, 7)}, "maps: give points, or ready maps in their place"),
    ({"points": None, "maps": torch.rand(3, 7, 7)}, "maps: expected"),
    ({"points": None, "maps": 2 * torch.ones(4, 7, 7)}, "maps: expected values in [0, 1]"),
])  # fmt: skip
def test_wrong_calls_are_one_line(net: Net, images: Tensor, given: dict[str, Any], message: str) -> None:
    guide = AttentionGuidance(net, "body", classes=CLASSES)
    net(images)
    with pytest.raises(ArgumentError) as refused:
        guide(**{"labels": LABELS, "points": points_of(4), **given})
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_each_forward_pass_gives_one_loss(net: Net, images: Tensor) -> None:
    guide = AttentionGuidance(net, "body")
    with pytest.raises(ArgumentError, match="'body' did not run since the last loss; call the model first"):
        guide(labels=LABELS, points=points_of(4))
    net(images)
    guide(labels=LABELS, points=points_of(4))
    with pytest.raises(ArgumentError, match="call the model first"):
        guide(labels=LABELS, points=points_of(4))


def test_pictures_that_are_not_square_take_ready_maps(net: Net) -> None:
    guide = AttentionGuidance(net, "body")
    net(torch.rand(4, 3, 32, 48))
    with pytest.raises(ArgumentError, match="cues are drawn for square pictures, and its input is 48 x 32"):
        guide(labels=LABELS, points=points_of(4))
    assert guide(maps=torch.rand(4, 8, 12)) > 0


def test_it_adds_nothing_to_the_model_and_leaves_nothing_behind(net: Net, images: Tensor) -> None:
    guide = AttentionGuidance(net, ["stem", "body"], source="features")
    cam = AttentionGuidance(net, "body", source="cam", classifier="fc", classes=CLASSES)
    assert not list(guide.parameters()) + list(cam.parameters())
    assert not guide.state_dict() | cam.state_dict()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net(images)
    kept = weakref.ref(guide.taps.maps()[0])
    (guide(labels=LABELS, points=points_of(4)) + net(images).sum()).backward()
    guide.remove()
    cam.remove()
    gc.collect()
    assert kept() is None
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_autocast_channels_last_and_accumulation(net: Net, images: Tensor) -> None:
    guide = AttentionGuidance(net, "body", weight=4.0)
    net(images)
    plain = guide(labels=LABELS, points=points_of(4))
    plain.backward()
    whole = gradient(net)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        net(images)
        half = guide(labels=LABELS, points=points_of(4))
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, plain, rtol=0.02, atol=0)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    net.zero_grad()
    for rows in (slice(0, 2), slice(2, 4)):  # of two images each one and two count: by their numbers they add up
        net(images[rows].contiguous(memory_format=torch.channels_last))
        counted = sum(label != "neutral" for label in LABELS[rows])
        (counted / 3 * guide(labels=LABELS[rows], points=points_of(2))).backward()
    torch.testing.assert_close(gradient(net), whole, rtol=1e-4, atol=1e-6)


def test_a_compiled_model_is_guided_too(net: Net, images: Tensor) -> None:
    guide = AttentionGuidance(net, "body")
    net(images)
    plain = guide(labels=LABELS, points=points_of(4))
    for again in (net, torch.compile(net, backend="aot_eager")):
        guide = AttentionGuidance(again, "body")  # type: ignore[arg-type]
        compiled = torch.compile(net, backend="aot_eager", fullgraph=True)
        for _ in range(2):
            net.zero_grad()
            compiled(images)
            loss = guide(labels=LABELS, points=points_of(4))
            loss.backward()
            torch.testing.assert_close(loss, plain)
            assert gradient(net).any()
        guide.remove()


@pytest.mark.slow
def test_two_processes_have_the_gradient_of_the_whole_batch(forks: Forks) -> None:
    """Of the first process's images both count, of the second's one."""
    guide("one.pt")
    group = forks.together(2, "tests.training.together:guide", "two.pt")
    assert group.wait() == [0, 0], group.said
    for one, two in zip(torch.load("one.pt"), torch.load("two.pt"), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-7)
