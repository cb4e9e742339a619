"""A finished training is found again by what decides it, and by nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fer_au.code.closure import CodeBase, this_code
from fer_au.config.experiments import ExperimentConfig, TrainConfig
from fer_au.shards.cache import cache_root
from fer_au.stores import Store, write_store
from fer_au.training import stage
from fer_au.training.trainer import Trainer
from tests.training.conftest import FinishedWork

TAKE = FinishedWork.take
NONE = Path("models/none")
VANILLA: dict[str, Any] = {"dataset": "blobs", "model": {"backbone": "test_resnet", "output_stride": 8}}
AU: dict[str, Any] = {**VANILLA, "guidance": [{"cue": "au", "loss": "cosine", "layers": ["last"], "weight": 4.0}]}
SETTINGS: dict[str, Any] = {"epochs": 1, "batch_size": 16, "image_size": 32, "precision": "fp32"}

Train = Callable[..., bool]


@pytest.fixture
def train(dataset_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Train an experiment as it is called now; tells whether it was really trained."""
    monkeypatch.setattr(FinishedWork, "take", TAKE)
    trained: list[str] = []
    fit = Trainer.fit

    def observed(self: Trainer, *args: Any) -> Any:
        trained.append(self.name)
        return fit(self, *args)

    monkeypatch.setattr(Trainer, "fit", observed)

    def run(name: str, experiment: dict[str, Any], folder: Path = dataset_dir, **settings: Any) -> bool:
        before = len(trained)
        parsed = ExperimentConfig.model_validate(experiment), TrainConfig.model_validate({**SETTINGS, **settings})
        stage.train_experiment(name, *parsed, folder, NONE, Path("models") / name)
        return len(trained) > before

    return run


def files_of(name: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((Path("models") / name).iterdir())}


def test_a_rename_gives_the_same_bytes_without_training(train: Train, capfd: pytest.CaptureFixture[str]) -> None:
    assert train("au", AU)
    last = capfd.readouterr().err.splitlines()[-1]
    assert re.fullmatch(r"train au: epoch 1 of 1 is selected, valid accuracy \d\.\d{3}; models/au", last)
    assert not train("guided", AU)
    (said,) = capfd.readouterr().err.splitlines()
    assert said.startswith("train guided: trained before with these settings, data and code; models/guided taken from ")
    assert files_of("guided") == files_of("au")
    assert set(files_of("au")) == {"model.safetensors", "config.json", "history.csv"}


@pytest.mark.parametrize(
    ("experiment", "settings"),
    [
        ({**AU, "group": "mine"}, {}),
        ({**AU, "dataset": "another-name"}, {}),
        ({**AU, "model": {**AU["model"], "head": "gap"}}, {}),
        ({**AU, "model": {**AU["model"], "weights": "none", "in_chans": 3}}, {}),
        ({**AU, "guidance": [{**AU["guidance"][0], "warmup_epochs": 0}]}, {}),
        ({**AU, "train": {"epochs": 1}}, {}),
        (AU, {"early_stopping": None}),
        (AU, {"label_smoothing": 0.0}),
        (AU, {"fraction": 1}),
        (AU, {"precision": "auto"}),
    ],
)
def test_how_it_is_written_does_not_count(
    train: Train, experiment: dict[str, Any], settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")  # precision auto is fp32 then
    assert train("au", AU)
    assert not train("again", experiment, **settings)
    entry = json.loads(files_of("again")["config.json"])["experiment"]
    assert (entry["group"], entry["dataset"]) == (experiment.get("group"), experiment["dataset"])
    assert files_of("again")["model.safetensors"] == files_of("au")["model.safetensors"]


@pytest.mark.parametrize(
    ("experiment", "settings"),
    [
        ({**AU, "seed": 1}, {}),
        (VANILLA, {}),
        ({**AU, "model": {**AU["model"], "head": "wildcat"}}, {}),
        ({**AU, "guidance": [{**AU["guidance"][0], "weight": 3.0}]}, {}),
        ({**AU, "guidance": [{**AU["guidance"][0], "resize": "published"}]}, {}),
        (AU, {"epochs": 2}),
        (AU, {"ema": 0.9}),
        (AU, {"select_on": "test"}),
        (AU, {"fraction": 0.5}),
    ],
)
def test_what_decides_it_counts(train: Train, experiment: dict[str, Any], settings: dict[str, Any]) -> None:
    assert train("au", AU)
    assert train("other", experiment, **settings)


def test_coming_back_to_old_settings_trains_nothing(train: Train) -> None:
    assert train("au", AU)
    first = files_of("au")
    assert train("au", AU, epochs=2)
    assert not train("au", AU)
    assert files_of("au") == first


def test_landmarks_and_maps_count_only_where_they_are_used(train: Train, dataset_dir: Path) -> None:
    assert train("vanilla", VANILLA)
    assert train("au", AU)
    heatmaps = Store.open(dataset_dir / "heatmaps.h5", "heatmaps")
    columns = {name: heatmaps[name].copy() for name in heatmaps.columns}
    columns["map"] //= 2
    write_store(heatmaps.path, "heatmaps", columns, fingerprint="other", attributes=heatmaps.attributes)
    assert not train("vanilla", VANILLA)
    assert train("au", AU)


def test_other_code_of_a_part_that_is_used_counts(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    assert train("au", AU)
    line = CodeBase._line

    def edited(name: str) -> Callable[[CodeBase, Path], str]:
        return lambda self, path: line(self, path) + ("edited" if path.name == name else "")

    monkeypatch.setattr(this_code(), "_lines", {})  # as in a new process
    monkeypatch.setattr(CodeBase, "_line", edited("acol.py"))
    assert not train("au", AU)
    monkeypatch.setattr(this_code(), "_lines", {})
    monkeypatch.setattr(CodeBase, "_line", edited("gap.py"))
    assert train("au", AU)


def test_a_damaged_training_is_trained_again(train: Train, tmp_path: Path) -> None:
    assert train("au", AU)
    first = files_of("au")
    (kept,) = (cache_root() / "finished/training").iterdir()
    weights = kept / "model.safetensors"
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0\1")
    assert train("au", AU)
    assert files_of("au")["model.safetensors"] == first["model.safetensors"]
    assert not train("au", AU)


def test_a_stop_after_the_last_epoch_loses_nothing(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the model is written: the next run goes on from the checkpoint of the last epoch."""

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(stage, "_write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train("au", AU)
    epochs: list[int] = []
    with monkeypatch.context() as context:
        context.setattr(Trainer, "_train_epoch", lambda self, epoch, *_: epochs.append(epoch))
        train("au", AU)
    assert epochs == []
    assert set(files_of("au")) == {"model.safetensors", "config.json", "history.csv"}
