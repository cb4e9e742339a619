"""Single steps of a trainer: losses, gradients, settings that are refused."""

from __future__ import annotations

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
from fer_au.config.experiments import GuidanceConfig
from fer_au.errors import ConfigError, UnknownNameError
from fer_au.models import create_model
from fer_au.training.checkpoint import Checkpoint
from fer_au.training.guidance import Guidance
from fer_au.training.losses.base import create_loss
from fer_au.training.trainer import NotFiniteError, Trainer
from tests.training.toy import AU, SIZE, STILL, generator, make_trainer, parameters, settings

UNMIRRORED = torch.zeros(8, dtype=torch.bool)
SHARES = torch.zeros(8, 3)


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


def test_a_step_with_a_loss_that_is_not_finite_leaves_the_model_alone(dataset_dir: Path) -> None:
    trainer, faces = make_trainer(dataset_dir, settings(), [AU])
    batch = faces.batch(range(10, 18))
    broken: Batch = replace(batch, maps=torch.full_like(batch.maps, math.nan, dtype=torch.float32))
    before = parameters(trainer.model)
    with pytest.raises(NotFiniteError, match="loss_au is nan"):
        trainer.step(broken, 0, generator())
    assert torch.equal(parameters(trainer.model), before)


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
