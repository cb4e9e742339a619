"""Whatever is wrong with a value is said in plain words, and no fault waits for another one to be mended."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import torch
from pydantic import BaseModel, create_model

import fer_au
from fer_au.config.experiments import AugmentConfig, EvaluateConfig, ExperimentConfig, GuidanceConfig, TrainConfig
from fer_au.config.model import ModelConfig
from fer_au.config.options import PartOptions
from fer_au.config.reading import StrictModel, examine, salvage
from fer_au.datasets.csv_labels import CsvConfig
from fer_au.training.augment import Augmenter
from fer_au.yaml_files import parse_yaml
from tests.core.test_config import ROOTS, nested, places

_JARGON = re.compile(
    r"\binputs?\b|\bvalid\b|\bstrings?\b|instance|pars(e|ing)|dictionary|\btuple|\bboolean|\binteger|pydantic|<class|"
    r"Value error|fractional|validation|interpret|[a-z]_type|\bNone\b"
)
_VALUES: tuple[object, ...] = (
    *(None, "x", "0,5", "20%", "", "~nobody-here/x", "../x", "(", 3, -1, 0, 10**30, 1.5, -0.5, float("nan"), True),
    *([], ["x"], [1], [1, 2, 3, 4, 5], [None], [{}], [[]], [{"x": 1}], {}, {"x": 1}, {1: None}, {"x": None}),
)


class _Strict(PartOptions):
    """Options of all plain types, which are strict."""

    whole: int = 1
    number: float = 1.0
    text: str = ""
    switch: bool = False
    pair: tuple[int, float] = (1, 1.0)
    more: tuple[int, ...] | None = None
    inner: dict[str, float] | None = None


@pytest.mark.parametrize("root", [*ROOTS, _Strict])
def test_no_line_speaks_of_the_library_that_found_the_fault(root: type[StrictModel]) -> None:
    seen = 0
    for place, model in places(root):
        for name in model.model_fields:
            for value in _VALUES:
                for fault in examine(root, nested((*place, name), value), "at")[1]:
                    words = re.sub(r"(, got .*|did you mean .*|known: .*)$|'[^']*'", "", fault.text)
                    assert not _JARGON.search(words), fault
                    seen += 1
    assert seen


@pytest.mark.parametrize(
    ("model", "data", "line"),
    [
        (ExperimentConfig, {"base": None}, "base: is empty, and DVC needs it; write `base: none`, or an experiment"),
        (ExperimentConfig, {"dataset": None}, "dataset: is empty; give a text"),
        (ExperimentConfig, {"group": 3}, "group: should be a text, got 3; put it in quotes"),
        (
            ExperimentConfig,
            {"guidance": {"cue": "au"}},
            "guidance: should be a list, got {'cue': 'au'}; write `[{cue: au}]`",
        ),
        (ExperimentConfig, {"guidance": "au"}, "guidance: should be a list, got 'au'; write `[{cue: au}]`"),
        (
            ExperimentConfig,
            {"model": "x"},
            "model: should be a mapping of keys to values, got 'x'; write `{backbone: x}`",
        ),
        (
            TrainConfig,
            {"optimizer": "adam"},
            "optimizer: should be a mapping of keys to values, got 'adam'; write `{name: adam}`",
        ),
        (TrainConfig, {"optimizer": "x"}, "optimizer: should be a mapping of keys to values, got 'x'"),
        (TrainConfig, {"freeze": 3}, "freeze: should be a list, got 3; write `[{epochs: 3}]`"),
        (TrainConfig, {"augment": 3}, "augment: should be a mapping of keys to values, got 3"),
        (
            TrainConfig,
            {"optimizer": {"name": "Adam"}},
            "optimizer.name: should be 'sgd', 'adam' or 'adamw', got 'Adam'; did you mean adam?",
        ),
        (EvaluateConfig, {"cams": "native"}, "cams: should be a list, got 'native'; write `[native]`"),
        (TrainConfig, {"epochs": "three"}, "epochs: should be a whole number, got 'three'"),
        (TrainConfig, {"epochs": 2.5}, "epochs: should be a whole number, got 2.5"),
        (TrainConfig, {"epochs": None}, "epochs: is empty; give a whole number, or delete the key"),
        (
            TrainConfig,
            {"optimizer": {"lr": "0,001"}},
            "optimizer.lr: should be a number, got '0,001'; the decimal sign is a point: 0.001",
        ),
        (
            TrainConfig,
            {"optimizer": {"lr": 0.1, 1: None}},  # what YAML makes of {lr: 0.1, 001}
            "optimizer.1: a key should be a text, not 1; decimals are written with a point, as 0.5",
        ),
        (TrainConfig, {"augment": {"scale": 3}}, "augment.scale: should be a list of two numbers, got 3"),
        (TrainConfig, {"augment": {"scale": [1]}}, "augment.scale: should be a list of two numbers, got [1]"),
        (
            TrainConfig,
            {"augment": {"scale": [1, 2, 3]}},
            "augment.scale: should be a list of two numbers, got [1, 2, 3]",
        ),
        (CsvConfig, {"test_fraction": "20%"}, "test_fraction: should be a number, got '20%'; write it as 0.2"),
        (CsvConfig, {"columns": {"box": ["a"]}}, "columns.box: should be a list of four values, got ['a']"),
        (CsvConfig, {"columns": {"image": None}}, "columns.image: is empty; give a text, or delete the key"),
    ],
)
def test_frequent_slips_have_a_clear_line(model: type[StrictModel], data: dict[str, Any], line: str) -> None:
    lines = [str(fault) for fault in examine(model, data, "")[1]]
    assert [one for one in lines if not one.endswith("required key is missing")] == [line]


def _optional_keys() -> list[tuple[type[StrictModel], str]]:
    """Keys for which null means none, and false isn't allowed."""
    models = (TrainConfig, ModelConfig, GuidanceConfig, ExperimentConfig, EvaluateConfig)
    kinds = [(model, name, repr(field)) for model in models for name, field in model.model_fields.items()]
    return [(model, name) for model, name, kind in kinds if "NoneType" in kind and "str" not in kind]


def test_some_keys_may_be_null() -> None:
    names = {name for _, name in _optional_keys()}
    assert names >= {"early_stopping", "clip_grad", "ema", "end_epoch", "output_stride"}


@pytest.mark.parametrize("word", [False, "no", "off", "never", "None"])
@pytest.mark.parametrize(("model", "name"), _optional_keys())
def test_a_word_for_nothing_is_answered_with_null(model: type[StrictModel], name: str, word: object) -> None:
    faults = [fault for fault in examine(model, {name: word}, "")[1] if fault.key == name]
    if faults:  # false is 0, which a few of them take
        assert faults[0].text.endswith(f", got {word!r}; write `null` for none")
    else:
        assert word is False


@pytest.mark.parametrize("word", [False, "no", "off", "none"])
def test_augmentation_is_switched_off_key_by_key(word: object) -> None:
    (fault,) = examine(TrainConfig, {"augment": word}, "train")[1]
    assert fault.key == "train.augment"
    written = re.search(r"write `(\{.*\})` for none$", fault.text)
    assert written
    config = AugmentConfig(**parse_yaml(written[1], "the line"))
    assert config == AugmentConfig(**AugmentConfig.OFF)
    generator = torch.Generator().manual_seed(0)
    images, maps = (torch.rand(4, *shape, generator=generator) for shape in ((3, 16, 16), (16, 16)))
    augmenter = Augmenter(config)
    changed, (moved,) = augmenter(images, [maps], augmenter.draw(4, generator))
    assert torch.allclose(changed, images, atol=1e-4)
    assert torch.allclose(moved, maps, atol=1e-4)


def _all_models() -> Iterator[type[BaseModel]]:
    for module in pkgutil.walk_packages(fer_au.__path__, "fer_au."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    waiting: list[type[BaseModel]] = [StrictModel]
    while waiting:
        found = [model for model in waiting.pop().__subclasses__() if model.__module__.startswith("fer_au.")]
        waiting += found
        yield from found


def test_rules_between_keys_wait_for_no_other_key() -> None:
    """A rule of the whole model runs only once every key is right; a rule of the last of its keys doesn't wait."""
    models = list(_all_models())
    assert len(models) > 30
    assert [model for model in models if model.__pydantic_decorators__.model_validators] == []


@pytest.mark.parametrize(
    ("model", "data", "keys"),
    [
        (TrainConfig, {"augment": {"mixup": 0.7, "cutmix": 0.7, "flip": 2}}, ["augment.flip", "augment.cutmix"]),
        (CsvConfig, {"points": {"offset": 7}}, ["points.offset", "points.file"]),
        (CsvConfig, {"points": {"offset": 7, "column": "a", "file": "x.csv"}}, ["points.offset", "points.file"]),
        (CsvConfig, {"points": {"column": -1}}, ["points.column"]),  # it may be the one that is needed
    ],
)
def test_a_rule_between_keys_is_told_beside_other_faults(
    model: type[StrictModel], data: dict[str, Any], keys: list[str]
) -> None:
    found = [fault.key for fault in examine(model, data, "")[1] if fault.text != "required key is missing"]
    assert sorted(found) == sorted(keys)


def test_a_wrong_key_takes_nothing_beside_it_along() -> None:
    data = {
        "dataset": 3,
        "seeed": 1,
        "model": {"backbone": "x", "in_chans": 7, "weights": "w.pth"},
        "guidance": [{"cue": "au", "weight": -1, "layers": [3]}, {"cues": "x", "loss": "kl"}],
        "train": {"epochs": 2},
    }
    assert salvage(ExperimentConfig, data) is None
    built = salvage(ExperimentConfig, data, {"dataset": ""})
    assert built is not None
    assert (built.dataset, built.model.weights, built.model.in_chans) == ("", "w.pth", 3)
    assert [(term.cue, term.loss, term.layers, term.weight) for term in built.guidance] == [
        ("au", "cosine", ("3",), 1.0),
        ("au", "kl", ("last",), 1.0),
    ]
    stand_in = salvage(ExperimentConfig, {"model": "x"}, {"dataset": "", "model": {"backbone": ""}})
    assert stand_in is not None
    assert stand_in.model.backbone == ""
    nothing = create_model("Nothing", __base__=StrictModel)
    assert salvage(nothing, {"x": 1}) is not None
