from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import PIL.Image
import pytest
import torch
from torch import Tensor

from fer_au import Predictor
from fer_au.batches.preprocess import Preprocessing
from fer_au.cli import entry
from fer_au.faces.templates import get_template
from fer_au.models import FerModel, create_model, list_heads
from fer_au.models.heads.base import HEADS
from fer_au.models.parts import Head, HeadOutput, TrunkOutput
from fer_au.use import export, graph
from fer_au.use.graph import ServedModel, make_graph
from fer_au.use.running import GraphRunner, checked_pictures, compare, torch_answers
from fer_au.version import __version__
from tests.cli.conftest import Call
from tests.cli.test_help import example_of
from tests.docs.blocks import read_blocks
from tests.use.conftest import LABELS, SIDE, write_model

BLOCKS = read_blocks("docs/export.md", "python")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of two layers: exporting takes time for every operation."""
    return write_model(tmp_path_factory.mktemp("models") / "m", output_stride=None, cut_after=2)


@pytest.fixture(scope="module")
def exported(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's ONNX file, written by the example of the help."""
    folder = tmp_path_factory.mktemp("export")
    shutil.copytree(model, folder / "models/au")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert entry.run(example_of("fer-au export")[1:]) == 0
    return folder / "au.onnx"


def faces(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 255, (count, SIDE, SIDE, 3), np.uint8)


@pytest.mark.parametrize("count", [1, 5])
def test_the_file_answers_as_the_predictor_does(exported: Path, model: Path, count: int) -> None:
    session = onnxruntime.InferenceSession(exported)
    logits, probabilities, attention = session.run(["logits", "probabilities", "attention"], {"crops": faces(count)})
    expected = Predictor.load(model, "cpu")(faces(count), aligned=True)
    np.testing.assert_allclose(probabilities, expected.scores, atol=1e-5)
    np.testing.assert_allclose(attention, expected.maps, atol=1e-5)
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), expected.scores, atol=1e-5)
    assert np.ptp(expected.scores, axis=1).min() > 0.01, "answers that are alike would tell nothing"


def test_the_file_tells_what_its_users_must_know(exported: Path, model: Path) -> None:
    loaded = onnx.load(exported)
    notes = {prop.key: prop.value for prop in loaded.metadata_props}
    assert json.loads(notes["classes"]) == list(LABELS)
    assert (notes["fer_au_version"], notes["opset"]) == (__version__, str(graph.OPSET))
    assert [one.version for one in loaded.opset_import if not one.domain] == [graph.OPSET]
    assert notes["weights_sha256"] == json.loads((model / "config.json").read_text())["weights_sha256"]
    assert "licence" in notes["licence"]
    crop = json.loads(notes["crop"])
    assert (crop["size"], crop["template"], crop["detector"]) == (SIDE, "loose", "dlib-hog")
    np.testing.assert_allclose(crop["points"]["left_mouth_corner"], get_template("loose").five(SIDE)[4], atol=1e-3)
    axes = loaded.graph.input[0].type.tensor_type.shape.dim
    assert [one.dim_param or one.dim_value for one in axes] == ["faces", SIDE, SIDE, 3]


def test_equal_models_give_equal_bytes_that_name_no_place(exported: Path, model: Path, tmp_path: Path) -> None:
    assert export.export_model(model, tmp_path / "again.onnx").size == exported.stat().st_size
    data = exported.read_bytes()
    assert (tmp_path / "again.onnx").read_bytes() == data
    for word in (str(Path(graph.__file__).parents[2]), str(model), str(exported.parent), "site-packages", ".py"):
        assert word.encode() not in data


HEAD_OPTIONS: dict[str, dict[str, Any]] = {
    "acol": {"width": 8},
    "apvit": {"dim": 16, "depth": 2, "heads": 2, "k": 0.6, "grid": 4},
    "grid": {"cells": 3},
    "lan": {"widths": [8]},
    "mlp": {"hidden": [8]},
}


def build(config: dict[str, Any]) -> Predictor:
    """A model whose head is away from its fresh weights, which may be zero."""
    model = create_model(config, LABELS, seed=0)
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    return Predictor(model, Preprocessing(image_size=48, channels=config.get("in_chans", 3)), device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("head", list_heads())
def test_every_head_can_be_exported(head: str) -> None:
    """One reads a transformer: positions that are fitted to the images, and recorded attention. One sees grey."""
    grey = {"in_chans": 1} if head == "grid" else {}
    backbone = "test_vit" if head == "ts_cam" else "test_resnet"
    config = {"backbone": backbone, "head": head, "head_options": HEAD_OPTIONS.get(head, {}), "cut_after": 2, **grey}
    predictor = build(config)
    served, data = ServedModel(predictor.model, predictor.preprocess), make_graph(predictor, {})
    differences = compare(data, served)
    assert max(differences.values()) < export.CHECKED * 1e-6
    assert ("module" in differences) == (head in ("apvit", "lan", "ts_cam"))
    views = GraphRunner(data).inputs
    assert views == (("crops", "pictures") if head == "multiscale" else ("crops",))
    answers = torch_answers(served, checked_pictures(served))
    assert np.ptp(answers["probabilities"], axis=0).max() > 1e-3, "answers that are alike would tell nothing"


def test_a_file_that_answers_otherwise_is_not_written(
    exported: Path, model: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = onnx.load(exported)
    (weight,) = [one for one in loaded.graph.initializer if len(LABELS) in one.dims and len(one.dims) == 2]
    weight.raw_data = (np.frombuffer(weight.raw_data, "<f4") * np.float32(1.001)).tobytes()
    monkeypatch.setattr(export, "make_graph", lambda *_: loaded.SerializeToString())
    code, out, err = call("export", str(model), "a.onnx")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {model}: the exported model's logits differ from torch's by up to ")
    assert err.endswith(", above 1e-04\n")
    assert list(Path().iterdir()) == []


class FixedHead(Head):
    """A head of another package that can't be exported: the number of images is fixed when it is traced."""

    def __init__(self, channels: int, classes: int, **options: object) -> None:
        super().__init__(channels, classes, **options)
        self.linear = torch.nn.Linear(channels, classes)

    def forward(self, trunk: TrunkOutput, labels: Tensor | None = None) -> HeadOutput:
        return HeadOutput(self.linear(trunk.final.mean((2, 3)).reshape(len(trunk.final), -1)))


def test_a_network_that_cannot_be_exported_says_why(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HEADS._entries, "fixed", FixedHead)
    folder = write_model(tmp_path / "fixed", head="fixed", output_stride=None, cut_after=2)
    code, out, err = call("export", str(folder), "a.onnx")
    assert (code, out) == (2, "")
    assert err == (
        f"error: {folder}: backbone 'test_resnet' with head 'fixed' can't be brought into ONNX: its code fixes the "
        "number of images; where it says len(x) or x.size(0) of a tensor, write x.shape[0]\n"
    )
    assert not Path("a.onnx").exists()


def test_int8_is_smaller_and_tells_its_price(
    exported: Path, model: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "make_graph", lambda *_: exported.read_bytes())
    code, out, err = call("export", str(model), "a.onnx", "--int8")
    assert code == 0, err
    lines = out.splitlines()
    assert lines[2].startswith("int8 beside torch, 50 inputs: largest difference ")
    assert float(lines[2].split()[7]) > 1e-3, "8 bits can't be exact"
    assert Path("a.onnx").stat().st_size < exported.stat().st_size / 2
    session = onnxruntime.InferenceSession("a.onnx")
    expected = Predictor.load(model, "cpu")(faces(5), aligned=True).scores
    np.testing.assert_allclose(session.run(["probabilities"], {"crops": faces(5)})[0], expected, atol=0.05)
    assert session.get_modelmeta().custom_metadata_map["int8"].startswith("dynamic")


def test_int8_of_a_data_set_tells_both_accuracies(
    exported: Path,
    model: Path,
    dataset_dir: Path,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(export, "make_graph", lambda *_: exported.read_bytes())
    code, out, err = call("export", str(model), "a.onnx", "--int8", "--dataset", str(dataset_dir))
    assert code == 0, err
    from fer_au.batches.faces import FaceDataset

    test = FaceDataset(dataset_dir, "test", SIDE, LABELS)
    pictures = np.stack([test.image(index) for index in range(len(test))]).transpose(0, 2, 3, 1)
    right = Predictor.load(model, "cpu")(pictures, aligned=True).scores.argmax(1) == test.labels
    assert out.splitlines()[3].startswith(f"accuracy on test ({len(test)} faces): {right.mean():.4f} in float32, ")
    notes = onnxruntime.InferenceSession("a.onnx").get_modelmeta().custom_metadata_map
    assert notes["int8"].startswith("static: activations are scaled by ")
    assert notes["int8"].endswith(f" training faces of {dataset_dir.name!r}")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["m", "a.txt"], "a.txt: unknown format '.txt'; name it .onnx"),
        (["m", "a.onnx", "--dataset", "d"], "--dataset has no effect without --int8: the float32 version answers "),
        (
            ["missing", "a.onnx"],
            "missing/config.json: can't be read (No such file or directory); is missing a model's ",
        ),
    ],
)
def test_slips_are_one_line_and_no_file(words: list[str], line: str, call: Call) -> None:
    code, out, err = call("export", *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {line}")
    assert err.count("\n") == 1
    assert list(Path().iterdir()) == []


def test_a_missing_extra_is_one_line(model: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    found: Callable[..., Any] = graph.find_spec
    monkeypatch.setattr(graph, "find_spec", lambda name: None if name.startswith("onnxs") else found(name))
    line = "fer-au export needs onnxscript, not installed; run `pip install 'fer-au[export]'`"
    assert call("export", str(model), "a.onnx") == (2, "", f"error: {line}\n")


def test_the_example_needs_neither_torch_nor_fer_au(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(exported.parent)
    PIL.Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 80, 3), np.uint8)).save("me.jpg")
    first, second = BLOCKS
    assert len(second.lines) <= 25
    exec(compile(first.text, str(first), "exec"), {})
    (tmp_path / "script.py").write_text(
        f"import sys\nfor name in ('torch', 'fer_au', 'cv2'):\n    sys.modules[name] = None\n{second.text}"
    )
    done = subprocess.run([sys.executable, "-I", tmp_path / "script.py"], capture_output=True, text=True, check=True)
    expected = Predictor.load("models/au", "cpu")("me.jpg")
    assert done.stdout.startswith(f"face 0: {expected.labels[0]} {expected.scores[0].max():.3f}, looks most at ")


def test_the_original_stays_as_it_was(model: Path) -> None:
    predictor = Predictor.load(model, "cpu")
    served = ServedModel(predictor.model, predictor.preprocess)
    assert isinstance(served.model, FerModel)
    assert served.model is not predictor.model
    assert all(parameter.requires_grad for parameter in predictor.model.parameters())
