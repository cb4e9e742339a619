from __future__ import annotations

from pathlib import Path

import pytest

from fer_au.config.data import AlignConfig, DatasetConfig, HeatmapsConfig
from fer_au.config.experiments import EvaluateConfig, load_experiment
from fer_au.config.reading import load_entry, load_section
from fer_au.errors import ConfigError

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


def test_an_experiment_overrides_training_key_by_key(params: Path) -> None:
    experiment, train = load_experiment("au", params)
    assert experiment.guidance[0].layers == ("5", "last")
    assert (train.epochs, train.optimizer.lr, train.optimizer.momentum) == (3, 0.1, 0.5)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("align: {size", "align: {sise", r"align\.sise: unknown key; did you mean size\?"),
        ("size: 128", "size: big", r"align\.size: input should be a valid integer.*, got 'big'"),
        ("size: 128", "size: 8", r"align\.size: .*greater than or equal to 32, got 8"),
        ("align:", "aling:", r"unknown key 'aling'; did you mean align"),
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
