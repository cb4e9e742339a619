"""Whole trainings: learning, resuming, early stopping, frozen phases."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.shared.blobs import Blob, many
from fer_au.batches.faces import FaceDataset
from fer_au.training.checkpoint import Checkpoint
from fer_au.training.pull import Targets
from fer_au.training.trainer import NotFiniteError, Trainer
from tests.training.toy import AU, SIZE, STILL, make_trainer, parameters, settings


def test_a_loss_that_is_not_finite_names_experiment_epoch_and_step(dataset_dir: Path) -> None:
    trainer, faces = make_trainer(dataset_dir, settings(optimizer={"weight_decay": 1e30}))
    with pytest.raises(NotFiniteError, match=r"toy: epoch \d, step [1-9]\d* of 5: loss is (nan|inf)"):
        trainer.fit(faces, faces, Checkpoint({}), Path("history.csv"))


@pytest.mark.parametrize("count", [9, 17])
def test_a_last_batch_of_one_does_not_break_batch_normalisation(
    make_dataset: Callable[[Sequence[Blob]], Path], count: int
) -> None:
    folder = make_dataset([*many("anger", count - 4), *many("neutral", 4)])
    trainer, faces = make_trainer(folder, settings(epochs=1))
    fitted = trainer.fit(faces, faces, Checkpoint({}), Path("history.csv"))
    assert math.isfinite(fitted.history[0].loss)


def test_single_images_train_where_maps_are_large_enough(make_dataset: Callable[[Sequence[Blob]], Path]) -> None:
    trainer, faces = make_trainer(make_dataset([*many("anger", 2), *many("neutral", 2)]), settings(batch_size=1))
    before = parameters(trainer.model)
    fitted = trainer.fit(faces, faces, Checkpoint({}), Path("history.csv"))
    assert math.isfinite(fitted.history[-1].loss)
    assert not torch.equal(parameters(trainer.model), before)


def test_it_learns_a_tiny_set_by_heart(dataset_dir: Path) -> None:
    trainer, faces = make_trainer(dataset_dir, settings(epochs=8, optimizer={"lr": 0.03}))
    fitted = trainer.fit(faces, faces, Checkpoint({}), Path("history.csv"))
    assert fitted.history[fitted.epoch].valid_accuracy == 1.0
    assert fitted.history[-1].loss_ce < 0.2 < fitted.history[0].loss_ce


def attention_cosine(trainer: Trainer, faces: FaceDataset) -> float:
    batch = faces.batch(range(len(faces)))
    with torch.no_grad():
        output = trainer.model.eval()(trainer.preprocessing(batch.images))
        attention = [output.features[trainer.model.layers[-1]].mean(1)]
        losses = trainer.guidance.terms[0].value(attention, Targets(batch.maps / 255, batch.valid), time=0)
    return 1 - losses.item()


def test_guidance_moves_attention_to_the_maps_of_unseen_faces_and_vanilla_does_not(dataset_dir: Path) -> None:
    cosines, accuracies = {}, {}
    for weight in (0.0, 4.0):
        trainer, faces = make_trainer(
            dataset_dir, settings(epochs=8, optimizer={"lr": 0.03}, augment={**STILL, "flip": 0.5, "shift": 0.1}),
            [{**AU, "weight": weight}],
        )  # fmt: skip
        valid = FaceDataset(dataset_dir, "valid", SIZE, faces.classes)
        fitted = trainer.fit(faces, valid, Checkpoint({"weight": weight}), Path("history.csv"))
        cosines[weight] = attention_cosine(trainer, valid)
        accuracies[weight] = fitted.history[fitted.epoch].valid_accuracy
    assert cosines[4.0] > cosines[0.0] + 0.2
    assert cosines[4.0] > 0.7
    assert accuracies[4.0] >= accuracies[0.0] - 0.13


EVERYTHING: dict[str, Any] = {
    "optimizer": {"name": "adam", "lr": 0.003},
    "schedule": {"name": "plateau", "warmup_epochs": 0.5, "patience": 1, "gamma": 0.5},
    "augment": {"mixup": 0.4, "cutmix": 0.4, "noise": 0.02},
    "label_smoothing": 0.1,
    "sampling": "balanced",
    "early_stopping": 8,
    "clip_grad": 1.0,
    "ema": 0.9,
    "freeze": [{"epochs": 1}, {"epochs": 2, "layers": 2}],
}


@pytest.mark.parametrize(
    ("changes", "head", "kill", "loss"),
    [
        ({}, "gap", 2, {}),
        ({}, "gap", 2, {"loss": "cosine_barrier", "loss_options": {"growth": 1.5}}),
        ({"ema": 0.9, "optimizer": {"name": "adamw", "lr": 0.003}}, "gap", 1, {}),
        *[(EVERYTHING, "acol", kill, {}) for kill in (1, 2, 4)],
    ],
)
def test_a_resumed_training_ends_in_the_same_bits(
    dataset_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    head: str,
    kill: int,
    loss: dict[str, Any],
) -> None:
    config = settings(**{"epochs": kill + 1, "augment": {}, **changes})
    weights = torch.tensor([0.5, 1.0, 2.0, 1.0])

    def fit(identity: str) -> tuple[dict[str, torch.Tensor], list[float]]:
        trainer, faces = make_trainer(dataset_dir, config, [{**AU, **loss}], weights, head)
        valid = FaceDataset(dataset_dir, "valid", SIZE, faces.classes)
        fitted = trainer.fit(faces, valid, Checkpoint({"run": identity}), Path(f"{identity}.csv"))
        state = {f"model.{name}": value for name, value in trainer.model.state_dict().items()}
        return {**state, **fitted.tensors}, [row.loss for row in fitted.history]

    straight, losses = fit("straight")
    original = Trainer._train_epoch
    monkeypatch.setattr(
        Trainer, "_train_epoch", lambda self, epoch, *rest: original(self, epoch, *rest) if epoch < kill else 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        fit("killed")
    monkeypatch.setattr(Trainer, "_train_epoch", original)
    torch.rand(17)  # another history of torch's global generator
    resumed, resumed_losses = fit("killed")
    assert resumed_losses == losses
    assert straight.keys() == resumed.keys()
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        # Three updates: 40 faces in batches of 16, once.
        ({"ema": 0.5}, "train.ema 0.5 is not reached: in 3 updates the average keeps 0.308 of itself at most, "),
        ({"ema": 0.3}, ""),
        ({"clip_grad": 1e6}, "train.clip_grad 1e+06 was without effect: the largest norm was "),
        ({"clip_grad": 0.01}, ""),
    ],
)
def test_a_limit_beyond_reach_is_told(
    dataset_dir: Path, capfd: pytest.CaptureFixture[str], changes: dict[str, Any], told: str
) -> None:
    config = settings(epochs=1, batch_size=16, augment={}, **changes)
    trainer, faces = make_trainer(dataset_dir, config, [AU])
    valid = FaceDataset(dataset_dir, "valid", SIZE, faces.classes)
    trainer.fit(faces, valid, Checkpoint({"run": "one"}), Path("one.csv"))
    lines = [line for line in capfd.readouterr().err.splitlines() if "train." in line]
    assert len(lines) == bool(told)
    assert told in "".join(lines)


def test_a_damaged_checkpoint_starts_the_training_anew_and_says_so(
    dataset_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    checkpoint = Checkpoint({"run": 1})
    trainer, faces = make_trainer(dataset_dir, settings(epochs=1))
    first = trainer.fit(faces, faces, checkpoint, Path("history.csv"))
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:-100])
    trainer, faces = make_trainer(dataset_dir, settings(epochs=1))
    again = trainer.fit(faces, faces, checkpoint, Path("history.csv"))
    assert "damaged checkpoint" in capfd.readouterr().err
    assert all(torch.equal(first.tensors[name], again.tensors[name]) for name in first.tensors)


def test_it_stops_early_and_a_second_run_does_not_go_on(
    dataset_dir: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from fer_au.training import trainer as module
    from fer_au.training.scoring import SplitScores

    accuracies = iter([0.5, 0.9, 0.8, 0.7])
    monkeypatch.setattr(module, "score_split", lambda *_: SplitScores(next(accuracies), 0.5, 1.0))
    for _ in range(2):
        trainer, faces = make_trainer(dataset_dir, settings(epochs=9, early_stopping=2))
        fitted = trainer.fit(faces, faces, Checkpoint({"run": 1}), Path("history.csv"))
        assert [row.valid_accuracy for row in fitted.history] == [0.5, 0.9, 0.8, 0.7]
        assert fitted.epoch == 1
        assert "toy: stopped early, no better epoch since 2" in capfd.readouterr().err


def test_frozen_layers_keep_weights_and_statistics_until_their_phase_ends(dataset_dir: Path) -> None:
    heavy = {"name": "adamw", "lr": 0.01, "weight_decay": 0.5}
    freeze = [{"epochs": 1}, {"epochs": 1, "layers": 1}]
    trainer, faces = make_trainer(dataset_dir, settings(epochs=3, optimizer=heavy, freeze=freeze), [AU])
    first, last = (trainer.model.backbone.network.get_submodule(name) for name in ("conv1", "layer4"))
    parts = {"first": first, "last": last, "head": trainer.model.head}
    snapshots = [{name: state(part) for name, part in parts.items()}]
    original = trainer._train_epoch

    def train_epoch(*arguments: Any) -> Any:
        result = original(*arguments)
        snapshots.append({name: state(part) for name, part in parts.items()})
        return result

    trainer._train_epoch = train_epoch  # type: ignore[method-assign]
    trainer.fit(faces, faces, Checkpoint({}), Path("history.csv"))
    changed = [
        {name for name in parts if not torch.equal(before[name], after[name])}
        for before, after in itertools.pairwise(snapshots)
    ]
    assert changed == [{"head"}, {"head", "last"}, {"head", "last", "first"}]


def state(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.detach().flatten().float() for value in module.state_dict().values()])


def test_the_optimiser_remembers_through_phases(dataset_dir: Path) -> None:
    config = settings(epochs=2, optimizer={"name": "adam", "lr": 0.001}, freeze=[{"epochs": 1}])
    trainer, faces = make_trainer(dataset_dir, config)
    trainer.fit(faces, faces, Checkpoint({}), Path("history.csv"))
    steps = {float(values["step"]) for values in trainer.optimizer.state_dict()["state"].values()}
    assert steps == {5.0, 10.0}  # the backbone has one epoch behind it, the head two
