"""Grids over the keys of a preset's experiments."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fer_au.errors import ConfigError
from fer_au.presets import expand, load_preset
from fer_au.presets.grid import parse_grid
from tests.presets.small import small as small


def test_a_grid_multiplies_all_experiments_and_what_refers_to_them(small: Path) -> None:
    grid = parse_grid(["train.optimizer.lr=0.1,1e-3", "model.backbone=resnet18,resnet34"])
    expansion = expand("small", load_preset(small), grid)
    assert len(expansion.experiments) == 6 * 4
    child = expansion.experiments["child-au-lr-0p001-backbone-resnet34"]
    assert child["train"] == {"optimizer": {"lr": 0.001}}
    assert child["model"] == {"backbone": "resnet34", "head": "gap", "output_stride": 16}
    assert child["base"] == "net-au-lr-0p001-backbone-resnet34"
    assert {one["experiment"] for one in expansion.cross.values()} == {
        name for name in expansion.experiments if name.startswith("net-au")
    }
    # The published number belongs to the one experiment that has the preset's own settings.
    assert expansion.places["net-au"] == "net-au-lr-0p1-backbone-resnet18"
    assert expansion.places["big-au"] is None


def test_a_grid_over_guidance_leaves_experiments_without_it_alone(small: Path) -> None:
    expansion = expand("small", load_preset(small), parse_grid(["guidance.0.weight=1,4.0"]))
    assert list(expansion.experiments)[:3] == ["net-vanilla", "net-au-weight-1", "net-au-weight-4p0"]
    assert "big-vanilla" in expansion.experiments


def test_what_starts_from_a_multiplied_experiment_is_multiplied_with_it(small: Path) -> None:
    expansion = expand("small", load_preset(small), parse_grid(["guidance.0.weight=1,4.0"]))
    assert expansion.experiments["child-vanilla-weight-1"]["base"] == "net-au-weight-1"
    assert expansion.experiments["child-vanilla-weight-1"]["guidance"] == []


def test_seeds_are_repeats_of_one_group_in_any_order_of_the_options(small: Path) -> None:
    preset = load_preset(small)
    for options in (["seed=1,2", "train.epochs=3,4"], ["train.epochs=3,4", "seed=1,2"]):
        expansion = expand("small", preset, parse_grid(options))
        entry = expansion.experiments["net-au-epochs-3-seed-2"]
        assert (entry["group"], entry["seed"]) == ("net-au-epochs-3", 2)
        assert expansion.places["net-au"] == "net-au-epochs-3"


def test_values_of_a_grid_are_yaml() -> None:
    grid = parse_grid(["a=1,2.5,1e-3", "b=[1, 2],[3]", "c={x: 1, y: 2},null", "d=true,on-top"])
    assert grid == {"a": [1, 2.5, 0.001], "b": [[1, 2], [3]], "c": [{"x": 1, "y": 2}, None], "d": [True, "on-top"]}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("train.optimizer.lr", "--grid train.optimizer.lr: expected KEY=V1,V2,..."),
        ("=1,2", "--grid =1,2: expected KEY=V1,V2,..."),
        ("train..epochs=1", "--grid train..epochs=1: expected KEY=V1,V2,..."),
        ("train.epochs=", "--grid train.epochs=: expected KEY=V1,V2,..., and the value is empty; write null for none"),
        ("train.epochs=1,,2", "--grid train.epochs=1,,2: a value is empty; write null for none"),
        ("train.epochs=1,", "--grid train.epochs=1,: a value is empty; write null for none"),
        ("train.epochs=,1", "--grid train.epochs=,1: a value is empty; write null for none"),
        ("train.epochs=[1", "--grid train.epochs=[1: not valid YAML: "),
        ("train.epochs=3,4,3", "--grid train.epochs: 3 is given twice; leave one of them out"),
        ("train.epochs=3,'3'", "--grid train.epochs: 3 and '3' would share a name; leave one of them out"),
        ("epochs=1", "--grid epochs: unknown key; did you mean train.epochs or train.freeze.0.epochs?"),
        ("lr=1,2", "--grid lr: unknown key; did you mean train.optimizer.lr?"),
        ("weight=1,2", "--grid weight: unknown key; did you mean guidance.0.weight?"),
        ("bakbone=resnet18", "--grid bakbone: unknown key; did you mean model.backbone"),
        ("train.optimizer.lrate=1,2", "--grid train.optimizer.lrate: unknown key; known: lr, momentum"),
        ("train.momentum=0.9", "--grid train.momentum: unknown key; did you mean optimizer.momentum?"),
        ("modl.backbone=resnet18,x", "--grid modl.backbone: modl: unknown key; did you mean model"),
        ("model.backbone.name=a,b", "--grid model.backbone.name: nothing lies below 'model.backbone'"),
        ("guidance.x.weight=1", "--grid guidance.x.weight: 'x' is no position of a list; the first is guidance.0"),
        ("guidance.0.weigth=1,4", "--grid guidance.0.weigth: unknown key; did you mean weight"),
        ("guidance.3.weight=1,2", "--grid guidance.3.weight: no experiment has such a list entry"),
        ("train.epochs=0,2", "--grid train.epochs: should be greater than 0, got 0"),
        ("train.epochs=many", "--grid train.epochs: should be a whole number, got 'many'"),
        ("seed=first", "--grid seed: should be a whole number, got 'first'"),
        ("train=3", "--grid train: should be a mapping of keys to values or 'none', got 3"),
        ("landmarks.extractor=dlib68", "--grid landmarks.extractor: no key of an experiment; all experiments share "),
    ],
)
def test_a_bad_grid_is_one_line(small: Path, option: str, message: str) -> None:
    pattern = ".*".join(re.escape(part) for part in message.split(".*"))
    with pytest.raises(ConfigError, match=f"^{pattern}") as caught:
        expand("small", load_preset(small), parse_grid([option]))
    assert "\n" not in str(caught.value)
    assert "more)" not in str(caught.value)


def test_a_key_given_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^--grid seed=2: seed is given twice; list all its values in one option$"):
        parse_grid(["seed=1", "seed=2"])


def test_a_single_value_leaves_the_names_as_they_are(small: Path) -> None:
    plain = expand("small", load_preset(small))
    options = ["train.epochs=1", "seed=7", "guidance.0.weight=2.0"]
    expansion = expand("small", load_preset(small), parse_grid(options))
    assert list(expansion.experiments) == list(plain.experiments)
    assert expansion.cross == plain.cross
    assert expansion.experiments["child-au"]["base"] == "net-au"
    for name, entry in expansion.experiments.items():
        assert (entry["seed"], entry["train"], "group" in entry) == (7, {"epochs": 1}, False)
        assert [term["weight"] for term in entry["guidance"]] == ([2.0] if name.endswith("-au") else [])
    assert expansion.places["net-au"] is None  # the published number is about other settings
