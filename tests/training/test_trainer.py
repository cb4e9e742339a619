from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from benchmarks.shared.blobs import Blob, many
from fer_au.batches.faces import Batch, FaceDataset
from fer_au.batches.preprocess import Preprocessing
from fer_au.config.experiments import GuidanceConfig, TrainConfig
from fer_au.errors import ConfigError, UnknownNameError
from fer_au.models import FerModel, create_model
from fer_au.training.checkpoint import Checkpoint
from fer_au.training.guidance import Guidance, Targets
from fer_au.training.losses import create_loss
from fer_au.training.trainer import NotFiniteError, Trainer

SIZE = 32
STILL = {
    "flip": 0, "rotate": 0, "scale": (1, 1), "shift": 0,
    "brightness": 0, "contrast": 0, "saturation": 0, "grayscale": 0, "erase": 0,
}  # fmt: skip
UNMIRRORED = torch.zeros(8, dtype=torch.bool)
SHARES = torch.zeros(8, 3)
AU = {"cue": "au", "loss": "cosine", "layers": ["last"], "weight": 2.0}


def settings(**changes: Any) -> TrainConfig:
    base = {"epochs": 2, "batch_size": 8, "image_size": SIZE, "precision": "fp32", "augment": STILL}
    return TrainConfig.model_validate({**base, **changes})


def make_trainer(
    folder: Path,
    config: TrainConfig,
    guidance: Sequence[dict[str, Any]] = (),
    weights: torch.Tensor | None = None,
    head: str = "gap",
) -> tuple[Trainer, FaceDataset]:
    faces = FaceDataset(folder, "train", SIZE)
    model = create_model({"backbone": "test_resnet", "output_stride": 8, "head": head}, faces.classes, seed=0)
    entries = [GuidanceConfig.model_validate(entry) for entry in guidance]
    trainer = Trainer("toy", model, Guidance(entries, model, faces, 0), config, 0, Preprocessing(SIZE), weights)
    return trainer, faces


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def parameters(model: FerModel) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_one_step_equals_the_maths_by_hand(dataset_dir: Path) -> None:
    config = settings(optimizer={"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01})
    trainer, faces = make_trainer(dataset_dir, config, [AU])
    batch = faces.batch(range(10, 18))
    twin = create_model(trainer.model.config, faces.classes, seed=0)
    output = twin.train()(Preprocessing(SIZE)(batch.images))
    target = functional.interpolate(batch.maps[:, None] / 255, (4, 4), mode="bilinear", antialias=True)[:, 0]
    ce = functional.cross_entropy(output.logits, batch.labels)
    guidance = create_loss("cosine")(output.features[twin.layers[-1]].mean(1), target, batch.valid)
    (ce + 2.0 * guidance).backward()
    with torch.no_grad():
        for parameter in twin.parameters():
            gradient = parameter.grad + 0.01 * parameter
            parameter -= 0.1 * (gradient + 0.9 * gradient)  # Nesterov, first step

    trainer.optimizer.param_groups[0]["lr"] = 0.1
    trainer.model.train()
    result = trainer.step(batch, 0, generator())
    assert result.losses["loss_ce"] == pytest.approx(ce.item(), abs=1e-5)
    assert result.losses["loss_au"] == pytest.approx(guidance.item(), abs=1e-5)
    assert result.losses["loss"] == pytest.approx(ce.item() + 2 * guidance.item(), abs=1e-5)
    assert result.counts == {"loss": 8, "loss_ce": 8, "loss_au": int(batch.valid.sum())}
    assert torch.allclose(parameters(trainer.model), parameters(twin), atol=2e-5)


def test_clipping_bounds_the_gradient_of_a_step(dataset_dir: Path) -> None:
    config = settings(clip_grad=0.01, optimizer={"lr": 1.0, "momentum": 0, "nesterov": False, "weight_decay": 0})
    trainer, faces = make_trainer(dataset_dir, config)
    before = parameters(trainer.model)
    trainer.model.train()
    trainer.step(faces.batch(range(8)), 0, generator())
    assert (parameters(trainer.model) - before).norm() == pytest.approx(0.01, rel=1e-3)


def test_label_smoothing_and_class_weights_reach_the_loss(dataset_dir: Path) -> None:
    weights = torch.tensor([0.5, 1.0, 2.0, 4.0])
    trainer, faces = make_trainer(dataset_dir, settings(label_smoothing=0.2), weights=weights)
    batch = faces.batch([0, 12, 22, 33])
    trainer.model.train()
    logits = trainer.model(Preprocessing(SIZE)(batch.images)).logits
    expected = functional.cross_entropy(logits, batch.labels, weights, label_smoothing=0.2).item()
    assert trainer.step(batch, 0, generator()).losses["loss_ce"] == pytest.approx(expected, abs=1e-4)


def test_a_batch_of_neutral_faces_trains_on_cross_entropy_alone(dataset_dir: Path) -> None:
    trainer, faces = make_trainer(dataset_dir, settings(), [AU])
    batch = faces.batch([i for i, label in enumerate(faces.labels) if faces.classes[label] == "neutral"])
    result = trainer.step(batch, 0, generator())
    assert result.losses["loss_au"] == 0.0
    assert result.losses["loss"] == result.losses["loss_ce"]
    assert result.counts["loss_au"] == 0


def test_a_batch_without_any_landmarks_trains(make_dataset: Callable[[Sequence[Blob]], Path]) -> None:
    trainer, faces = make_trainer(
        make_dataset([Blob(x, landmarks=False) for x in ("anger", "neutral") * 4]), settings(), [AU]
    )
    assert math.isfinite(trainer.step(faces.batch(range(8)), 0, generator()).losses["loss"])


def test_guidance_counts_only_between_its_start_and_end_epoch(dataset_dir: Path) -> None:
    trainer, faces = make_trainer(dataset_dir, settings(), [{**AU, "start_epoch": 1, "end_epoch": 3}])
    batch = faces.batch(range(10, 18))
    active = ["loss_au" in trainer.step(batch, epoch, generator()).losses for epoch in range(5)]
    assert active == [False, True, True, False, False]


def test_terms_over_several_layers_are_averaged(dataset_dir: Path) -> None:
    _, faces = make_trainer(dataset_dir, settings())
    model = create_model({"backbone": "test_resnet", "output_stride": 8}, faces.classes, seed=0)
    batch = faces.batch(range(10, 18))
    output = model(Preprocessing(SIZE)(batch.images))
    values = {}
    for layers in (["3"], ["5"], ["3", "5"]):
        guidance = Guidance([GuidanceConfig.model_validate({**AU, "layers": layers})], model, faces, 0)
        targets = guidance.targets(batch, UNMIRRORED)
        values[tuple(layers)] = guidance.losses(output, targets, SHARES, 0)["loss_au"].item()
    assert values["3", "5"] == pytest.approx((values["3",] + values["5",]) / 2)


def test_an_entry_with_its_own_codebook_renders_its_maps_from_the_landmarks(dataset_dir: Path) -> None:
    trainer, faces = make_trainer(dataset_dir, settings(), [AU, {**AU, "codebook": "paper", "geometry": "paper"}])
    batch = faces.batch(range(10, 18))
    (stored, _, _), (rendered, valid, _) = trainer.guidance.targets(batch, UNMIRRORED)
    assert torch.equal(stored, batch.maps / 255)
    assert rendered.shape == stored.shape
    assert not torch.allclose(rendered, stored)
    assert bool(valid.all())
    assert [term.name for term in trainer.guidance.terms] == ["loss_au", "loss_au_2"]
    assert set(trainer.step(batch, 0, generator()).losses) == {"loss", "loss_ce", "loss_au", "loss_au_2"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cue": "ua"}, "unknown cue 'ua'"),
        ({"loss": "cosin"}, "unknown guidance loss"),
        ({"layers": ["9"]}, "layer '9'"),
    ],
)
def test_unknown_names_in_guidance_are_clear_errors(dataset_dir: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        make_trainer(dataset_dir, settings(), [{**AU, **change}])


def test_a_loss_that_is_not_finite_names_experiment_epoch_and_step(dataset_dir: Path) -> None:
    trainer, faces = make_trainer(dataset_dir, settings(optimizer={"lr": 1e30}))
    with pytest.raises(NotFiniteError, match=r"toy: epoch \d, step [1-9]\d* of 5: loss is (nan|inf)"):
        trainer.fit(faces, faces, Checkpoint({}), Path("history.csv"))


def test_a_step_with_a_loss_that_is_not_finite_leaves_the_model_alone(dataset_dir: Path) -> None:
    trainer, faces = make_trainer(dataset_dir, settings(), [AU])
    batch = faces.batch(range(10, 18))
    broken: Batch = replace(batch, maps=torch.full_like(batch.maps, math.nan, dtype=torch.float32))
    before = parameters(trainer.model)
    with pytest.raises(NotFiniteError, match="loss_au is nan"):
        trainer.step(broken, 0, generator())
    assert torch.equal(parameters(trainer.model), before)


@pytest.mark.parametrize("count", [9, 17])
def test_a_last_batch_of_one_does_not_break_batch_normalisation(
    make_dataset: Callable[[Sequence[Blob]], Path], count: int
) -> None:
    folder = make_dataset([*many("anger", count - 4), *many("neutral", 4)])
    trainer, faces = make_trainer(folder, settings(epochs=1))
    fitted = trainer.fit(faces, faces, Checkpoint({}), Path("history.csv"))
    assert math.isfinite(fitted.history[0].loss)


@pytest.mark.parametrize(("backbone", "size"), [("test_resnet", 32), ("csci-cnn", 48)])
def test_single_images_that_batch_normalisation_can_not_take_are_one_clear_line(
    dataset_dir: Path, backbone: str, size: int
) -> None:
    faces = FaceDataset(dataset_dir, "train", size)
    model = create_model({"backbone": backbone}, faces.classes, seed=0)

    def make(batch_size: int) -> Trainer:
        config = settings(batch_size=batch_size, image_size=size)
        return Trainer("toy", model, Guidance([], model, faces, 0), config, 0, Preprocessing(size))

    message = rf"^train\.batch_size: 1 is too few for backbone '{backbone}' at {size} px.*; take 2 or more$"
    with pytest.raises(ConfigError, match=message):
        make(1)
    make(2)


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
        losses = trainer.guidance.terms[0].value(attention, Targets(batch.maps / 255, batch.valid))
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
    ("changes", "head", "kill"),
    [
        ({}, "gap", 2),
        ({"ema": 0.9, "optimizer": {"name": "adamw", "lr": 0.003}}, "gap", 1),
        *[(EVERYTHING, "acol", kill) for kill in (1, 2, 4)],
    ],
)
def test_a_resumed_training_ends_in_the_same_bits(
    dataset_dir: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], head: str, kill: int
) -> None:
    config = settings(**{"epochs": kill + 1, "augment": {}, **changes})
    weights = torch.tensor([0.5, 1.0, 2.0, 1.0])

    def fit(identity: str) -> tuple[dict[str, torch.Tensor], list[float]]:
        trainer, faces = make_trainer(dataset_dir, config, [AU], weights, head)
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


def test_bf16_trains_and_measures_guidance_in_float32(dataset_dir: Path) -> None:
    trainer, faces = make_trainer(dataset_dir, settings(precision="bf16"), [AU])
    exact, _ = make_trainer(dataset_dir, settings(), [AU])
    batch = faces.batch(range(10, 18))
    rough = trainer.step(batch, 0, generator()).losses
    precise = exact.step(batch, 0, generator()).losses
    assert rough["loss_au"] == pytest.approx(precise["loss_au"], abs=0.01)
    assert rough["loss_ce"] == pytest.approx(precise["loss_ce"], abs=0.1)


def test_auxiliary_logits_add_their_cross_entropy(dataset_dir: Path) -> None:
    trainer, faces = make_trainer(dataset_dir, settings(label_smoothing=0.1, epochs=1), [AU], head="acol")
    batch = faces.batch(range(10, 18))
    trainer.model.train()
    output = trainer.model(Preprocessing(SIZE)(batch.images), batch.labels)
    (auxiliary,) = output.auxiliary
    expected = functional.cross_entropy(auxiliary, batch.labels, label_smoothing=0.1).item()
    losses = trainer.step(batch, 0, generator()).losses
    assert losses["loss_aux"] == pytest.approx(expected, abs=1e-4)
    total = losses["loss_ce"] + losses["loss_aux"] + 2 * losses["loss_au"]
    assert losses["loss"] == pytest.approx(total, abs=1e-5)
    trainer.fit(faces, faces, Checkpoint({}), Path("history.csv"))
    columns = Path("history.csv").read_text().splitlines()[0].split(",")
    assert columns[2:6] == ["loss", "loss_ce", "loss_aux", "loss_au"]


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


def test_more_frozen_layers_than_there_are_is_a_clear_error(dataset_dir: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\.freeze"):
        make_trainer(dataset_dir, settings(freeze=[{"epochs": 1, "layers": 9}]))


def test_a_mixed_batch_trains_on_mixed_labels_and_neutral_partners_keep_the_guidance(dataset_dir: Path) -> None:
    trainer, faces = make_trainer(dataset_dir, settings(augment={**STILL, "cutmix": 1.0, "cutmix_alpha": 50}), [AU])
    batch = faces.batch([0, 12, 1, 13, 2, 14, 3, 15])  # neutral and other faces in turns
    trainer.model.train()
    result = trainer.step(batch, 0, generator())
    assert batch.valid.sum() == 4
    assert result.counts["loss_au"] == 8
    draws = trainer.augmenter.draw(8, generator())
    assert draws.mix is not None
    twin = create_model(trainer.model.config, faces.classes, seed=0).train()
    logits = twin(Preprocessing(SIZE)(draws.mix.images(batch.images / 255))).logits
    partner = batch.labels.reshape(4, 2).flip(1).flatten()
    own, other = (functional.cross_entropy(logits, labels).item() for labels in (batch.labels, partner))
    expected = draws.mix.stays * own + (1 - draws.mix.stays) * other
    assert result.losses["loss_ce"] == pytest.approx(expected, abs=1e-4)


def test_balanced_sampling_shows_rare_classes_as_often(make_dataset: Callable[[Sequence[Blob]], Path]) -> None:
    folder = make_dataset([*many("anger", 27), *many("neutral", 5)])
    trainer, faces = make_trainer(folder, settings(sampling="balanced"))
    shown = faces.labels[list(trainer._order(faces, 0))]
    assert sorted(Counter(shown.tolist()).values()) == [16, 16]
