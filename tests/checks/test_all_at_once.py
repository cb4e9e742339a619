"""All that is wrong is said in the first round: a mistake in one place hides none elsewhere, not even in its entry."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fer_au.checks import check_params
from fer_au.config.reading import SECTIONS
from tests.checks.conftest import GOOD, Check, changed

AU, MODEL = "experiments.au", "experiments.au.model"


def test_all_mistakes_come_at_once(check: Check) -> None:
    """A mistake in one place hides none elsewhere, not even in the same entry."""
    lines = check(
        {
            "aling": {},
            "datasets.mine.seed": "x",
            "align.sise": 3,
            "landmarks.extractor": "dlib86",
            "train.epoch": 2,
            "evaluate.splitt": "test",
            f"{AU}.seeed": 1,
            f"{AU}.train": {"precison": "fp32"},
            f"{MODEL}.head": "gapp",
            f"{AU}.guidance.0": {"weigth": 4, "cue": "aus", "layers": [9]},
            "experiments.plain.model.backbone": "test_vit",
            "experiments.plain.train": {"image_size": 100},
            "cross": {"x": {"experiment": "nope", "dataset": "mine"}},
        }
    )
    assert [line.partition(": ")[0] for line in lines] == [
        "aling", "datasets.mine.seed", "align.sise", "landmarks.extractor", "train.epoch", "evaluate.splitt",
        "experiments.plain.model.backbone", f"{AU}.guidance.0.weigth", f"{AU}.seeed", f"{AU}.train.precison",
        f"{AU}.guidance.0.layers", f"{AU}.model.head", f"{AU}.guidance.0.cue", "cross.x.experiment",
    ]  # fmt: skip


def keys(lines: list[str]) -> list[str]:
    return [line.partition(": ")[0] for line in lines]


def test_kinds_of_faults_of_one_data_set_and_one_experiment_come_together(check: Check, project: Path) -> None:
    (project / "faces/l.csv").write_text("file,emotion\nhappy/s0_x.png,happy\n")
    mine = {"adapter": "csv", "root": "faces", "labels": "l.csv", "images": "pictures", "test_fraction": 0.0}
    lines = check(
        {
            "datasets.mine": {**mine, "seed": "one", "points": {"offset": 7}, "label_map": {"x": "happines"}},
            "datasets.away": {"adapter": "folder", "root": "nowhere", "test_fraction": "20%", "subject_pattern": "("},
            "datasets.odd": {"adapter": "cvs", "root": "nowhere", "valid_fraction": 2, "labels": "l.csv"},
            "datasets.half": {"adapter": "csv", "root": "nowhere", "columns": ["image"]},
            "datasets.bare": {"adapter": "csv", "root": "nowhere", "labels": "l.csv"},
            "train": {"epochs": None, "image_size": 64, "augment": {"mixup": 0.7, "cutmix": 0.7, "flip": 2}},
            f"{AU}.dataset": "bare",
            f"{AU}.base": "plain",
            f"{AU}.seed": 1.5,
            f"{MODEL}.weights": "imagnet",
            f"{MODEL}.in_chans": 2,
            f"{MODEL}.head": "gapp",
            f"{AU}.guidance.0": {"layers": [9], "weight": -1, "loss": "cosin"},
            f"{AU}.train": {"freeze": [{"epochs": 1, "layers": 99}], "select_on": "vald"},
            "experiments.plain.model": {"weights": "no.pth", "head": "nohead"},
        }
    )
    assert len(lines) == len(set(lines))
    assert sorted(keys(lines)) == sorted(
        [
            "datasets.mine.label_map", "datasets.mine.seed", "datasets.mine.points.offset", "datasets.mine.points.file",
            "datasets.mine.images",
            "datasets.away.test_fraction", "datasets.away.subject_pattern", "datasets.away.root",  # also of others
            "datasets.odd.adapter", "datasets.odd.valid_fraction",
            "datasets.half.labels", "datasets.half.columns",
            "datasets.bare",  # no test face, which its entry alone tells
            "train.epochs", "train.augment.flip", "train.augment.cutmix",
            "experiments.plain.model.backbone", "experiments.plain.model.weights", "experiments.plain.model.head",
            AU, f"{AU}.seed", f"{MODEL}.in_chans", f"{MODEL}.weights", f"{MODEL}.head",
            f"{AU}.guidance.0.weight", f"{AU}.guidance.0.loss", f"{AU}.train.select_on",
        ]
    )  # fmt: skip


# A wrong key of the data set's entry, and what else may be said of its label file, which has another header.
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({}, ["columns"]),
        ({"test_fraction": "20%"}, ["columns"]),
        ({"seed": None}, ["columns"]),
        ({"delimiter": ";;"}, []),
        ({"colums": {"image": "file"}}, []),
        ({"columns": {"image": -1}}, []),
        ({"labels": "m.csv", "images": "pictures"}, ["images", "labels"]),
        ({"labels": "m.csv", "columns": 3}, ["labels"]),
        ({"labels": "m.csv", "columns": {"lable": "emotion"}, "images": "no"}, ["images", "labels"]),
        ({"columns": {"lable": "emotion"}}, []),
    ],
)
def test_what_rests_on_a_wrong_key_is_not_judged(
    wrong: dict[str, Any], told: list[str], check: Check, project: Path
) -> None:
    (project / "faces/l.csv").write_text("file,emotion\nhappy/s0_x.png,happy\n")
    lines = check(
        {"datasets.mine": {"adapter": "csv", "root": "faces", "labels": "l.csv", "test_fraction": 0.2, **wrong}}
    )
    own = {f"datasets.mine.{key}" for key in wrong if key not in ("labels", "images")}
    assert {key for key in keys(lines) if not any(key.startswith(one) for one in own)} == {
        f"datasets.mine.{key}" for key in told
    }


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({f"{MODEL}.head": "gapp"}, [f"{AU}.guidance.0.layers", f"{AU}.train.freeze"]),
        ({f"{MODEL}.head_options": {"x": 1}}, [f"{AU}.guidance.0.layers", f"{AU}.train.freeze"]),
        ({f"{AU}.guidance.0.loss_options": {"x": 1}}, [f"{AU}.guidance.0.layers", f"{AU}.train.freeze"]),
        (
            {f"{AU}.guidance.0.loss": "cosin", f"{AU}.guidance.0.loss_options": {"x": 1}},
            [f"{AU}.guidance.0.layers", f"{AU}.train.freeze"],
        ),
        ({f"{MODEL}.output_stride": 7}, [f"{AU}.train.freeze"]),
        ({f"{AU}.train.image_size": "x"}, [f"{AU}.train.freeze"]),
        ({f"{MODEL}.backbone": "resnt"}, []),
        ({f"{AU}.dataset": "mien"}, [f"{AU}.guidance.0.layers", f"{AU}.train.freeze"]),
    ],
)
def test_a_network_is_asked_about_all_that_rests_on_no_wrong_key(
    wrong: dict[str, Any], told: list[str], check: Check
) -> None:
    lines = check({f"{AU}.guidance.0.layers": [9], f"{AU}.train": {"freeze": [{"epochs": 1, "layers": 99}]}, **wrong})
    own = {key for key in keys(lines) if any(key.startswith(one) for one in wrong)}
    assert own
    assert {*keys(lines)} - own == {*told}


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize(
    "misspell", [str.title, str.upper, lambda name: f"{name}e", lambda name: name[:-1]], ids=range(4)
)
def test_a_misspelt_section_is_one_line_and_none_would_lose_it(
    section: str, misspell: Callable[[str], str], project: Path
) -> None:
    params = changed(GOOD, {"render": {}})
    params = {misspell(section) if key == section else key: value for key, value in params.items()}
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    (line,) = check_params(project / "params.yaml")
    assert re.search(rf": {misspell(section)}: unknown key; did you mean {section}( or \w+)?\?$", line)


@pytest.mark.parametrize(
    "wrong",
    [
        {"model.backbone": "resnt18"}, {"model.head": "gapp"}, {"model.weights": "no.pth"}, {"seed": "x"}, {"seeed": 1},
        {"train": {"epoch": 1}}, {"guidance": [{"cue": "aus"}]}, {"dataset": "nope"}, {"base": "nope"},
    ],
    ids=str,
)  # fmt: skip
def test_the_same_fault_of_many_experiments_is_one_line(check: Check, wrong: dict[str, Any]) -> None:
    names = [f"n-{number}" for number in range(9)]
    (alone,) = check({f"experiments.plain.{key}": value for key, value in wrong.items()})
    copies = {f"experiments.{name}": copy.deepcopy(GOOD["experiments"]["plain"]) for name in names}
    faults = {f"experiments.{name}.{key}": value for name in ["plain", *names] for key, value in wrong.items()}
    assert check({**copies, **faults}) == [f"{alone} (the same in 9 more: n-0, n-1, n-2, n-3, n-4, n-5 and 3 more)"]


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [
        (f"{MODEL}.head", "GAP", "gap"), (f"{MODEL}.backbone", "Test_ResNet", "test_resnet"),
        (f"{AU}.base", "None", "none"),
        (f"{AU}.base", "NONE", "none"), (f"{AU}.dataset", "Mine", "mine"), (f"{AU}.guidance.0.cue", "AU", "au"),
        (f"{AU}.guidance.0.loss", "Cosine", "cosine"), (f"{AU}.guidance.0.source", "CAM", "cam"),
        ("train.optimizer", {"name": "Adam"}, "adam"), ("evaluate.cams", ["GradCAM"], "gradcam"),
        ("landmarks.extractor", "Mean-Shape", "mean-shape"), ("align.detector", "Whole-Image", "whole-image"),
        ("align.template", "Loose", "loose"), ("datasets.mine.adapter", "Folder", "folder"),
        ("heatmaps.codebook", "Paper", "paper"), ("heatmaps.geometry", "Paper", "paper"), ("train.Epochs", 3, "epochs"),
        ("evaluate.split", "Test", "test"), (f"{AU}.Seed", 3, "seed"),
    ],
)  # fmt: skip
def test_capitals_are_no_riddle(check: Check, key: str, value: object, meant: str) -> None:
    line = check({key: value})[0]
    assert line.endswith(f"did you mean {meant}?")
