from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from fer_au.config.data import AlignConfig, DatasetConfig, DemoConfig, HeatmapsConfig, LandmarksConfig
from fer_au.config.entries import load_experiment
from fer_au.config.experiments import AugmentConfig, CrossConfig, EvaluateConfig, ExperimentConfig, TrainConfig
from fer_au.config.options import PartOptions
from fer_au.config.published import Published
from fer_au.config.reading import StrictModel, load_entry, load_section, name_fault, validate
from fer_au.cues import codebook
from fer_au.datasets.base import ADAPTERS
from fer_au.errors import ConfigError
from fer_au.presets.preset import Preset

GOOD = """
datasets: {demo: {adapter: demo, root: data/demo/raw}}
align: {size: 128}
train: {epochs: 3, optimizer: {lr: 0.1}}
experiments:
  vanilla: {dataset: demo, model: {backbone: resnet10t}}
  au:
    dataset: demo
    base: vanilla
    model: {backbone: resnet10t}
    guidance: [{cue: au, layers: [5, last], weight: 4}]
    train: {optimizer: {momentum: 0.5}}
"""


@pytest.fixture
def params(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(GOOD)
    return path


def test_the_projects_own_params_are_valid() -> None:
    path = Path(__file__).parents[2] / "params.yaml"
    load_section("align", AlignConfig, path)
    load_section("heatmaps", HeatmapsConfig, path)
    load_section("evaluate", EvaluateConfig, path)
    for name in ("vanilla", "au"):
        load_experiment(name, path)


def test_missing_sections_and_keys_take_defaults(params: Path) -> None:
    assert load_section("align", AlignConfig, params).size == 128
    assert load_section("heatmaps", HeatmapsConfig, params) == HeatmapsConfig()
    assert load_entry("datasets", "demo", DatasetConfig, params).valid_fraction == 0.1


@pytest.mark.parametrize(("name", "fault"), [("x" * 150, ""), ("x" * 151, "at most 150"), ("my set", "such as my-set")])
def test_names_have_a_rule_and_a_longest_length(name: str, fault: str) -> None:
    assert fault in name_fault(name)
    assert bool(name_fault(name)) == bool(fault)


@pytest.mark.parametrize(
    ("root", "place"), [("~/faces", "/home/me/faces"), ("'~'", "/home/me"), ("~root/faces", "/root/faces")]
)
def test_a_root_may_lie_in_the_home_folder(
    params: Path, root: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    params.write_text(GOOD.replace("data/demo/raw", root))
    assert load_entry("datasets", "demo", DatasetConfig, params).root == Path(place)


def test_an_experiment_overrides_training_key_by_key(params: Path) -> None:
    experiment, train = load_experiment("au", params)
    assert experiment.guidance[0].layers == ("5", "last")
    assert (train.epochs, train.optimizer.lr, train.optimizer.momentum) == (3, 0.1, 0.5)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("align: {size", "align: {sise", r"align\.sise: unknown key; did you mean size\?"),
        ("size: 128", "size: big", r"align\.size: should be a whole number, got 'big'"),
        ("size: 128", "size: 8", r"align\.size: .*greater than or equal to 32, got 8"),
        ("align:", "aling:", r"aling: unknown key; did you mean align"),
    ],
)
def test_a_fault_in_a_section_names_file_and_key(params: Path, old: str, new: str, message: str) -> None:
    params.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError, match=r"params\.yaml: " + message):
        load_section("align", AlignConfig, params)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dataset: demo\n", "dataset: dmeo\n", r"experiments\.au\.dataset: no data set 'dmeo'; did you mean demo\?"),
        ("base: vanilla", "base: vanila", r"experiments\.au\.base: no experiment 'vanila'; did you mean vanilla\?"),
        ("weight: 4", "weight: -1", r"experiments\.au\.guidance\.0\.weight: .*greater than or equal to 0, got -1"),
        ("momentum: 0.5", "momentun: 0.5", r"experiments\.au\.train\.optimizer\.momentun: unknown key; .*momentum"),
        ("lr: 0.1", "lr: 0", r"train\.optimizer\.lr: .*greater than 0"),
        ("    model: {backbone: resnet10t}\n", "", r"experiments\.au\.model: required key is missing"),
        ("layers: [5, last]", "layers: []", r"experiments\.au\.guidance\.0\.layers: at least one layer is needed"),
        ("base: vanilla", "seed: 99999999999999999999999", r"experiments\.au\.seed: should be less than 92233"),
        ("  au:", "  Au.1:", r"experiments\.Au\.1: a name must match"),
    ],
)
def test_a_fault_in_an_experiment_names_file_and_key(params: Path, old: str, new: str, message: str) -> None:
    params.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError, match=r"params\.yaml: " + message):
        load_experiment("au", params)


@pytest.mark.parametrize(
    ("text", "message"), [("a: [", "not valid YAML"), ("- 1", "must hold a mapping"), (None, "no such")]
)
def test_an_unreadable_file_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "params.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=rf"params\.yaml: {message}"):
        load_section("align", AlignConfig, path)


def test_an_unknown_entry_lists_near_ones(params: Path) -> None:
    with pytest.raises(ConfigError, match=r"experiments has no 'vanille'; did you mean vanilla\?"):
        load_experiment("vanille", params)


def test_an_unknown_entry_among_none_says_so(params: Path) -> None:
    params.write_text("datasets: {}\n")
    with pytest.raises(ConfigError, match=r"datasets has no 'demo'; there are none$"):
        load_entry("datasets", "demo", DatasetConfig, params)


ROOTS = [
    *(ADAPTERS.get(name).Config for name in ADAPTERS.built_in),
    *(AlignConfig, LandmarksConfig, HeatmapsConfig, TrainConfig, EvaluateConfig, ExperimentConfig, CrossConfig),
    *(Preset, Published, DemoConfig, codebook._File),
]


def test_every_configuration_is_among_the_roots_or_inside_of_one() -> None:
    inside = {model for root in ROOTS for _, model in places(root)}
    waiting: list[type[StrictModel]] = [StrictModel]
    while waiting:
        for model in waiting.pop().__subclasses__():
            waiting.append(model)
            if model.__module__.startswith("fer_au.") and "benchmark" not in model.__module__:  # a file that is made
                # Options of parts are held to the same by the contract tests of their kinds.
                assert model in inside or model.__subclasses__() or issubclass(model, PartOptions), model


def places(kind: Any) -> Iterator[tuple[tuple[str | int, ...], type[BaseModel]]]:
    """Where models lie in a type: keys and positions, and the model."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield (), kind
        for name, field in kind.model_fields.items():
            yield from (((name, *place), model) for place, model in places(field.annotation))
        return
    origin, inner = get_origin(kind), get_args(kind)
    step: tuple[str | int, ...] = (0,) if origin in (tuple, list) else ("any",) if origin is dict else ()
    for one in inner:
        yield from (((*step, *place), model) for place, model in places(one))


def nested(place: tuple[str | int, ...], content: object) -> Any:
    for key in reversed(place):
        content = [content] if isinstance(key, int) else {key: content}
    return content


def _misspelt(name: str) -> Iterator[str]:
    """A letter more, one less, two swapped, another one."""
    middle = len(name) // 2
    yield name + name[-1]
    yield name[:middle] + name[middle + 1 :]
    yield name[: middle - 1] + name[middle] + name[middle - 1] + name[middle + 1 :]
    yield name[:middle] + "j" + name[middle + 1 :]


@pytest.mark.parametrize("root", ROOTS)
def test_every_misspelt_key_is_answered_with_the_right_one(root: type[StrictModel]) -> None:
    for place, model in places(root):
        for name in model.model_fields:
            for wrong in _misspelt(name):
                if wrong in model.model_fields or (len(name) < 3 and sorted(wrong) == sorted(name)):
                    continue  # `rl` has as much of `lr` as any key with either letter
                where = re.escape(".".join(map(str, ("at", *place, wrong))))
                with pytest.raises(ConfigError, match=rf"^file: {where}: unknown key; did you mean .*\b{name}\b"):
                    validate(root, nested(place, {wrong: 1}), "at", "file")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"cams": {"native": 1}}, r"at\.cams: should be a list"),
        ({"attention_layers": 3}, r"at\.attention_layers: should be 'all' or a list, got 3"),
        ({"attention_layers": ["a", {}]}, r"at\.attention_layers\.1: should be a text, got \{\}"),
    ],
)
def test_names_of_alternatives_are_kept_out_of_a_keys_path(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^file: {message}"):
        validate(EvaluateConfig, data, "at", "file")


@pytest.mark.parametrize(
    ("model", "key"), [(EvaluateConfig, "split"), (TrainConfig, "epochs"), (AugmentConfig, "scale")]
)
def test_a_large_value_is_cut_before_it_is_written_out(model: type[StrictModel], key: str) -> None:
    bomb: Any = "x"
    for _ in range(40):
        bomb = [bomb] * 9
    with pytest.raises(ConfigError, match=rf"at\.{key}: .*got \[\[") as caught:
        validate(model, {key: bomb}, "at", "file")
    assert len(str(caught.value)) < 200
