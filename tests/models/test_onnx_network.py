"""Networks that lie in ONNX files: what they answer, what of them is kept, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor
from torch.nn import functional

from fer_au.cam import compute_cam
from fer_au.cam.occlusion import GRID
from fer_au.errors import ConfigError, DataError, MissingCamError
from fer_au.models import create_model, load_model, save_model
from fer_au.models.network import FerModel

CLASSES = ("neutral", "happiness", "anger")
RANDOM = np.random.default_rng(0)
WEIGHTS = {
    "kernel": RANDOM.normal(0, 0.3, (6, 3, 3, 3)).astype(np.float32),
    "matrix": RANDOM.normal(0, 1, (6, 4)).astype(np.float32),
}


def graph(change: Callable[[onnx.ModelProto], object] = lambda model: None, **settings: Any) -> bytes:
    """A small network: convolution, ReLU, mean, linear; ``settings`` are of its input and its end."""
    given = {"shape": ["n", 3, 32, 32], "type": TensorProto.FLOAT, "before": [], "first": "pictures", "after": []}
    given |= settings
    nodes = [
        *given["before"],
        helper.make_node("Conv", [given["first"], "kernel"], ["maps"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["maps"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["logits"]),
        *given["after"],
    ]
    outputs = [one.output[0] for one in [nodes[-1 - len(given["after"])], *given["after"]]]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "net",
            [helper.make_tensor_value_info("pictures", given["type"], given["shape"])],
            [helper.make_empty_tensor_value_info(name) for name in outputs],
            [numpy_helper.from_array(value, name) for name, value in WEIGHTS.items()],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    change(model)
    return bytes(model.SerializeToString())


@pytest.fixture(scope="module", autouse=True)
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def model(data: bytes | None = None, **changes: Any) -> FerModel:
    """A classifier of a file, as an experiment's ``model`` says it."""
    Path("net.onnx").write_bytes(graph() if data is None else data)
    usual = {
        "backbone": "external",
        "factory": "net.onnx",
        "layers": ["maps", "active"],
        "input": {"size": 32, "mean": 0.5, "std": 0.25},
        "classes": {"angry": "anger", "other": None, "calm": "neutral", "joy": "happiness"},
    }
    return create_model({**usual, **changes}, CLASSES).eval()


def images(count: int = 2) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def by_hand(x: Tensor) -> tuple[Tensor, Tensor]:
    """The network's maps before the ReLU, and its scores in our order."""
    maps = functional.conv2d(x, torch.from_numpy(WEIGHTS["kernel"]), stride=2, padding=1)
    scores = maps.relu().mean((2, 3)) @ torch.from_numpy(WEIGHTS["matrix"])
    return maps, scores[:, [2, 3, 0]]


def test_scores_and_inner_tensors_are_those_of_the_file() -> None:
    output, (maps, scores) = model()(images()), by_hand(images())
    torch.testing.assert_close(output.logits, scores)
    torch.testing.assert_close(output.features["1"], maps)
    torch.testing.assert_close(output.final, maps.relu())


def test_bytes_whose_channels_come_last_and_one_picture_at_a_time() -> None:
    before = [
        helper.make_node("Cast", ["pictures"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["turned"], perm=[0, 3, 1, 2]),
    ]
    data = graph(type=TensorProto.UINT8, shape=[1, 32, 32, 3], before=before, first="turned")
    ours = model(data, input={"size": 32, "mean": 0, "std": 1 / 255})
    pixels = torch.randint(0, 256, (3, 3, 32, 32), generator=torch.Generator().manual_seed(2)).float()
    torch.testing.assert_close(ours(pixels).logits, by_hand(pixels)[1])


def test_probabilities_beside_logits_are_chosen_by_name_and_maps_may_have_no_channels() -> None:
    after = [
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("ReduceMean", ["active"], ["attention"], keepdims=0, axes=[1]),
    ]

    def older(one: onnx.ModelProto) -> None:
        one.opset_import[0].version = 17  # whose mean over axes has an attribute

    data = graph(older, after=after)
    for scores in ("logits", "probabilities"):
        ours = model(data, layers=["maps", "attention"], scores=scores)
        shares, expected = ours(images()).logits.softmax(1), by_hand(images())[1].softmax(1)
        torch.testing.assert_close(shares, expected)
        assert ours(images()).final.shape == (2, 1, 16, 16)


def test_a_folder_holds_the_file_and_runs_no_code(tmp_path: Path) -> None:
    saved = model()
    save_model(tmp_path, saved, {})
    Path("net.onnx").unlink()
    loaded, _ = load_model(tmp_path)
    assert torch.equal(loaded(images()).logits, saved(images()).logits)
    with pytest.raises(DataError, match="nothing to trust"):
        load_model(tmp_path, trust="net.onnx")


def test_a_folder_without_its_file_reads_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = model()
    monkeypatch.setattr(type(saved), "state_dict", lambda self: {"x": torch.zeros(1)})
    save_model(tmp_path, saved, {})
    monkeypatch.undo()
    with pytest.raises(DataError, match="the network's file is not among its weights"):
        load_model(tmp_path)


def test_occlusion_covers_places_and_other_cams_have_nothing_to_go_by() -> None:
    ours, x, target = model(), images(), torch.tensor([0, 2])
    found = compute_cam("occlusion", ours, x, target, normalize=False)
    assert found.shape == (2, GRID, GRID)
    covered = x.clone()
    covered[:, :, 13:19, 26:32] = x.mean((2, 3), keepdim=True)  # around (16, 29): cells of 3.2 pixels
    before, after = (by_hand(one)[1].log_softmax(1)[torch.arange(2), target] for one in (x, covered))
    torch.testing.assert_close(found[:, 4, 8], (before - _patch(x, target, 4, 8)).relu())
    del after
    assert torch.equal(found, compute_cam("occlusion", ours, x, target, normalize=False))
    torch.testing.assert_close(found[1:], compute_cam("occlusion", ours, x[1:], target[1:], normalize=False))
    for cam in ("gradcam", "integrated_gradients", "guided_gradcam", "layercam@1"):
        with pytest.raises(MissingCamError, match="is a file, which has no gradients; try occlusion"):
            compute_cam(cam.partition("@")[0], ours, x, 0, 1 if "@" in cam else None)


def _patch(x: Tensor, target: Tensor, row: int, column: int) -> Tensor:
    """Scores of the target with one place covered, computed by hand: 6 pixels from the middle of its cell less 3."""
    covered = x.clone()
    top, left = (round((place + 0.5) * 3.2 - 3.2) for place in (row, column))
    covered[:, :, top : top + 6, left : left + 6] = x.mean((2, 3), keepdim=True)
    return by_hand(covered)[1].log_softmax(1)[torch.arange(len(x)), target]


def _two_inputs(one: onnx.ModelProto) -> None:
    one.graph.input.append(helper.make_tensor_value_info("age", TensorProto.FLOAT, ["n", 1]))


def _outside(tensor: TensorProto) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret.bin")


def _outside_in_a_branch(one: onnx.ModelProto) -> None:
    hidden = numpy_helper.from_array(np.zeros(3, np.float32), "hidden")
    _outside(hidden)
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["out"], value=hidden)],
        "branch",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [3])],
    )
    one.graph.node.append(helper.make_node("If", ["flag"], ["chosen"], then_branch=branch, else_branch=branch))


def _newer(one: onnx.ModelProto) -> None:
    one.opset_import[0].version = 999


def _foreign(one: onnx.ModelProto) -> None:
    one.graph.node[1].domain = "their.company"


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"
INPUT = {"size": 32, "mean": 0.5, "std": 0.25}
FAULTS: dict[str, tuple[Callable[[], bytes], dict[str, Any], str]] = {
    "missing": (graph, {"factory": "absent.onnx"}, r"model\.factory: absent\.onnx: can't be read \(No such file"),
    "pointer": (lambda: POINTER, {}, r"model\.factory: net\.onnx: is a pointer of Git LFS"),
    "no such file": (lambda: b"\x00\x01some other bytes", {}, r"model\.factory: no ONNX file, or a damaged one"),
    "empty": (lambda: b"", {}, r"model\.factory: no ONNX file, or a damaged one: there is no graph"),
    "cut": (lambda: graph()[:-300], {}, r"model\.factory: (no ONNX file|onnxruntime refuses)"),
    "opset": (lambda: graph(_newer), {}, r"model\.factory: the file has ONNX's operators of version 999"),
    "operators": (lambda: graph(_foreign), {}, r"model\.factory: onnxruntime refuses the file: .*their\.company"),
    "inputs": (lambda: graph(_two_inputs), {}, r"model\.factory: the file has the inputs pictures, age"),
    "external data": (
        lambda: graph(lambda one: _outside(one.graph.initializer[0])), {}, r"model\.factory: tensor 'kernel' lies in"
    ),
    "hidden external data": (lambda: graph(_outside_in_a_branch), {}, r"model\.factory: tensor 'hidden' lies in"),
    "batch": (lambda: graph(shape=[8, 3, 32, 32]), {}, r"model\.factory: the file takes 8 pictures at a time"),
    "size": (lambda: graph(shape=["n", 3, 48, 48]), {}, r"model\.input\.size: 32; the file takes \['n', 3, 48, 48\]"),
    "channels": (lambda: graph(shape=["n", 1, 32, 32]), {}, r"model\.input\.channels: rgb are 3; the file takes"),
    "type": (lambda: graph(type=TensorProto.INT64), {}, r"model\.factory: "),
    "layer": (graph, {"layers": ["maps", "actve"]}, r"model\.layers\[1\]: the file computes no 'actve'; did you mean"),
    "no map": (graph, {"layers": ["flat"]}, r"model\.layers: 'flat' gave \(2, 6\), which is no map"),
    "one cell": (graph, {"layers": ["pooled"]}, r"model\.layers: 'pooled' gave a map of one cell"),
    "order": (graph, {"layers": ["active", "maps"]}, r"model\.layers: they run in the order maps, active"),
    "classes": (graph, {"classes": {"a": "anger", "b": "neutral", "c": "happiness"}}, r"model\.classes: they are 3"),
    "probabilities": (graph, {"scores": "probabilities"}, r"model\.scores: .*write `scores: logits`"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_one_line_that_names_the_key(fault: str) -> None:
    data, changes, words = FAULTS[fault]
    with pytest.raises(ConfigError, match=words) as caught:
        model(data(), **changes)
    assert "\n" not in str(caught.value)


def test_bytes_want_pixels_from_0_to_255() -> None:
    before = [helper.make_node("Cast", ["pictures"], ["floats"], to=TensorProto.FLOAT)]
    data = graph(type=TensorProto.UINT8, before=before, first="floats")
    with pytest.raises(ConfigError, match=r"model\.input: the file takes bytes; write mean: 0 and std: 0\.0039"):
        model(data)
    assert model(data, input={"size": 32, "mean": 0, "std": 0.00392})(images().abs()).logits.shape == (2, 3)
