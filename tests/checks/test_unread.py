"""Settings without effect: refused where they never have one, and told where the length or the grid decides."""

from __future__ import annotations

from typing import Any

import pytest

from fer_au.glossary import TOO_COARSE
from tests.checks.conftest import Check

AU, MODEL = "experiments.au", "experiments.au.model"
TERM, OWN = f"{AU}.guidance.0", f"{AU}.train"
DELETE = "; delete it"
ONE_CELL = (
    "5 is a single cell at 32 px, which no cue can guide; take a larger train.image_size, a smaller "
    "model.output_stride, or an earlier layer"
)

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "optimiser": (
        {"train.optimizer": {"name": "adam", "momentum": 0.9}},
        "train.optimizer.momentum: has no effect: optimiser sgd alone has a momentum",
    ),
    "an experiment's own optimiser": (
        {OWN: {"optimizer": {"name": "adam", "momentum": 0.9}}},
        f"{OWN}.optimizer.momentum: has no effect: optimiser sgd alone has a momentum",
    ),
    "schedule": (
        {"train.schedule": {"name": "constant", "gamma": 0.5}},
        "train.schedule.gamma: has no effect: schedules step and plateau alone read it",
    ),
    "augmentation": (
        {"train.augment": {"erase": 0, "erase_area": [0.1, 0.2]}},
        "train.augment.erase_area: has no effect: erase is 0",
    ),
    "layers of class maps": (
        {f"{TERM}.source": "cam"}, f"{TERM}.layers: has no effect: source features alone takes layers",
    ),
    "codebook of a cue without one": (
        {f"{TERM}.cue": "background", f"{TERM}.codebook": "paper"},
        f"{TERM}.codebook: has no effect: cue 'background' has no codebook",
    ),
    "geometry of a cue without one": (
        {f"{TERM}.cue": "background", f"{TERM}.geometry": "paper"},
        f"{TERM}.geometry: has no effect: cue 'background' has no geometry",
    ),
    "points without a template": (
        {"align.template": "none"}, "align.keypoints: has no effect: template none fits no points",
    ),
    "choice of one box": (
        {"align.choose": "central"},
        "align.choose: has no effect: detector 'whole-image' gives one box, and no other to choose",
    ),
    "a face that is never missed": (
        {"align.on_missing": "reject"},
        "align.on_missing: has no effect: detector 'whole-image' misses no face",
    ),
    "option of a head": (
        {f"{MODEL}.head": "wildcat", f"{MODEL}.head_options": {"kmin": 0.0, "alpha": 0.5}},
        f"{MODEL}.head_options.alpha: has no effect: kmin is 0",
    ),
    "option of a backbone's classifier": (
        {MODEL: {"backbone": "test_convnext", "backbone_options": {"head_init_scale": 2.0}}},
        f"{MODEL}.backbone_options.head_init_scale: has no effect: 'test_convnext' is the same network without it",
    ),
    "a phase that freezes nothing": (
        {OWN: {"freeze": [{"epochs": 1, "layers": 5}]}},
        f"{OWN}.freeze: layers: has no effect: 5 layers are all of backbone 'test_resnet', so that none is frozen",
    ),
    "pattern": (
        {"datasets.mine.subject_pattern": "^[0-9]"},
        "datasets.mine.subject_pattern: has no effect: it finds no person in any picture's name, such as "
        "happy/s0_x.png",
    ),
    "labels": (
        {"datasets.mine.label_map": {"glad": "happiness"}},
        "datasets.mine.label_map: has no effect: no label of the data set is glad; it has happy, sad",
    ),
}  # fmt: skip
# Refused with a remedy of their own.
OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "a term that begins after the end": (
        {f"{TERM}.start_epoch": 2},
        f"{TERM}.start_epoch: should be below train.epochs 2: the term never counts, got 2",
    ),
    "a term that ends before it begins": (
        {f"{TERM}.start_epoch": 1, f"{TERM}.end_epoch": 1},
        f"{TERM}.end_epoch: should be above start_epoch 1: the term never counts, got 1",
    ),
    "no layers": (
        {"evaluate.attention_layers": []},
        "evaluate.attention_layers: at least one layer is needed; [last] is always scored, got []",
    ),
    "a map of one cell": (
        {MODEL: {"backbone": "resnet18"}, "train.image_size": 32}, f"{TERM}.layers: {ONE_CELL}",
    ),
    "a map of one cell beside another": (
        {MODEL: {"backbone": "resnet18"}, "train.image_size": 32, f"{TERM}.layers": ["4", "last"]},
        f"{TERM}.layers: {ONE_CELL}",
    ),
}  # fmt: skip
TOLD: dict[str, tuple[dict[str, Any], str]] = {
    "coarse layer": (
        {MODEL: {"backbone": "resnet18"}},
        f"{TERM}.layers: 5 has 2x2 cells, {TOO_COARSE}: a perfect map of this grid has a cosine of about 0.53 with "
        "the cue",
    ),
    "coarse class map": (
        {MODEL: {"backbone": "resnet18"}, AU + ".guidance": [{"source": "cam"}]},
        f"{TERM}.source: the class map has 2x2 cells, {TOO_COARSE}: a perfect map of this grid has a cosine of about "
        "0.53 with the cue",
    ),
    "another frame than that of the weights": (
        {MODEL: {"backbone": "sface", "weights": "faces"}, AU + ".guidance": []},
        f"{MODEL}.weights: these weights were trained on crops of template 'arcface'; in 'loose' the network sees "
        "faces at other places and scales",
    ),
    "schedule": (
        {OWN: {"schedule": {"name": "step", "warmup_epochs": 2}}},
        f"{OWN}.schedule: without effect: its warm-up is as long as the training: 'step' never begins",
    ),
    "early stopping": (
        {OWN: {"early_stopping": 5}},
        f"{OWN}.early_stopping: without effect: in 2 epochs no training stops after 5",
    ),
    "phase": (
        {OWN: {"freeze": [{"epochs": 2}, {"epochs": 1}]}},
        f"{OWN}.freeze.1: without effect: begins after epoch 2, and the training has 2",
    ),
    "end of a phase": (
        {OWN: {"freeze": [{"epochs": 5}]}},
        f"{OWN}.freeze.0.epochs: without effect: the phase ends with epoch 5, and the training with epoch 2",
    ),
    "a term without weight": (
        {f"{TERM}.weight": 0},
        f"{TERM}.weight: without effect: 0, so that the term is only measured, in history.csv",
    ),
    "whole pictures": (
        {"align.context": 96},
        "align.context: without effect: no experiment's head looks at the whole picture, as multiscale does",
    ),
    "end of a term": (
        {f"{TERM}.end_epoch": 5}, f"{TERM}.end_epoch: without effect: 5 is not reached: the training has 2 epochs",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_effect_is_refused(case: str, check: Check) -> None:
    changes, line = REFUSED[case]
    assert check(changes) == [line + DELETE]


@pytest.mark.parametrize("case", OTHERS)
def test_what_never_counts_is_refused_with_its_bounds(case: str, check: Check) -> None:
    changes, line = OTHERS[case]
    assert check(changes) == [line]


@pytest.mark.parametrize("case", TOLD)
def test_what_a_longer_training_or_a_finer_map_would_read_is_told(
    case: str, check: Check, capfd: pytest.CaptureFixture[str]
) -> None:
    changes, line = TOLD[case]
    for _ in range(2):  # looked at, and remembered
        assert check(changes) == []
        assert capfd.readouterr().err.splitlines() == [f"params.yaml: {line}"]


@pytest.mark.parametrize(
    "changes",
    [
        # Over a shared section, an experiment's own settings switch off what they don't need.
        {"train.optimizer": {"name": "sgd", "momentum": 0.5}, OWN: {"optimizer": {"name": "adam"}}},
        {"train.schedule": {"name": "step", "gamma": 0.5}, OWN: {"schedule": {"name": "constant"}}},
        # What the section itself doesn't read, an experiment does.
        {"train.optimizer": {"name": "adam", "momentum": 0.5}, OWN: {"optimizer": {"name": "sgd"}}},
        # Values that say what happens anyway.
        {"train.optimizer": {"name": "adam", "momentum": 0, "nesterov": False}, "datasets.mine.seed": 0},
        {"align.context": 96, f"{MODEL}.head": "multiscale"},
    ],
)
def test_what_is_no_mistake(changes: dict[str, Any], check: Check, capfd: pytest.CaptureFixture[str]) -> None:
    assert check(changes) == []
    assert not capfd.readouterr().err
