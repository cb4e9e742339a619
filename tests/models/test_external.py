"""Networks that were made elsewhere: what is asked of them, what they answer, and what is refused of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fer_au.cam import compute_cam
from fer_au.errors import ConfigError, DataError, FerAuError, MissingCamError
from fer_au.models import create_model, load_model, save_model
from fer_au.models.network import FerModel

CLASSES = ("neutral", "happiness", "anger")
NETS = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, channels=3, form=lambda scores: scores, classes=4):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(channels, 6, 3, 2, 1)
        self.act = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(6, 8, 3, 2, 1)
        self.norm = nn.LayerNorm(8)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, classes)
        self.idle = nn.Conv2d(3, 3, 1)
        self.form = form

    def forward(self, x):
        maps = self.second(self.act(self.first(x)))
        return self.form(self.fc(self.pool(maps).view(x.shape[0], -1)))


def create(): return Net()
def gray(): return Net(channels=1)
def named(): return Net(form=lambda scores: {"hidden": scores * 0, "logits": scores})
def unnamed(): return Net(form=lambda scores: {"out": scores})
def pair(): return Net(form=lambda scores: (torch.zeros(len(scores), 9), scores))
def twice(): return Net(form=lambda scores: (scores, scores))
def text(): return Net(form=lambda scores: "happy")
def nan(): return Net(form=lambda scores: scores * float("nan"))
def shares(): return Net(form=lambda scores: scores.softmax(1))
def high(): return Net(form=lambda scores: scores[:, :, None, None])
def one(): return Net(form=lambda scores: scores.mean(0, keepdim=True))
def fails(): raise RuntimeError("no file\\nof weights")
def asks(path): return Net()
def none(): return None
def empty():
    class Empty(nn.Module):
        def __init__(self):
            super().__init__()
            self.map = nn.AvgPool2d(8)
        def forward(self, x):
            return self.map(x).flatten(1)[:, :4]
    return Empty()
def tied():
    net = Net()
    net.idle.weight = nn.Parameter(torch.ones(3, 3, 1, 1))
    net.other = nn.Conv2d(3, 3, 1)
    net.other.weight = net.idle.weight
    return net
number = 3
"""


@pytest.fixture(scope="module", autouse=True)
def nets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Somebody's modules, beside the params file."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "their_nets.py").write_text(NETS)
    (folder / "their_broken.py").write_text("import no_such_package\n")
    before = list(sys.path)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder
    sys.path[:] = before
    for name in ("their_nets", "their_broken"):
        sys.modules.pop(name, None)


def config(factory: str = "create", **changes: Any) -> dict[str, Any]:
    """A model's entry of params.yaml."""
    name = factory if ":" in factory or "." in factory else f"their_nets:{factory}"
    usual = {
        "backbone": "external",
        "factory": name,
        "layers": ["first", "second"],
        "input": {"size": 32, "mean": 0.5, "std": [0.5, 0.25, 0.125]},
        "classes": {"angry": "anger", "other": None, "calm": "neutral", "joy": "happiness"},
    }
    return {**usual, **changes}


def model(factory: str = "create", **changes: Any) -> FerModel:
    return create_model(config(factory, **changes), CLASSES).eval()


def images(channels: int = 3) -> Tensor:
    return torch.randn(2, channels, 32, 32, generator=torch.Generator().manual_seed(1))


def test_scores_are_those_of_the_network_in_our_order_and_layers_are_what_its_modules_gave() -> None:
    ours, x = model(), images()
    theirs: Any = ours.backbone.network
    out = ours(x)
    assert torch.equal(out.logits, theirs(x)[:, [2, 3, 0]])
    assert ours.layers == ("1", "2")
    assert torch.equal(out.features["1"], theirs.first(x))  # before the ReLU that works in place
    assert out.attention is None
    assert torch.equal(out.final, out.features["2"])


@pytest.mark.parametrize("factory", ["named", "unnamed", "pair"])
def test_scores_are_found_in_what_networks_give(factory: str) -> None:
    assert torch.equal(model(factory)(images()).logits, model()(images()).logits)


def test_probabilities_are_those_of_the_network_with_what_is_left_out_given_to_the_others() -> None:
    ours, x = model("shares", scores="probabilities"), images()
    theirs: Any = ours.backbone.network
    shares = theirs(x)[:, [2, 3, 0]]
    torch.testing.assert_close(ours(x).logits.softmax(1), shares / shares.sum(1, keepdim=True))


def test_numbers_name_outputs_in_any_order() -> None:
    numbered = model(classes={3: "happiness", 0: "anger", 1: None, 2: "neutral"})
    assert torch.equal(numbered(images()).logits, model()(images()).logits)


def test_channels_are_brought_into_the_order_of_the_network() -> None:
    bgr = model(input={"size": 32, "channels": "bgr", "mean": 0.5, "std": 0.5})
    assert torch.equal(bgr(images()).logits, model()(images().flip(1)).logits)
    gray = model("gray", input={"size": 32, "channels": "gray", "mean": 0.5, "std": 0.5})
    assert gray(images(1)).logits.shape == (2, 3)


@pytest.mark.parametrize("cam", ["gradcam", "gradcam++", "xgradcam", "hirescam", "layercam"])
def test_cams_are_those_of_the_formulas_on_the_network_itself(cam: str) -> None:
    ours, x = model(), images()
    theirs: Any = ours.backbone.network
    last = compute_cam(cam, ours, x, "anger", normalize=False)
    assert torch.equal(last, compute_cam(cam, ours, x, "anger", 2, normalize=False))
    if cam == "gradcam":  # pooling and a linear layer: the CAM of Zhou et al., rectified
        maps = theirs.second(theirs.act(theirs.first(x)))
        expected = torch.einsum("c,nchw->nhw", theirs.fc.weight[0], maps).relu() / maps[0, 0].numel()
        torch.testing.assert_close(last, expected.detach())
    assert compute_cam(cam, ours, x, "anger", 1).shape == (2, 16, 16)
    assert all(parameter.grad is None for parameter in ours.parameters())


def test_pixels_explain_a_network_too_and_what_needs_its_insides_is_refused() -> None:
    assert compute_cam("integrated_gradients", model(), images(), 0).shape == (2, 32, 32)
    for cam, words in {"native": "no class map", "rollout": "attention matrices", "prm_peak": "head 'prm'"}.items():
        with pytest.raises(MissingCamError, match=words):
            compute_cam(cam, model(), images(), 0)


def test_tokens_and_networks_of_channels_last_have_maps() -> None:
    import timm

    sys.modules["their_timm"] = made = type(sys)("their_timm")
    made.vit = lambda: timm.create_model("test_vit", num_classes=4, img_size=32)  # type: ignore[attr-defined]
    try:
        tokens = model("their_timm:vit", layers=["blocks.0", "blocks.1"])
        assert tokens(images()).final.shape == (2, 64, 2, 2)
        assert compute_cam("gradcam", tokens, images(), 0).shape == (2, 2, 2)
    finally:
        del sys.modules["their_timm"]


def test_view_works_although_others_keep_channels_last() -> None:
    ours = model().to(memory_format=torch.channels_last)
    assert torch.equal(ours(images().to(memory_format=torch.channels_last)).logits, model()(images()).logits)


def test_a_network_without_parameters_has_a_device() -> None:
    assert model("empty", layers=["map"])(images()).logits.shape == (2, 3)


INPUT = {"size": 32, "mean": 0.5, "std": 0.5}
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no module": ({"factory": "no_such_nets:create"}, r"model\.factory: 'no_such_nets' can't be imported"),
    "broken module": ({"factory": "their_broken:create"}, r"model\.factory: .*No module named 'no_such_package'"),
    "no function": ({"factory": "creat"}, r"model\.factory: 'their_nets' has no function 'creat'; did you mean create"),
    "no callable": ({"factory": "number"}, r"model\.factory: 'their_nets:number' is no function"),
    "raises": ({"factory": "fails"}, r"model\.factory: 'their_nets:fails'.*RuntimeError: no file of weights"),
    "arguments": ({"factory": "asks"}, r"model\.factory: .*called without arguments.*missing 1 required"),
    "no network": ({"factory": "none"}, r"model\.factory: .*should give a torch.nn.Module, got None"),
    "another file": ({"factory": "net.pth"}, r"factory: of files, .onnx and .pt2 can be read"),
    "no such layer": ({"layers": ["first", "secnd"]}, r"model\.layers\[1\]: .*'secnd'; did you mean second"),
    "layer norm": ({"layers": ["first", "norm"]}, r"model\.layers\[1\]: 'norm' is a LayerNorm"),
    "no map": ({"layers": ["first", "fc"]}, r"model\.layers: 'fc' gave .*neither a map nor tokens"),
    "one cell": ({"layers": ["first", "pool"]}, r"model\.layers: 'pool' gave a map of one cell"),
    "idle layer": ({"layers": ["first", "idle"]}, r"model\.layers: 'idle' did not run"),
    "layers' order": ({"layers": ["second", "first"]}, r"model\.layers: they run in the order first, second"),
    "gray network": ({"factory": "gray"}, r"model\.factory: its network failed with pictures of \(2, 3, 32, 32\)"),
    "too few classes": ({"classes": {"a": "anger", "c": "neutral", "j": "happiness"}}, r"model\.classes: they are 3"),
    "scores twice": ({"factory": "twice"}, r"model\.classes: .*it gave 0 \(2, 4\), 1 \(2, 4\)"),
    "no tensor": ({"factory": "text"}, r"model\.classes: .*it gave a value of type str"),
    "four axes": ({"factory": "high"}, r"model\.classes: .*it gave \(2, 4, 1, 1\)"),
    "one row": ({"factory": "one"}, r"model\.classes: .*it gave \(1, 4\)"),
    "NaN": ({"factory": "nan"}, r"model\.factory: its network's scores are NaN"),
    "probabilities": ({"factory": "shares"}, r"model\.scores: .*write `scores: probabilities`"),
    "logits": ({"scores": "probabilities"}, r"model\.scores: .*write `scores: logits`"),
    "size": ({"input": {**INPUT, "size": 8}}, r"input\.size: should be greater than or equal to 16"),
    "mean": ({"input": {**INPUT, "mean": 127.5}}, r"input\.mean\.0: should be from 0 to 1, as pixels are"),
    "std": ({"input": {**INPUT, "std": [0.5, 0.5, 0]}}, r"input\.std\.2: should be from 0.001 to 1"),
    "two means": ({"input": {**INPUT, "mean": [0.5, 0.5]}}, r"input\.mean: should be one number, or three"),
    "doubled class": ({"classes": {"a": "anger", "b": "angry", "c": "neutral", "d": None}}, "anger is meant by two"),
    "unknown class": ({"classes": {"a": "anger", "b": "hapiness", "c": None, "d": None}}, "did you mean happiness"),
    "no classes": ({"classes": {}}, r"classes: backbone external needs it"),
    "numbers": ({"classes": {0: "anger", 1: "neutral", 2: "happiness", 4: None}}, "should be 0 to 3"),
    "a head": ({"head": "gap"}, r"head: has no effect"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_one_line_that_names_the_key(fault: str) -> None:
    changes, words = FAULTS[fault]
    with pytest.raises(ConfigError, match=words) as caught:
        model(**changes)
    assert "\n" not in str(caught.value)


def test_other_classes_than_the_configuration_means_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.classes: they mean neutral, happiness, anger, not neutral, anger"):
        create_model(config(), ["neutral", "anger"])


def test_a_folder_runs_no_code_that_its_reader_does_not_name(tmp_path: Path) -> None:
    saved = model("tied")
    save_model(tmp_path, saved, {})
    their_nets = sys.modules.pop("their_nets")
    for trust in (None, "their_nets:create", "other:tied"):
        with pytest.raises(DataError, match=r"config\.json: the network is made by code, of 'their_nets:tied'"):
            load_model(tmp_path, trust=trust)
    assert "their_nets" not in sys.modules
    loaded, _ = load_model(tmp_path, trust="their_nets:tied")
    assert torch.equal(loaded(images()).logits, saved(images()).logits)
    sys.modules["their_nets"] = their_nets


def test_weights_of_the_folder_count_not_those_that_the_factory_gives_later(tmp_path: Path, nets: Path) -> None:
    saved = model()
    with torch.no_grad():
        for parameter in saved.parameters():
            parameter.mul_(2)
    save_model(tmp_path, saved, {})
    loaded, _ = load_model(tmp_path, trust="their_nets:create")
    assert torch.equal(loaded(images()).logits, saved(images()).logits)


def test_a_model_of_the_project_has_no_code_to_trust(tmp_path: Path) -> None:
    save_model(tmp_path, create_model({"backbone": "test_resnet"}, CLASSES, seed=0), {})
    with pytest.raises(FerAuError, match="nothing to trust"):
        load_model(tmp_path, trust="their_nets:create")


def test_state_that_is_no_tensor_is_refused(tmp_path: Path) -> None:
    saved = model()
    saved.backbone.network.register_buffer("late", None)
    type(saved.backbone.network).get_extra_state = lambda self: "text"  # type: ignore[assignment]
    try:
        with pytest.raises(DataError, match="_extra_state' is no tensor"):
            save_model(tmp_path, saved, {})
    finally:
        del type(saved.backbone.network).get_extra_state
