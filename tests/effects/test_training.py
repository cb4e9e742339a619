"""Every key of ``train`` and ``experiments`` changes the result, and what decides a rerun."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fer_au.batches.faces import FaceDataset
from fer_au.config.experiments import ExperimentConfig, TrainConfig
from fer_au.config.model import ModelConfig
from fer_au.models import create_model
from fer_au.models.backbones import find_unread_options
from fer_au.training import trainer
from fer_au.yaml_files import read_yaml
from tests.effects.foreign import NOT_OF_FOREIGN, OF_FOREIGN
from tests.effects.keys import MISSING, Case, leaves, put, rules, unread
from tests.effects.trainings import built, result

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("blobs")
STEP = {"train.schedule.name": "step", "train.schedule.warmup_epochs": 0, "train.schedule.step_epochs": 1}
PLATEAU = {"train.schedule.name": "plateau", "train.schedule.warmup_epochs": 0, "train.schedule.patience": 1,
           "train.schedule.gamma": 0.1, "train.epochs": 5, "train.optimizer.lr": 0.5}  # fmt: skip
AUGMENT, MODEL, TERM = "train.augment", "experiments.model", "experiments.guidance[]"
WILDCAT = {f"{MODEL}.head": "wildcat"}

CASES: dict[str, Case] = {
    "train.epochs": Case(1, 2),
    "train.batch_size": Case(4, 5),
    "train.fraction": Case(1.0, 0.5),
    "train.labels": Case("given", "shuffled"),
    "train.image_size": Case(32, 48),
    "train.optimizer.name": Case("sgd", "adamw"),
    "train.optimizer.lr": Case(0.05, 0.01),
    "train.optimizer.momentum": Case(0.9, 0.5),
    "train.optimizer.nesterov": Case(True, False),
    "train.optimizer.weight_decay": Case(0.0, 0.1),
    "train.schedule.name": Case("cosine", "constant"),
    "train.schedule.warmup_epochs": Case(0.0, 1.5),
    "train.schedule.step_epochs": Case(1, 2, STEP),
    "train.schedule.patience": Case(1, 2, PLATEAU),
    "train.schedule.gamma": Case(0.1, 0.9, STEP),
    "train.precision": Case("fp32", "bf16"),
    f"{AUGMENT}.flip": Case(0.0, 1.0),
    f"{AUGMENT}.rotate": Case(0.0, 20.0),
    f"{AUGMENT}.scale": Case([1, 1], [0.5, 0.6]),
    f"{AUGMENT}.shift": Case(0.0, 0.3),
    f"{AUGMENT}.brightness": Case(0.0, 0.5),
    f"{AUGMENT}.contrast": Case(0.0, 0.5),
    f"{AUGMENT}.saturation": Case(0.0, 0.5),
    f"{AUGMENT}.hue": Case(0.0, 0.3),
    f"{AUGMENT}.jitter": Case(0.1, 1.0),
    f"{AUGMENT}.grayscale": Case(0.0, 1.0),
    f"{AUGMENT}.erase": Case(0.0, 1.0),
    f"{AUGMENT}.erase_area": Case([0.1, 0.1], [0.4, 0.5], {f"{AUGMENT}.erase": 1.0}),
    f"{AUGMENT}.noise": Case(0.0, 0.2),
    f"{AUGMENT}.mixup": Case(0.0, 1.0),
    f"{AUGMENT}.mixup_alpha": Case(0.2, 5.0, {f"{AUGMENT}.mixup": 1.0}),
    f"{AUGMENT}.cutmix": Case(0.0, 1.0),
    f"{AUGMENT}.cutmix_alpha": Case(0.2, 5.0, {f"{AUGMENT}.cutmix": 1.0}),
    "train.label_smoothing": Case(0.0, 0.2),
    "train.class_weights": Case("none", "balanced"),
    "train.sampling": Case("shuffled", "balanced"),
    "train.select_on": Case("valid", "test"),
    "train.early_stopping": Case(None, 1, {"train.epochs": 5, "train.optimizer.lr": 0.5}),
    "train.clip_grad": Case(None, 0.001),
    "train.ema": Case(None, 0.05),
    "train.freeze[].epochs": Case(1, 2),
    "train.freeze[].layers": Case(0, 2, {"train.freeze": [{"epochs": 1}]}),
    f"{MODEL}.backbone": Case("test_resnet", "test_efficientnet"),
    f"{MODEL}.backbone_options": Case({}, {"drop_path_rate": 0.5}),
    f"{MODEL}.head": Case(None, "wildcat"),
    f"{MODEL}.head_options": Case({}, {"kmax": 0.1}, WILDCAT),
    f"{MODEL}.weights": Case("none", "weights.safetensors"),
    f"{MODEL}.cut_after": Case(None, 4),
    f"{MODEL}.output_stride": Case(8, 16, {"train.image_size": 64}),
    f"{MODEL}.large_maps": Case(
        False, True, {f"{MODEL}.output_stride": None, f"{MODEL}.backbone": "resnet10t", "train.image_size": 64}
    ),
    f"{MODEL}.in_chans": Case(3, 1),
    f"{TERM}.cue": Case("au", "background"),
    f"{TERM}.loss": Case("cosine", "l2"),
    f"{TERM}.loss_options": Case({}, {"first": 5.0}, {f"{TERM}.loss": "cosine_barrier"}),
    f"{TERM}.resize": Case("corrected", "published"),
    f"{TERM}.source": Case("features", "cam"),
    f"{TERM}.layers": Case(["last"], ["3"]),
    f"{TERM}.weight": Case(2.0, 1.0),
    f"{TERM}.codebook": Case("corrected", "paper", {f"{TERM}.landmark_noise": 0.1}),
    f"{TERM}.geometry": Case(None, "paper", {f"{TERM}.codebook": "paper"}),
    f"{TERM}.landmark_noise": Case(0.1, 0.2),
    f"{TERM}.start_epoch": Case(0, 1),
    f"{TERM}.end_epoch": Case(None, 1),
    f"{TERM}.warmup_epochs": Case(0.0, 2.0),
    "experiments.target": Case("expression", "subject", {"experiments.guidance": []}),
    "experiments.seed": Case(0, 1),
    "experiments.train": Case({}, {"epochs": 1}),
    "experiments.group": Case(None, "mine"),
    "experiments.fold": Case(None, 1),
}
# Keys that need more than this machine, or a stage besides; the test that looks at them.
ELSEWHERE = {
    "train.sync_batch_norm": "test_several_gpus_share_their_statistics",
    "experiments.dataset": "test_names_are_folders_that_the_stages_read",
    "experiments.base": "test_names_are_folders_that_the_stages_read",
    "cross.experiment": "test_names_are_folders_that_the_stages_read",
    "cross.dataset": "test_names_are_folders_that_the_stages_read",
    **{
        f"{MODEL}.{key}": "test_keys_of_a_model_from_elsewhere_change_what_it_answers"
        for key in ("factory", "layers", "classes", "scores", "input.size", "input.channels", "input.mean", "input.std")
    },
    f"{MODEL}.input.template": "test_a_model_from_elsewhere_knows_the_crops_that_it_was_trained_on",
}
# Settings that others switch off: refused where they are written.
OFF: dict[str, Case] = {
    "train.early_stopping": Case(None, 1, {"train.epochs": 4, "train.labels": "shuffled"}),
    "train.optimizer.momentum": Case(0.9, 0.5, {"train.optimizer.name": "adam"}),
    "train.optimizer.nesterov": Case(False, True, {"train.optimizer.momentum": 0.0}),
    "train.schedule.step_epochs": Case(1, 2),
    "train.schedule.patience": Case(1, 2, STEP),
    "train.schedule.gamma": Case(0.1, 0.9, {"train.schedule.name": "constant"}),
    f"{AUGMENT}.saturation": Case(0.0, 0.5, {f"{AUGMENT}.grayscale": 1.0, f"{AUGMENT}.hue": 0.0}),
    f"{AUGMENT}.hue": Case(0.0, 0.0, {f"{AUGMENT}.grayscale": 1.0}),  # in test_augment: equal but for rounding
    f"{AUGMENT}.jitter": Case(
        0.1, 0.2, {f"{AUGMENT}.{key}": 0.0 for key in ("brightness", "contrast", "saturation", "hue")}
    ),
    f"{AUGMENT}.erase_area": Case([0.1, 0.1], [0.4, 0.5], {f"{AUGMENT}.erase": 0.0}),
    f"{AUGMENT}.mixup_alpha": Case(0.2, 5.0),
    f"{AUGMENT}.cutmix_alpha": Case(0.2, 5.0),
    f"{TERM}.layers": Case(["last"], ["3"], {f"{TERM}.source": "cam"}),
    f"{TERM}.warmup_epochs": Case(0.0, 1.0, {f"{TERM}.weight": 0.0}),
}


def test_every_key_has_an_example() -> None:
    models = {"train": TrainConfig, "experiments": ExperimentConfig}
    keys = {key for section, model in models.items() for key in leaves(model, f"{section}.")}
    assert keys == (set(CASES) | set(ELSEWHERE)) - {"cross.experiment", "cross.dataset"}
    of_foreign = {key.partition(".")[0] for key in OF_FOREIGN}
    off = {*OFF, *(f"{MODEL}.{key}" for key in (*of_foreign, *NOT_OF_FOREIGN)), "experiments.seed"}
    assert {key for name, model in models.items() for key in {f"{name}.{rule}" for rule in rules(model)}} == off


@pytest.mark.slow
@pytest.mark.parametrize("key", CASES)
def test_a_key_changes_the_model_or_its_history_and_the_identity(key: str) -> None:
    case = CASES[key]
    first, second = ({**case.beside, key: value} for value in (case.one, case.other))
    for settings in (first, second):
        assert not {key for part in built(settings) for key in unread(part)}
    (one, its_identity), (other, other_identity) = result(first), result(second)
    assert one != other
    if key != "experiments.group":  # it is written beside a model that was found again
        assert its_identity != other_identity


@pytest.mark.parametrize("key", OFF)
def test_a_key_that_another_one_switches_off_changes_nothing_and_is_refused(key: str) -> None:
    case = OFF[key]
    first, second = ({**case.beside, key: value} for value in (case.one, case.other))
    assert result(first)[0] == result(second)[0]
    asked = {**second, key: case.other or 0.3}
    assert key.partition(".")[2] in {one for part in built(asked) for one in unread(part)}


def test_a_weight_of_0_measures() -> None:
    """The history has the loss of a term that pulls at nothing."""
    assert result({f"{TERM}.weight": 0.0})[0] != result({"experiments.guidance": []})[0]


def test_names_are_folders_that_the_stages_read() -> None:
    stages = read_yaml(ROOT / "dvc.yaml")["stages"]
    for stage_, keys in {"train": ("dataset", "base"), "cross": ("dataset", "experiment")}.items():
        deps = " ".join(stages[stage_]["do"]["deps"])
        assert all(f"${{item.{key}}}" in deps for key in keys)


def test_several_gpus_share_their_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(trainer, "convert_sync_batchnorm", lambda model: made.append(model) or model)
    for wanted in (True, False):
        experiment, train = built({"train.sync_batch_norm": wanted})
        faces = FaceDataset(Path("data/blobs"), "train", 32)
        model = create_model(experiment.model, faces.classes, seed=0)

        processes = trainer.Processes()
        processes.count, processes.device = 2, SimpleNamespace(type="cuda")  # type: ignore[assignment]
        with pytest.raises(TypeError):  # there is no such device to move the model to
            trainer.Trainer("toy", model, None, train, 0, None, None, processes)  # type: ignore[arg-type]
    assert len(made) == 1


@pytest.mark.parametrize(
    ("backbone", "options", "unread_ones"),
    [
        ("test_resnet", {"drop_path_rate": 0.1}, []),
        ("test_resnet", {"zero_init_last": False}, []),
        ("test_resnet", {"drop_path_rate": 0.0}, []),  # the default
        ("test_convnext", {"head_init_scale": 2.0, "drop_path_rate": 0.2}, ["head_init_scale"]),
        ("test_vit_relpos", {"img_size": 96}, []),
        ("test_vit", {"fc_norm": True, "qk_norm": True}, []),
    ],
)
def test_options_of_a_backbone_that_change_nothing_are_found(
    backbone: str, options: dict[str, Any], unread_ones: list[str]
) -> None:
    assert find_unread_options(ModelConfig(backbone=backbone, backbone_options=options)) == unread_ones


def test_missing_is_no_value() -> None:
    assert put({"a": 1}, {"a": MISSING}) == {}
