"""Models that were made elsewhere: what params.yaml may say of one, without running its code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fer_au.code.stages import stamp, work_code
from fer_au.config.entries import build_experiment
from tests.checks.conftest import GOOD, Check, changed

NETS = "import their_parts\nraise SystemExit('a check runs no code')\n"
MODEL: dict[str, Any] = {
    "backbone": "external",
    "factory": "their_nets:create",
    "layers": ["layer3", "layer4"],
    "input": {"size": 48, "mean": 0.5, "std": 0.5},
    "classes": {"a": "anger", "b": "happy", "c": None},
}
ENTRY = {"dataset": "mine", "base": "none", "train": "none", "model": MODEL}
FAR = "experiments.far"


@pytest.fixture(autouse=True)
def nets(project: Path) -> None:
    (project / "their_nets.py").write_text(NETS)
    (project / "their_parts.py").write_text("SIZE = 3\n")


def far(**changes: Any) -> dict[str, Any]:
    """The good file's changes: no CAM that needs a head of the project, and a model from elsewhere."""
    entry = {key: value for key, value in changed(ENTRY, changes).items() if value is not None}
    return {"evaluate.cams": ["gradcam", "layercam@2"], FAR: entry}


def test_a_model_from_elsewhere_is_right_and_its_code_does_not_run(check: Check) -> None:
    assert check(far()) == []
    assert check(far()) == []  # remembered


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"model.factory": "no_such_nets:create"}, f"{FAR}.model.factory: there is no module 'no_such_nets'"),
        ({"model.factory": "net.pth"}, f"{FAR}.model.factory: of files, .onnx and .pt2 can be read"),
        ({"model.factory": "net.pt2"}, f"{FAR}.model.factory: net.pt2: can't be read (No such file or directory)"),
        ({"model.factory": "net.onnx"}, f"{FAR}.model.factory: net.onnx: can't be read (No such file or directory)"),
        ({"model.factory": "/tmp/net:create"}, f"{FAR}.model.factory: should be package.module:function"),
        ({"model.layers": []}, f"{FAR}.model.layers: backbone external needs it"),
        ({"model.classes": {"a": "anger"}}, f"{FAR}.model.classes: should name at least two expressions"),
        ({"model.input.mean": 127.5}, f"{FAR}.model.input.mean.0: should be from 0 to 1"),
        (
            {"model.input.template": "arcface"},
            f"{FAR}.model.input.template: the crops of 'mine' have align.template 'l",
        ),
        ({"model.head": "gap"}, f"{FAR}.model.head: has no effect: an external backbone is a whole network"),
        ({"seed": 3}, f"{FAR}.seed: has no effect: nothing is trained"),
        ({"train": {"epochs": 3}, "model.factory": "net.onnx"}, f"{FAR}.train: an ONNX file has no gradients"),
        ({"train": {"image_size": 48}}, f"{FAR}.train.image_size: has no effect: model.input.size says it"),
        ({"train": {}, "target": "subject"}, f"{FAR}.target: an external model keeps its own classes"),
        ({"train": {}, "base": "plain"}, f"{FAR}.base: experiment 'plain' has backbone 'test_resnet', this one 'ext"),
        ({"train": {}, "guidance": [{"layers": [3]}]}, f"{FAR}.guidance.0.layers: unknown feature layer '3'"),
        ({"train": {}, "guidance": [{"source": "cam"}]}, f"{FAR}.guidance.0.source: an external model has no map"),
        ({"train": {"freeze": [{"epochs": 1, "layers": 2}]}}, f"{FAR}.train.freeze: layers: has no effect"),
        ({"base": "plain"}, f"{FAR}.base: nothing is trained, from no start"),
        ({"guidance": [{"cue": "au"}]}, f"{FAR}.guidance: nothing is trained"),
        ({"target": "subject"}, f"{FAR}.target: nothing is trained"),
        ({"model": {"backbone": "test_resnet"}}, f"{FAR}.train: 'none' is for backbone 'external' alone"),
    ],
)
def test_what_is_wrong_is_one_line(check: Check, changes: dict[str, Any], line: str) -> None:
    lines = [one for one in check(far(**changes)) if "the model is a file" not in one]  # its CAMs are another matter
    assert [one for one in lines if one.startswith(line)], lines
    assert len(lines) == 1 or {"base", "target", "model.factory"} & set(changes)  # of which more is wrong


def test_cams_that_need_insides_are_refused_or_skipped(check: Check) -> None:
    lines = check({**far(), "evaluate.cams": ["native", "gradcam"]})
    assert lines[0].startswith("evaluate.cams: native: an external model has no class map of its own")
    assert "(far); or write `evaluate.on_missing_cam: skip`" in lines[0]
    assert check({**far(), "evaluate.cams": ["native", "gradcam"], "evaluate.on_missing_cam": "skip"}) == []
    assert check({**far(), "evaluate.attention_layers": ["3"]})[0].startswith("evaluate.attention_layers: unknown")


def test_a_file_is_looked_for_and_has_no_gradients(check: Check, project: Path) -> None:
    (project / "net.onnx").write_bytes(b"bytes that no check opens")
    file = far(**{"model.factory": "net.onnx"})
    assert check({**file, "evaluate.cams": ["occlusion"]}) == []
    assert check(file)[0].startswith("evaluate.cams: gradcam: the model is a file, which has no gradients")
    (project / "net.onnx").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n")
    (line,) = check({**file, "evaluate.cams": ["occlusion"]})
    assert line == f"{FAR}.model.factory: net.onnx: is a pointer of Git LFS; `git lfs pull` fetches the file itself"


def test_another_experiment_can_not_start_from_it(check: Check) -> None:
    lines = check({**far(), "experiments.plain.base": "far"})
    assert lines == ["experiments.plain.base: experiment 'far' has backbone 'external', this one 'test_resnet'"]


def test_other_crops_of_a_cross_are_a_fault(check: Check) -> None:
    template = {"model.input.template": "loose"}
    other = {"adapter": "folder", "root": "faces", "test_fraction": 0.2, "align": {"template": "tight"}}
    cross = {"datasets.other": other, "cross.there": {"experiment": "far", "dataset": "other"}}
    assert any(
        line.startswith("cross.there.dataset: the crops of 'other' have align.template 'tight'")
        for line in check({**far(**template), **cross})
    )


def test_the_stamp_knows_the_code_behind_the_factory_and_the_order_of_classes(project: Path) -> None:
    (project / "dvc.yaml").write_text((Path(__file__).parents[2] / "dvc.yaml").read_text())
    (project / "stages").symlink_to(Path(__file__).parents[2] / "stages")

    def stamps(**changes: Any) -> tuple[Any, Any, Any]:
        params = changed(GOOD, far(**changes))
        (project / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        found: Any = stamp(params, project / "params.yaml")
        model = changed(ENTRY, changes)["model"]
        return found["train"]["far"], found["evaluate"]["far"], work_code("evaluate", {"model": model}, params)

    before = stamps()
    assert stamps() == before
    seen = [before, stamps(**{"model.classes": {"b": "happy", "a": "anger", "c": None}})]
    (project / "their_nets.py").write_text(f"# words\n{NETS}")
    assert stamps() == before
    (project / "their_parts.py").write_text("SIZE = 4\n")
    seen.append(stamps())
    (project / "their_nets.py").write_text(f"{NETS}SIZE = 2\n")
    seen.append(stamps())
    for content in (b"one", b"other"):
        (project / "net.onnx").write_bytes(content)
        seen.append(stamps(**{"model.factory": "net.onnx"}))
    assert all(len(set(column)) == len(seen) for column in zip(*seen, strict=True))


def test_its_settings_of_training_are_its_size_alone(project: Path) -> None:
    params = changed(GOOD, {**far(), "train.epochs": 7, "train.image_size": 96})
    _, train = build_experiment(params, "far", project / "params.yaml")
    assert train.model_fields_set == {"image_size"}
    assert train.image_size == 48
