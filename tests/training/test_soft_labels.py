"""Soft labels: read as shares of the classes, trained on, and part of what a training is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.shared.blobs import Blob, many
from fer_au.batches.faces import FaceDataset
from fer_au.batches.soft_labels import read_shares
from fer_au.config.experiments import ExperimentConfig
from fer_au.errors import DataError
from fer_au.stores.columns import encode_ids
from fer_au.stores.reader import Store
from fer_au.stores.writer import write_store
from fer_au.training.stage import train_experiment
from tests.training.toy import SIZE, generator, make_trainer, settings

CLASSES = ("happiness", "surprise", "anger")
Make = Callable[[Sequence[Blob]], Path]


def annotate(folder: Path, soft: np.ndarray | None, names: str = ",".join(CLASSES)) -> None:
    ids = Store.open(folder / "faces.h5", "faces").ids
    columns = {} if soft is None else {"soft_label": np.asarray(soft, np.float32)}
    write_store(
        folder / "annotations.h5", "annotations", {"id": encode_ids(ids), **columns},
        fingerprint="0" * 64, attributes={} if soft is None else {"soft_label_names": names},
    )  # fmt: skip


@pytest.fixture
def folder(make_dataset: Make) -> Path:
    return make_dataset([blob for label in CLASSES for blob in (*many(label, 6), *many(label, 2, "valid"))])


def halves(folder: Path) -> np.ndarray:
    """Half of every face is anger, whatever its label."""
    return np.tile(np.array([0.25, 0.25, 0.5], np.float32), (len(Store.open(folder / "faces.h5", "faces").ids), 1))


def test_shares_are_scaled_to_the_classes_and_unknown_ones_are_the_label(tmp_path: Path, folder: Path) -> None:
    ids = Store.open(folder / "faces.h5", "faces").ids
    soft = np.full((len(ids), 4), np.nan, np.float32)
    soft[0] = [0.2, 0.2, 0.1, 0.5]
    soft[1] = [0, 0, 0, 1]
    annotate(folder, soft, "happiness,surprise,anger,contempt")
    shares = read_shares(folder / "annotations.h5", ids[:3], np.array([0, 1, 2]), CLASSES)
    np.testing.assert_allclose(shares, [[0.4, 0.4, 0.2], [0, 1, 0], [0, 0, 1]])


@pytest.mark.parametrize(
    ("soft", "names", "message"),
    [
        (None, "", r"no column 'soft_label', which target soft trains on"),
        ([1, 0], "happiness,surprise,anger", "must name its expressions"),
        ([1, 0], "happiness,boredom", "must name its expressions"),
        ([2, -1], "happiness,anger", "no share of a label"),
    ],
)
def test_what_are_no_shares_is_one_line(folder: Path, soft: list[float] | None, names: str, message: str) -> None:
    count = len(Store.open(folder / "faces.h5", "faces").ids)
    annotate(folder, None if soft is None else np.tile(np.array(soft, np.float32), (count, 1)), names)
    with pytest.raises(DataError, match=message) as caught:
        FaceDataset(folder, "train", SIZE, target="soft")
    assert str(caught.value).startswith(str(folder / "annotations.h5"))


def test_the_loss_is_that_of_the_shares(folder: Path) -> None:
    annotate(folder, halves(folder))
    trainer, hard = make_trainer(folder, settings())
    soft = FaceDataset(folder, "train", SIZE, target="soft")
    assert soft.classes == hard.classes == CLASSES
    batch = soft.batch([0, 7, 14])
    assert batch.shares is not None
    with torch.no_grad():
        images = trainer.preprocessing(batch.images.float() / 255)
        expected = -(batch.shares * trainer.model.train()(images).logits.log_softmax(1)).sum(1).mean()
    found = trainer.step(batch, 0.0, generator()).losses["loss_ce"]
    assert found == pytest.approx(float(expected), rel=1e-4)


def test_a_training_on_soft_labels_is_another_one_and_learns_them(folder: Path) -> None:
    annotate(folder, halves(folder))
    entry = {"dataset": "data", "model": {"backbone": "test_resnet", "output_stride": 8}}
    weights = {}
    for target in ("expression", "soft"):
        experiment = ExperimentConfig.model_validate({**entry, "target": target})
        train_experiment(target, experiment, settings(epochs=1), folder, Path("none"), Path("models", target))
        weights[target] = (Path("models") / target / "model.safetensors").read_bytes()
    assert weights["expression"] != weights["soft"]
    config = (Path("models") / "soft" / "config.json").read_text()
    assert "annotations.h5" in config
    assert "annotations.h5" not in (Path("models") / "expression" / "config.json").read_text()
