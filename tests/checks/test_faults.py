"""Every kind of mistake in params.yaml, and the line that the check has for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from fer_au.checks import check_params
from fer_au.models.pretrained import OTHER_WAYS
from tests.checks.conftest import GOOD, Check

AU, MODEL = "experiments.au", "experiments.au.model"
NAME = "a name must match [a-z0-9][a-z0-9_-]*"
PLAIN = GOOD["experiments"]["plain"]


def test_the_good_file_is_good(check: Check) -> None:
    assert check() == []


# Changes of the good file -> lines.
ONE: dict[str, tuple[dict[str, Any], list[str]]] = {
    # Sections and keys.
    "unknown section": ({"aling": {}}, ["aling: unknown key; did you mean align?"]),
    "missing section": ({"heatmaps": None}, ["heatmaps: missing, and DVC needs it; write `heatmaps: {}`"]),
    "section without keys": ({"train": 3}, ["train: must be a mapping, got 3"]),
    "section of names": ({"cross": [1]}, ["cross: must be a mapping from names, got [1]"]),
    "misspelt key": ({"train.epoch": 2}, ["train.epoch: unknown key; did you mean epochs?"]),
    "two bad values": (
        {"train.epochs": 0, "train.optimizer": {"lr": -1.0, "nmae": "sgd"}},
        [
            "train.optimizer.nmae: unknown key; did you mean name?",
            "train.epochs: should be greater than 0, got 0",
            "train.optimizer.lr: should be greater than 0, got -1.0",
        ],
    ),
    "bad values everywhere": (
        {"align.size": 8, "landmarks.max_reject_fraction": 2, "heatmaps.size": "big", "evaluate.batch_size": 0},
        [
            "align.size: should be greater than or equal to 32, got 8",
            "landmarks.max_reject_fraction: should be less than or equal to 1, got 2",
            "heatmaps.size: should be a whole number, got 'big'",
            "evaluate.batch_size: should be greater than 0, got 0",
        ],
    ),
    "override of train": (
        {f"{AU}.train": {"optimizer": {"lrr": 1}}}, [f"{AU}.train.optimizer.lrr: unknown key; did you mean lr?"],
    ),
    "no experiment": ({"experiments.x": 5}, ["experiments.x: must be a mapping, got 5"]),
    "guidance's key": (
        {f"{AU}.guidance.0": {"weigth": 4}}, [f"{AU}.guidance.0.weigth: unknown key; did you mean weight?"],
    ),
    "frames": (
        {f"{AU}.guidance.0": {"resize": "publishd"}, "evaluate.resize": "paper", "evaluate.resise": "published"},
        [
            "evaluate.resise: unknown key; did you mean resize or robustness?",
            "evaluate.resize: should be 'corrected' or 'published', got 'paper'",
            f"{AU}.guidance.0.resize: should be 'corrected' or 'published', got 'publishd'; did you mean published?",
        ],
    ),
    "misspelt required key": (
        {"experiments.x": {"datset": "mine", "base": "none", "model": {"backbone": "test_resnet"}}},
        ["experiments.x.datset: unknown key; did you mean dataset or base or target?"],
    ),
    # Names.
    "blank in a name": (
        {"datasets.my set": {"adapter": "folder", "root": "faces"}}, [f"datasets.my set: {NAME}, such as my-set"],
    ),
    "dot in a name": ({"experiments": {"v1.5": PLAIN}}, [f"experiments.v1.5: {NAME}, such as v1-5"]),
    "capital in a name": ({"experiments": {"V1": PLAIN}}, [f"experiments.V1: {NAME}, such as v1"]),
    "name of no experiment": (
        {"experiments.none": PLAIN}, ["experiments.none: `base: none` means no experiment; take another name"],
    ),
    # References.
    "dataset": ({f"{AU}.dataset": "mien"}, [f"{AU}.dataset: no data set 'mien'; did you mean mine?"]),
    "base": ({f"{AU}.base": "plian"}, [f"{AU}.base: no experiment 'plian'; did you mean plain?"]),
    "base that is nearest to the experiment itself": (
        {"experiments.plain.base": "plian"}, ["experiments.plain.base: no experiment 'plian'; known: au, none"],
    ),
    "no base": ({f"{AU}.base": None}, [f"{AU}.base: missing, and DVC needs it; write `base: none`, or an experiment"]),
    "its own base": (
        {f"{AU}.base": "au"}, [f"{AU}.base: goes round in a circle (au -> au); one of them needs `base: none`"],
    ),
    "circle": (
        {f"{AU}.base": "plain", "experiments.plain.base": "au"},
        [
            "experiments.plain.base: goes round in a circle (plain -> au -> plain); one of them needs `base: none`",
            f"{AU}.base: goes round in a circle (au -> plain -> au); one of them needs `base: none`",
        ],
    ),
    "base of another backbone": (
        {f"{AU}.base": "plain", "experiments.plain.model.backbone": "resnet18"},
        [f"{AU}.base: experiment 'plain' has backbone 'resnet18', this one 'test_resnet'"],
    ),
    "base of another input": (
        {f"{AU}.base": "plain", f"{MODEL}.in_chans": 1}, [f"{AU}.base: experiment 'plain' has in_chans 3, this one 1"],
    ),
    "base and weights": (
        {f"{AU}.base": "plain", f"{MODEL}.weights": "faces/happy/s0_x.png"},
        [f"{AU}: base 'plain' and model.weights 'faces/happy/s0_x.png' exclude each other"],
    ),
    "cross": (
        {"cross": {"x": {"experiment": "nope", "dataset": "mien"}, "y": {"experiment": "au"}}},
        [
            "cross.x.experiment: no experiment 'nope'; known: au, plain",
            "cross.x.dataset: no data set 'mien'; did you mean mine?",
            "cross.y.dataset: required key is missing",
        ],
    ),
    "cross of persons": (
        {
            "datasets.mine.subject_pattern": "^(s.)", "experiments.plain.target": "subject",
            "cross": {"x": {"experiment": "plain", "dataset": "mine"}},
        },
        ["cross.x.experiment: 'plain' tells apart the persons of its own data set (target: subject); name one that "
         "tells expressions apart"],
    ),
    "persons that nobody names": (
        {"experiments.plain.target": "subject"},
        ["experiments.plain.target: data set 'mine' names no persons; set subject_pattern or columns.subject"],
    ),
    "soft labels that nobody has": (
        {"experiments.plain.target": "soft"},
        ["experiments.plain.target: soft needs soft labels; data set 'mine' names one label for each face; ferplus "
         "with mode: probability has soft ones"],
    ),
    "clusters of nothing": (
        {f"{AU}.guidance.0.cue": "clusters"},
        [f"{AU}.base: none; cue 'clusters' needs a base whose features are clustered"],
    ),
    "cue without its column": (
        {f"{AU}.guidance.0.cue": "au_active"},
        [f"{AU}.guidance.0.cue: 'au_active' needs au, which data set 'mine' doesn't have"],
    ),
    "extractor without its column": (
        {"landmarks.extractor": "provided"},
        ["landmarks.extractor: 'provided' needs points, and data set 'mine' has none; take dlib68 or "
         "mediapipe"],
    ),
    "faces of nobody": (
        {"render": {"demo": {}}}, ["render.demo: no data set 'demo' reads these faces; delete this key, too"],
    ),
    # Roots and splits.
    "root": ({"datasets.mine.root": "face"}, ["datasets.mine.root: face: the data set's root does not exist"]),
    "root is a file": (
        {"datasets.mine.root": "params.yaml"}, ["datasets.mine.root: params.yaml: the data set's root is not a folder"],
    ),
    "label file": (
        {"datasets.mine": {"adapter": "csv", "root": "faces", "labels": "legend.csv", "test_fraction": 0.2}},
        ["datasets.mine.labels: faces/legend.csv: No such file or directory; it looks like adapter folder"],
    ),
    "no test": (
        {"datasets.mine.test_fraction": None},
        ["datasets.mine: split 'test', which experiments.plain, experiments.au need, is empty; set "
         "test_fraction: 0.2, or evaluate.split to one that it has"],
    ),
    "no valid": (
        {"datasets.mine.valid_fraction": 0.0},
        ["datasets.mine: split 'valid', which experiments.plain, experiments.au need, is empty; set "
         "valid_fraction: 0.1, or train.select_on: test to repeat a paper's protocol"],
    ),
    "fold of a set without": (
        {f"{AU}.fold": 1}, [f"{AU}.fold: data set 'mine' has no folds; adapter csv takes columns.fold"],
    ),
    # Weights.
    "weights' file": (
        {f"{MODEL}.weights": "no.pth"},
        [f"{MODEL}.weights: no.pth: No such file or directory; give none, imagenet, faces or a file's path"],
    ),
    "weights of faces of another network": (
        {f"{MODEL}.weights": "faces"},
        [f"{MODEL}.weights: there are no weights of faces of 'test_resnet'; take backbone sface, or a file"],
    ),
    "weights of no architecture": (
        {f"{MODEL}.weights": "imagenet", f"{MODEL}.backbone": "ecaresnet200d"},
        [f"{MODEL}.weights: timm has no ImageNet weights of 'ecaresnet200d'; {OTHER_WAYS}"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ONE)
def test_a_mistake_is_one_line(case: str, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    changes, lines = ONE[case]
    assert check(changes) == lines


def test_a_file_that_is_no_params_file_is_one_line(project: Path) -> None:
    path = project / "other.yaml"
    assert check_params(path) == [f"{path}: no such file"]
    path.write_text("experiments: [")
    (line,) = check_params(path)
    assert line.startswith(f"{path}: not valid YAML: line 2: ")
    path.write_text("a: 1\na: 2\n")
    assert check_params(path) == [f"{path}: a: key appears twice, again in line 2"]


def test_a_codebook_of_ones_own(check: Check, project: Path) -> None:
    (project / "own.yaml").write_text("expressions: {happiness: [6, 12, 99]}\n")
    (line,) = check({f"{AU}.guidance.0": {"codebook": "own.yaml"}})
    assert line.startswith(f"{AU}.guidance.0.codebook: own.yaml: expressions.happiness: unknown action unit 99")
    (project / "own.yaml").write_text("expressions: {happiness: [6, 12]}\n")
    assert check({f"{AU}.guidance.0": {"codebook": "own.yaml"}, "heatmaps.codebook": "own.yaml"}) == []


def test_home_folders(check: Check, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What params.yaml names is looked for at home, where it begins with ~."""
    monkeypatch.setenv("HOME", str(project))
    assert check({"datasets.mine.root": "~/faces"}) == []
    (line,) = check({"datasets.mine.root": "~/none"})
    assert line == f"datasets.mine.root: {project}/none: the data set's root does not exist"
    (line,) = check({"datasets.mine.root": "~nobody-here/faces"})
    assert line == "datasets.mine.root: ~nobody-here is no home folder, got '~nobody-here/faces'"
    (project / "own.yaml").write_text("expressions: {happiness: [6, 12]}\n")
    assert check({"heatmaps.codebook": "~/own.yaml"}) == []
    (project / "own.pth").touch()
    assert check({f"{MODEL}.weights": "~/own.pth"}) == []
    assert check({f"{MODEL}.weights": "~/none.pth"}) == [
        f"{MODEL}.weights: {project}/none.pth: No such file or directory; give none, imagenet, faces or a file's path"
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read(check: Check, project: Path) -> None:
    (project / "faces").chmod(0)
    (line,) = check()
    assert line == "datasets.mine.root: faces: Permission denied"
