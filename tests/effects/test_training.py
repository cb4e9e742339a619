"""Every key of ``train``, ``experiments`` and ``evaluate`` changes the result, and what decides a rerun."""

from __future__ import annotations

import csv
import json
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import safetensors.torch
import timm
import torch
import yaml
from torch import Tensor, nn

from benchmarks.shared.blobs import Blob, write_dataset
from fer_au.batches.faces import FaceDataset
from fer_au.batches.preprocess import Preprocessing
from fer_au.config.experiments import EvaluateConfig, ExperimentConfig, TrainConfig
from fer_au.config.model import ModelConfig
from fer_au.errors import ConfigError, DataError
from fer_au.evaluation.stage import evaluate_experiment
from fer_au.models import create_model
from fer_au.models.backbones import find_unread_options
from fer_au.models.external import check_template
from fer_au.models.network import FerModel
from fer_au.stores.columns import encode_ids
from fer_au.stores.reader import Store
from fer_au.stores.writer import write_store
from fer_au.training import trainer
from fer_au.training.origin import Origin
from fer_au.training.stage import train_experiment
from fer_au.yaml_files import read_yaml
from tests.effects.keys import MISSING, Case, digest, leaves, put, rules, unread

ROOT = Path(__file__).parents[2]
BASE: dict[str, Any] = {
    "train": {"epochs": 2, "batch_size": 4, "image_size": 32, "precision": "fp32"},
    "experiments": {
        "dataset": "blobs",
        "model": {"backbone": "test_resnet", "output_stride": 8},
        "guidance": [{"weight": 2.0}],
    },
}
STEP = {"train.schedule.name": "step", "train.schedule.warmup_epochs": 0, "train.schedule.step_epochs": 1}
PLATEAU = {"train.schedule.name": "plateau", "train.schedule.warmup_epochs": 0, "train.schedule.patience": 1,
           "train.schedule.gamma": 0.1, "train.epochs": 5, "train.optimizer.lr": 0.5}  # fmt: skip
AUGMENT, MODEL, TERM = "train.augment", "experiments.model", "experiments.guidance[]"
WILDCAT = {f"{MODEL}.head": "wildcat"}

CASES: dict[str, Case] = {
    "train.epochs": Case(1, 2),
    "train.batch_size": Case(4, 5),
    "train.fraction": Case(1.0, 0.5),
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
FOREIGN = {
    "backbone": "external", "factory": "foreign:create", "layers": ["first"], "classes": {"a": "anger", "b": "neutral"},
    "input": {"size": 32, "mean": 0.5, "std": 0.5},
}  # fmt: skip
# Settings of a model that was made elsewhere -> another value.
OF_FOREIGN: dict[str, Any] = {
    "factory": "foreign:other", "layers": ["second"], "classes": {"a": "neutral", "b": "anger"},
    "scores": "probabilities", "input.size": 48, "input.channels": "bgr", "input.mean": 0.25, "input.std": 0.25,
}  # fmt: skip
# Settings that such a model switches off, or any other one.
NOT_OF_FOREIGN: dict[str, Any] = {
    "backbone_options": {"a": 1}, "head": "gap", "head_options": {"a": 1}, "cut_after": 1, "output_stride": 8,
    "large_maps": True, "weights": "imagenet", "in_chans": 1,
}  # fmt: skip
EVALUATE: dict[str, Case] = {
    "split": Case("test", "valid"),
    "cams": Case(["native"], ["gradcam"]),
    "attention_layers": Case(["last"], ["3", "last"]),
    "resize": Case("corrected", "published"),
    "on_missing_cam": Case("fail", "skip", {"cams": ["native", "rollout"]}),
    "moved": Case(False, True),
    "mirrored": Case(False, True),
    "faithfulness_images": Case(0, 2),
    "robustness": Case("none", ["blurred"]),
    "audits": Case("none", ["randomisation"]),
    "audit_images": Case(1, 2, {"audits": ["randomisation"]}),
    "batch_size": Case(1, 8),
}


@pytest.fixture(scope="module", autouse=True)
def data(workspace: Path) -> None:
    """Made-up faces of unequal classes, with folds and persons; and a file of weights."""
    blobs = [
        Blob(label, split, fold="12"[i % 2], subject=f"p{i % 3}")
        for label, counts in {"happiness": (5, 2, 2), "anger": (3, 2, 1), "neutral": (2, 1, 1)}.items()
        for split, count in zip(("train", "valid", "test"), counts, strict=True)
        for i in range(count)
    ]
    write_dataset(workspace / "data/blobs", blobs)  # type: ignore[arg-type]
    columns = {"id": encode_ids([f"{i:04d}.png" for i in range(len(blobs))])}
    write_store(workspace / "data/blobs/annotations.h5", "annotations", columns, fingerprint="a" * 64)
    torch.manual_seed(5)
    safetensors.torch.save_file(timm.create_model("test_resnet").state_dict(), workspace / "weights.safetensors")


def built(changes: dict[str, Any]) -> tuple[ExperimentConfig, TrainConfig]:
    """Build the settings with some changes; a part of a freeze is one whole."""
    settings = yaml.safe_load(yaml.safe_dump(BASE))
    if any(key.startswith("train.freeze[]") for key in changes):
        settings["train"]["freeze"] = [{"epochs": 1}]
    put(settings, changes)
    own = settings["experiments"].get("train", {})
    return (
        ExperimentConfig.model_validate(settings["experiments"]),
        TrainConfig.model_validate({**settings["train"], **own}),
    )


def result(changes: dict[str, Any]) -> tuple[str, str]:
    """Train with some changes: the hash of what comes out, and the identity that decides whether it is done again."""
    return _result(*(part.model_dump_json() for part in built(changes)))


@cache
def _result(*settings: str) -> tuple[str, str]:
    """Train with settings, once: many keys are compared with the same ones, those of ``BASE``."""
    experiment = ExperimentConfig.model_validate_json(settings[0])
    train = TrainConfig.model_validate_json(settings[1])
    identities = []
    with pytest.MonkeyPatch.context() as patch:
        identity = Origin.identity
        patch.setattr(Origin, "identity", lambda self: identities.append(identity(self)) or identities[-1])
        train_experiment("toy", experiment, train, Path("data/blobs"), Path("models/none"), Path("models/toy"))
    tensors = safetensors.torch.load_file("models/toy/model.safetensors")
    with Path("models/toy/history.csv").open() as file:
        history = [{**row, "images_per_second": ""} for row in csv.DictReader(file)]
    group = json.loads(Path("models/toy/config.json").read_text())["experiment"]["group"]
    return digest(sorted(tensors.items()), history, group), json.dumps(identities[0], sort_keys=True, default=str)


def test_every_key_has_an_example() -> None:
    models = {"train": TrainConfig, "experiments": ExperimentConfig}
    keys = {key for section, model in models.items() for key in leaves(model, f"{section}.")}
    assert keys == (set(CASES) | set(ELSEWHERE)) - {"cross.experiment", "cross.dataset"}
    of_foreign = {key.partition(".")[0] for key in OF_FOREIGN}
    off = {*OFF, *(f"{MODEL}.{key}" for key in (*of_foreign, *NOT_OF_FOREIGN)), "experiments.seed"}
    assert {key for name, model in models.items() for key in {f"{name}.{rule}" for rule in rules(model)}} == off
    assert set(leaves(EvaluateConfig)) == set(EVALUATE)
    assert rules(EvaluateConfig) == {"audit_images"}
    assert unread(EvaluateConfig(audit_images=5)) == {"audit_images"}
    assert not unread(EvaluateConfig(audit_images=5, audits="all"))


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


class Foreign(nn.Module):
    """A network of somebody else, with a layer beside its first."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first, self.second = nn.Conv2d(3, 2, 3), nn.Conv2d(2, 2, 3)
        self.probable = False

    def forward(self, x: Tensor) -> Tensor:
        scores = self.second(self.first(x)).mean((2, 3))
        return scores.softmax(1) if self.probable else scores


def answer(changes: dict[str, Any], picture: Tensor, monkeypatch: pytest.MonkeyPatch) -> str:
    """Score a picture as the settings say; the hash of scores and maps."""
    network = Foreign(1 if "factory" in changes else 0)
    network.probable = "scores" in changes
    monkeypatch.setitem(sys.modules, "foreign", SimpleNamespace(create=lambda: network, other=lambda: network))
    config = ModelConfig.model_validate(put(json.loads(json.dumps(FOREIGN)), changes))
    assert config.input is not None
    own = config.input
    model = create_model(config, config.outputs).eval()
    output = model(Preprocessing(own.size, config.channels, own.rgb_mean, own.rgb_std)(picture))
    return digest(output.logits, list(output.features.values()))


def test_keys_of_a_model_from_elsewhere_change_what_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = torch.randint(0, 255, (1, 3, 64, 64), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    usual = answer({}, picture, monkeypatch)
    assert usual == answer({}, picture, monkeypatch)
    assert len({usual, *(answer({key: value}, picture, monkeypatch) for key, value in OF_FOREIGN.items())}) == 9


def test_a_model_from_elsewhere_knows_the_crops_that_it_was_trained_on() -> None:
    config = ModelConfig.model_validate({**FOREIGN, "input": {"size": 32, "mean": 0, "std": 1, "template": "tight"}})
    check_template(config, {"template": "tight"}, Path("data/blobs"))
    with pytest.raises(DataError, match=r"align\.template 'loose'.*is 'tight'"):
        check_template(config, {"template": "loose"}, Path("data/blobs"))


def test_keys_of_models_from_elsewhere_and_of_others_are_refused_beside_one_another() -> None:
    entry = {"dataset": "blobs", "train": "none", "model": FOREIGN}
    assert not unread(ExperimentConfig.model_validate(entry))
    assert unread(ExperimentConfig.model_validate({**entry, "seed": 1})) == {"seed"}
    for key, value in NOT_OF_FOREIGN.items():
        assert unread(ModelConfig.model_validate({**FOREIGN, key: value})) == {key}
    for key in {key.partition(".")[0] for key in OF_FOREIGN}:
        value = {**FOREIGN, "scores": "probabilities"}[key]
        assert unread(ModelConfig.model_validate({"backbone": "test_resnet", key: value})) == {key}


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


@pytest.fixture(scope="module")
def trained(data: None) -> Path:
    experiment, train = built({})
    folder = Path("models/scored")
    train_experiment("scored", experiment, train, Path("data/blobs"), Path("models/none"), folder)
    return folder


def scores(model_dir: Path, changes: dict[str, Any]) -> tuple[str, str]:
    """Evaluate with some changes: the hash of what comes out, and the fingerprint of the store."""
    config = EvaluateConfig.model_validate({"cams": ["native"], "moved": False, "faithfulness_images": 0, **changes})
    paths = {"metrics_path": Path("m.json"), "store_path": Path("e.h5"), "detail_path": Path("d.json")}
    calls = []
    with pytest.MonkeyPatch.context() as patch:
        trunk = FerModel.trunk
        patch.setattr(FerModel, "trunk", lambda self, x: calls.append(len(x)) or trunk(self, x))
        try:
            evaluate_experiment(config, dataset_dir=Path("data/blobs"), model_dir=model_dir, **paths)  # type: ignore[arg-type]
        except ConfigError as error:
            return str(error), str(error)
    metrics = [json.loads(Path(name).read_text()) for name in ("m.json", "d.json")]
    figures = [{key: value for key, value in one.items() if "environment" not in key} for one in metrics]
    store = Store.open(Path("e.h5"), "evaluation")
    batches = calls if "batch_size" in changes else []  # it decides how much memory is taken
    return digest(figures, store.content_sha256, batches), store.fingerprint


@pytest.mark.parametrize("key", EVALUATE)
def test_a_key_of_evaluate_changes_the_scores(key: str, trained: Path) -> None:
    case = EVALUATE[key]
    one, other = (scores(trained, {**case.beside, key: value}) for value in (case.one, case.other))
    assert one[0] != other[0]
    assert one[1] != other[1]


def test_missing_is_no_value() -> None:
    assert put({"a": 1}, {"a": MISSING}) == {}
