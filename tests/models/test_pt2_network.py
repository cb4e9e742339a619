"""Networks that lie in files of ``torch.export``: what they answer, what of them is kept, and what is refused."""

from __future__ import annotations

import copy
import io
import json
import pickle
import re
import sys
import types
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fer_au.cam import compute_cam
from fer_au.errors import ConfigError, DataError
from fer_au.models import create_model, load_model, save_model
from fer_au.models.network import FerModel

CLASSES = ("neutral", "happiness", "anger")
Files = dict[str, bytes]


class Block(nn.Module):
    """Tokens with attention, as a transformer's."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.mix = nn.LayerNorm(8), nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        return x + self.mix(y, y, y, need_weights=False)[0]


class Net(nn.Module):
    """Convolutions, tokens and a linear layer; ``form`` is that of the answer."""

    def __init__(self, form: str = "") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU(inplace=True))
        self.second = nn.Conv2d(6, 8, 3, 4, 1)
        self.block = Block()
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(8, 4)
        self.register_buffer("shift", torch.full((8,), 0.1), persistent=False)
        self.form = form

    def forward(self, x: Tensor) -> Any:
        maps = self.second(self.first(x))
        tokens = self.block(maps.flatten(2).transpose(1, 2) + self.shift)
        scores = self.fc(self.drop(tokens.mean(1)))
        if self.form == "double":
            scores = scores + self.drop(self.first(x)).mean()
        return {"hidden": scores * 0, "logits": scores} if self.form == "named" else scores


LAYERS = ["first", "second", "block"]


def exported(net: nn.Module | None = None, batch: int | None = None, size: int = 32, x: Tensor | None = None) -> bytes:
    """Bytes of a program, for any number of pictures unless ``batch`` is given."""
    given = torch.randn(batch or 2, 3, size, size) if x is None else x
    dynamic = None if batch else ({0: torch.export.Dim("n")},)
    program = torch.export.export(Net().eval() if net is None else net, (given,), dynamic_shapes=dynamic)
    stream = io.BytesIO()
    torch.export.save(program, stream)
    return stream.getvalue()


@pytest.fixture(scope="module")
def program() -> bytes:
    return exported()


@pytest.fixture(scope="module", autouse=True)
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("project")
    sys.modules["made_nets"] = made = types.ModuleType("made_nets")
    made.create = lambda: Net().eval()  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder
    del sys.modules["made_nets"]


def model(data: bytes | None, **changes: Any) -> FerModel:
    """A classifier of a file, as an experiment's ``model`` says it; of the network itself without one."""
    if data is not None:
        Path("net.pt2").write_bytes(data)
    usual = {
        "backbone": "external",
        "factory": "made_nets:create" if data is None else "net.pt2",
        "layers": LAYERS,
        "input": {"size": 32, "mean": 0.5, "std": 0.25},
        "classes": {"angry": "anger", "other": None, "calm": "neutral", "joy": "happiness"},
    }
    return create_model({**usual, **changes}, CLASSES).eval()


def images() -> Tensor:
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def changed(data: bytes, change: Callable[[Files], object]) -> bytes:
    """The same archive with other entries."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {one.filename.partition("/")[2]: archive.read(one) for one in archive.infolist()}
    change(files)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"net/{name}", content)
    return stream.getvalue()


def regraph(change: Callable[[dict[str, Any]], object]) -> Callable[[Files], object]:
    """A change of the graph."""

    def apply(files: Files) -> None:
        graph = json.loads(files["models/model.json"])
        change(graph)
        files["models/model.json"] = json.dumps(graph).encode()

    return apply


def test_scores_layers_and_cams_are_those_of_the_module_that_was_exported(program: bytes) -> None:
    file, module, x = model(program), model(None), images()
    ours, theirs = file(x), module(x)
    assert torch.equal(ours.logits, theirs.logits)
    for layer in ("1", "2", "3"):
        assert torch.equal(ours.features[layer], theirs.features[layer])
    assert ours.features["3"].shape == (3, 8, 4, 4)  # tokens
    for cam in ("gradcam", "layercam", "xgradcam", "integrated_gradients"):
        assert torch.equal(compute_cam(cam, file, x, "anger"), compute_cam(cam, module, x, "anger"))
    assert torch.equal(compute_cam("layercam", file, x, 0, 1), compute_cam("layercam", module, x, 0, 1))
    assert torch.equal(copy.deepcopy(file)(x).logits, ours.logits)


def test_a_file_for_one_picture_gets_them_one_by_one_with_gradients() -> None:
    one, module, x = model(exported(batch=1)), model(None), images()
    torch.testing.assert_close(one(x).logits, module(x).logits)
    for cam in ("gradcam", "layercam"):
        torch.testing.assert_close(compute_cam(cam, one, x, 1), compute_cam(cam, module, x, 1), atol=1e-5, rtol=1e-4)


def test_named_answers_bytes_and_decomposed_programs_are_read(program: bytes) -> None:
    x = images()
    expected = model(None)(x).logits
    assert torch.equal(model(exported(Net("named").eval()))(x).logits, expected)

    class OfBytes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Net().eval()

        def forward(self, x: Tensor) -> Tensor:
            scores: Tensor = self.net((x.float() / 255 - 0.5) / 0.25)
            return scores

    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    layers = [f"net.{name}" for name in LAYERS]
    bytes_ = model(exported(OfBytes(), x=pixels), layers=layers, input={"size": 32, "mean": 0, "std": 1 / 255})
    torch.testing.assert_close(bytes_(pixels.float()).logits, model(None)((pixels / 255 - 0.5) / 0.25).logits)
    with pytest.raises(ConfigError, match=r"model\.input: the file takes bytes; write mean: 0"):
        model(exported(OfBytes(), x=pixels), layers=layers)
    stream = io.BytesIO()
    torch.export.save(torch.export.load(io.BytesIO(program)).run_decompositions(), stream)
    torch.testing.assert_close(model(stream.getvalue())(x).logits, expected)


def test_devices_in_the_file_are_those_of_the_pictures(program: bytes) -> None:
    def to_gpu(files: Files) -> None:
        for name in [one for one in files if one.endswith(".json")]:
            text = files[name].decode()
            files[name] = text.replace('"type": "cpu"', '"type": "cuda"').encode()

    assert torch.equal(model(changed(program, to_gpu))(images()).logits, model(program)(images()).logits)


def test_the_folder_of_a_model_is_enough_and_trained_weights_count(program: bytes, tmp_path: Path) -> None:
    saved = model(program)
    names = [name for name, _ in saved.named_parameters()]
    assert names == [f"backbone.network.weights.{name}" for name, _ in Net().named_parameters()]
    with torch.no_grad():
        saved.get_parameter("backbone.network.weights.fc.weight").mul_(2)
    Path("net.pt2").unlink()
    save_model(tmp_path, saved, {})
    assert b"tests/models" not in (tmp_path / "model.safetensors").read_bytes()  # no path of the machine
    loaded, _ = load_model(tmp_path)
    assert torch.equal(loaded(images()).logits, saved(images()).logits)
    assert compute_cam("gradcam", loaded, images(), 0).shape == (3, 4, 4)
    with pytest.raises(DataError, match="nothing to trust"):
        load_model(tmp_path, trust="made_nets:create")


class Bomb:
    """Whoever unpickles it, has run its code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("import sys; sys.bomb = True",))


def pickled() -> bytes:
    stream = io.BytesIO()
    torch.save({"weight": torch.ones(2)}, stream)
    return stream.getvalue()


def retable(**update: Any) -> Callable[[Files], object]:
    """Say something else of the weights in the archive's table."""

    def apply(files: Files) -> None:
        table = json.loads(files["data/weights/model_weights_config.json"])
        table["config"]["fc.weight"] |= update
        files["data/weights/model_weights_config.json"] = json.dumps(table).encode()
        files["data/weights/bomb"] = pickle.dumps(Bomb())

    return apply


def call(target: str, **arguments: Any) -> Callable[[Files], object]:
    """Let the first node call something else."""

    def apply(graph: dict[str, Any]) -> None:
        node = graph["graph_module"]["graph"]["nodes"][0]
        node["target"] = target
        node["inputs"] += [{"name": name, "arg": arg, "kind": 1} for name, arg in arguments.items()]

    return regraph(apply)


def drop(*names: str) -> Callable[[Files], object]:
    return lambda files: [files.pop(name) for name in names]


SCHEMA = {"schema_version": {"major": 9, "minor": 0}}
TEXT = {"as_string": "somewhere"}
FAULTS: dict[str, tuple[bytes | Callable[[Files], object], str]] = {
    "no archive": (b"nothing", r"no \.pt2 file, or a damaged one: BadZipFile"),
    "a pickle": (pickled(), r"no program that torch\.export\.save wrote, but a pickle of torch\.save, which is code"),
    "another archive": (lambda files: files.clear(), "but another archive"),
    "another schema": (regraph(lambda graph: graph.update(SCHEMA)), "version 9 of torch's format"),
    "two graphs": (lambda files: files.update({"models/b.json": b"{}"}), "it has 2 graphs"),
    "compiled": (lambda files: files.update({"data/aotinductor/model/a.so": b""}), "holds compiled code"),
    "an old one": (lambda files: files.update({"serialized_exported_program.json": b""}), "format of torch 2.6"),
    "no JSON": (lambda files: files.update({"models/model.json": b"{"}), "graph can't be read"),
    "deep JSON": (lambda files: files.update({"models/model.json": b"[" * 99999}), "nested too deeply"),
    "no nodes": (regraph(lambda graph: graph["graph_module"].pop("graph")), "graph is damaged: KeyError"),
    "no table": (drop("data/weights/model_weights_config.json"), "it lacks data/weights"),
    "no bytes": (drop("data/weights/weight_0"), r"'first\.0\.weight' of the file has no bytes"),
    "few bytes": (lambda files: files.update({"data/weights/weight_0": b"1234"}), "doesn't fit its bytes"),
    "a pickled weight": (retable(use_pickle=True, path_name="bomb"), "'fc.weight' of the file is a pickle"),
    "a file beside it": (retable(path_name="../../../etc/passwd"), "'fc.weight' of the file has no bytes"),
    "any function": (call("torch.os.system"), "calls 'torch.os.system', which is none of torch's plain operators"),
    "a dunder": (call("torch.ops.aten.__class__.mro"), "which is none of torch's plain operators"),
    "a file's name": (call("torch.ops.aten.from_file.default", filename=TEXT), "none of torch's plain operators"),
    "a writer": (call("torch.ops.aten.save.default", filename=TEXT), "none of torch's plain operators"),
    "a custom operator": (call("torch.ops.lab.conv.default"), "none of torch's plain operators"),
    "an unknown argument": (call("torch.ops.aten.relu.default"), r"has no argument 'dim' in this version of torch"),
    "an object": (call("torch.ops.aten.relu.default", x={"as_custom_obj": {}}), "of kind 'as_custom_obj'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_plain_program_is_one_line_and_runs_nothing(program: bytes, fault: str) -> None:
    change, words = FAULTS[fault]
    with pytest.raises(ConfigError, match=words) as caught:
        model(change if isinstance(change, bytes) else changed(program, change))
    assert str(caught.value).startswith("model.factory: ")
    assert "\n" not in str(caught.value)
    assert not hasattr(sys, "bomb")


def test_pickled_sample_inputs_are_not_looked_at(program: bytes) -> None:
    bomb = changed(program, lambda files: files.update({"data/sample_inputs/model.pt": pickle.dumps(Bomb())}))
    assert torch.equal(model(bomb)(images()).logits, model(program)(images()).logits)
    assert not hasattr(sys, "bomb")


def test_sizes_are_no_code(program: bytes) -> None:
    def bomb(files: Files) -> None:
        text = files["models/model.json"].decode()
        assert "Symbol('" in text
        files["models/model.json"] = re.sub(r"Symbol\([^)]*\)", "setattr(sys, 'bomb', 1)", text).encode()

    assert torch.equal(model(changed(program, bomb))(images()).logits, model(program)(images()).logits)
    assert not hasattr(sys, "bomb")


@pytest.mark.parametrize("share", [0.3, 0.99])
def test_a_file_that_is_cut_short_is_refused(program: bytes, share: float) -> None:
    with pytest.raises(ConfigError, match="a damaged one"):
        model(program[: int(len(program) * share)])


def test_a_file_that_was_altered_is_refused(program: bytes) -> None:
    place = program.index(b"weight_0") + 200
    with pytest.raises(ConfigError, match="a damaged one: BadZipFile: Bad CRC-32"):
        model(program[:place] + bytes([program[place] ^ 1]) + program[place + 1 :])


def test_other_pictures_and_layers_than_the_file_has_are_refused(program: bytes) -> None:
    given: dict[str, tuple[Callable[[], bytes], dict[str, Any], str]] = {
        "batch": (lambda: exported(batch=4), {}, r"model\.factory: the file takes 4 pictures at a time"),
        "size": (lambda: exported(size=48), {}, r"model\.input\.size: 32; the file takes \['any', 3, 48, 48\]"),
        "gray": (
            lambda: program,
            {"input": {"size": 32, "channels": "gray", "mean": 0, "std": 1}},
            r"model\.input\.channels: gray are 1; the file takes",
        ),
        "training": (lambda: exported(Net()), {}, r"in training mode; call eval\(\) before"),
        "missing": (lambda: program, {"layers": ["secnd"]}, r"model\.layers\[0\]: .*'secnd'; did you mean second"),
        "double": (lambda: exported(Net("double").eval()), {}, r"model\.layers\[0\]: 'first' runs several times"),
        "no operation": (
            lambda: program,
            {"layers": ["first", "mix"]},
            r"model\.layers\[1\]: .*known: block, block\.mix",
        ),
        "order": (lambda: program, {"layers": ["second", "first"]}, r"they run in the order first, second"),
        "no map": (lambda: program, {"layers": ["fc"]}, r"model\.layers: 'fc' gave .*neither a map nor tokens"),
        "classes": (lambda: program, {"classes": {"a": "anger", "c": "neutral", "j": "happiness"}}, "they are 3"),
    }
    for data, changes, words in given.values():
        with pytest.raises(ConfigError, match=words) as caught:
            model(data(), **changes)
        assert "\n" not in str(caught.value)
