"""``fold: all``: an experiment for each fold of the data set, written out by name, since DVC needs names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fer_au.config.entries import load_experiment
from fer_au.errors import ConfigError
from fer_au.presets import expand, load_preset, write_preset
from fer_au.presets.grid import parse_grid
from fer_au.presets.preset import Preset
from tests.datasets.miniatures import ckplus

SMALL: dict[str, Any] = {
    "title": "Small.",
    "source": "Nobody.",
    "datasets": {"faces": {"adapter": "ckplus", "root": "/path", "folds": 4}},
    "align": {}, "landmarks": {}, "heatmaps": {}, "train": {"epochs": 1}, "evaluate": {},
    "defaults": {"dataset": "faces", "model": {"backbone": "resnet18", "head": "gap"}},
    "experiments": {"net": {}},
    "repeats": {"fold": "all"},
}  # fmt: skip


def preset(**changes: object) -> Preset:
    return Preset.model_validate({**SMALL, **changes})


def folds(made: Preset, **grid: list[Any]) -> list[Any]:
    return [entry["fold"] for entry in expand("small", made, grid).experiments.values()]


def test_the_entry_alone_tells_the_folds() -> None:
    assert folds(preset()) == [0, 1, 2, 3]
    made = expand("small", preset()).experiments
    assert list(made) == ["net-fold-0", "net-fold-1", "net-fold-2", "net-fold-3"]
    assert {entry["group"] for entry in made.values()} == {"net"}
    assert folds(preset(repeats={}), fold=["all"]) == [0, 1, 2, 3]
    assert folds(preset(), fold=[1, 2]) == [1, 2]


def test_the_folder_tells_the_folds_where_it_is_here(tmp_path: Path) -> None:
    ckplus.write(tmp_path / "ck")
    here = {"adapter": "ckplus", "root": str(tmp_path / "ck"), "folds": 5}
    assert folds(preset(datasets={"faces": here})) == [0, 1, 2, 3, 4]
    rows = "".join(f"{number}.jpg,happy,{name}\n" for number, name in enumerate(["S2", "10", "9", "S1"]))
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv/labels.csv").write_text(f"image,label,fold\n{rows}")
    table = {"adapter": "csv", "root": str(tmp_path / "csv"), "labels": "labels.csv", "columns": {"fold": "fold"}}
    assert folds(preset(datasets={"faces": table})) == [9, 10, "S1", "S2"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"datasets": {"faces": {"adapter": "folder", "root": "/path"}}},
            "small: repeats.fold: data set 'faces' has no folds, or its folder, which names them, is not here; "
            "list them: fold=0,1,2",
        ),
        ({"datasets": {"faces": {"adapter": "ckplus", "root": "/path", "folds": 0}}}, "has no folds"),
        ({"repeats": {"seed": "all"}}, "small: repeats.seed: 'all' is no list of values; only fold may be 'all'"),
        (
            {
                "datasets": {**SMALL["datasets"], "more": {"adapter": "jaffe", "root": "/path", "folds": 2}},
                "experiments": {"net": {}, "other": {"dataset": "more"}},
            },
            "data sets have other folds (faces has 0, 1, 2, 3; more has 0, 1); list those that all have",
        ),
    ],
)
def test_folds_that_nobody_tells_are_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        expand("small", preset(**changes))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_params_yaml_refuses_all_folds_and_says_how(tmp_path: Path) -> None:
    (path,) = write_preset("lan-kdef", tmp_path / "params.yaml", {"train.epochs": [1]})[:1]
    content = yaml.safe_load(path.read_text())
    assert sorted(entry["fold"] for entry in content["experiments"].values()) == sorted([*range(10)] * 4)
    name = next(iter(content["experiments"]))
    content["experiments"][name]["fold"] = "all"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match=r"fold: all folds are as many experiments, .* --grid fold=all`: docs/pres"):
        load_experiment(name, path)


def test_the_option_takes_the_word() -> None:
    grid = parse_grid(["fold=all"])
    assert len(expand("lan-kdef", load_preset("lan-kdef"), grid).experiments) == 40
