"""The first phase of a training with cue ``clusters``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fer_au.batches.faces import FaceDataset
from fer_au.batches.preprocess import Preprocessing
from fer_au.config.experiments import ExperimentConfig, TrainConfig
from fer_au.cues import clusters as clustering
from fer_au.cues.kmeans import two_means
from fer_au.errors import ConfigError, DataError
from fer_au.models import load_model
from fer_au.stores import Store
from fer_au.training import clusters, train_experiment
from fer_au.training.clusters import FOLDER, describe, needs_clusters, prepare_clusters
from tests.training.forks import Forks

CPU = torch.device("cpu")
MODEL = {"backbone": "test_resnet", "output_stride": 8}
LAN = {"cue": "clusters", "loss": "bce", "source": "module", "weight": 0.5}
BASE = Path("models/base")


def settings(**changes: Any) -> TrainConfig:
    base = {"epochs": 1, "batch_size": 16, "image_size": 32, "precision": "fp32", "optimizer": {"lr": 0.02}}
    return TrainConfig.model_validate({**base, **changes})


def lan(**changes: Any) -> ExperimentConfig:
    entry = {"dataset": "blobs", "base": "base", "model": {**MODEL, "head": "lan"}, "guidance": [LAN]}
    return ExperimentConfig.model_validate({**entry, **changes})


@pytest.fixture
def base(dataset_dir: Path) -> Path:
    """A trained base model; returns the data set's folder."""
    config = ExperimentConfig.model_validate({"dataset": "blobs", "model": MODEL})
    train_experiment("base", config, settings(), dataset_dir, Path("models/none"), BASE)
    return dataset_dir


def features_of(faces: FaceDataset, *, mirror: bool, size: int = 32) -> np.ndarray:
    """The base model's features (N, C, 4, 4), straight and all at once."""
    model, _ = load_model(BASE)
    images = faces.batch(range(len(faces))).images
    with torch.no_grad():
        output = model(Preprocessing(size)(images.flip(3) if mirror else images))
    return output.features[model.layers[-1]].numpy()


def test_maps_are_those_of_a_direct_computation(base: Path) -> None:
    faces = FaceDataset(base, "train", 32)
    store = prepare_clusters(faces, BASE, CPU)
    own, mirrored = features_of(faces, mirror=False), features_of(faces, mirror=True)
    assert store["map"].shape == (40, 2, 4, 4)
    assert store.ids == list(faces.ids)
    for position in range(16):
        row, column = divmod(position, 4)
        found = two_means(own[:, :, row, column].copy(), (0, position))
        sizes = int((~found.second).sum()), int(found.second.sum())
        attentive = 1 if sizes[1] <= sizes[0] else 0
        np.testing.assert_array_equal(store["table/counts"][position], sizes)
        assert store["table/attentive"][position] == attentive
        for version, vectors in enumerate((own, mirrored)):
            distances = ((vectors[:, None, :, row, column] - store["table/centres"][position]) ** 2).sum(axis=2)
            np.testing.assert_array_equal(store["map"][:, version, row, column], distances.argmin(axis=1) == attentive)


def test_a_mirrored_images_map_is_not_the_mirrored_map(base: Path) -> None:
    maps = prepare_clusters(FaceDataset(base, "train", 32), BASE, CPU)["map"]
    assert (maps[:, 0, :, ::-1] != maps[:, 1]).any()


def test_equal_inputs_give_equal_bytes_and_are_clustered_once(base: Path) -> None:
    faces = FaceDataset(base, "train", 32)
    path = prepare_clusters(faces, BASE, CPU).path
    first = path.read_bytes()
    before = path.stat().st_mtime_ns
    prepare_clusters(FaceDataset(base, "train", 64), BASE, CPU)  # the base's own image size counts
    assert path.stat().st_mtime_ns == before
    assert [file.name for file in FOLDER.iterdir()] == [path.name]
    path.unlink()
    assert prepare_clusters(faces, BASE, CPU).path.read_bytes() == first


def test_another_base_or_other_faces_are_clustered_anew(base: Path) -> None:
    faces = FaceDataset(base, "train", 32)
    paths = {prepare_clusters(faces, BASE, CPU).path}
    paths.add(prepare_clusters(FaceDataset(base, "valid", 32, faces.classes), BASE, CPU).path)
    config = ExperimentConfig.model_validate({"dataset": "blobs", "model": MODEL, "seed": 1})
    train_experiment("base", config, settings(), base, Path("models/none"), BASE)
    paths.add(prepare_clusters(faces, BASE, CPU).path)
    assert len(paths) == 3


def test_a_damaged_store_is_made_anew(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faces = FaceDataset(base, "train", 32)
    path = prepare_clusters(faces, BASE, CPU).path
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert prepare_clusters(faces, BASE, CPU).path.read_bytes() == good
    assert "clustering anew" in capsys.readouterr().err


def test_training_writes_the_store_and_follows_it(base: Path) -> None:
    train_experiment("lan", lan(), settings(), base, BASE, Path("models/lan"))
    store = Store.open(Path("models/lan/clusters.h5"), "clusters")
    (kept,) = FOLDER.iterdir()
    assert store.path.read_bytes() == kept.read_bytes()
    assert store.verify() == []
    header = Path("models/lan/history.csv").read_text().splitlines()[0]
    assert "loss_clusters" in header


def test_a_second_training_reuses_the_clusters(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_experiment("lan", lan(), settings(), base, BASE, Path("models/lan"))

    def refuse(*_: object) -> None:
        raise AssertionError("clustered again")

    monkeypatch.setattr(clusters, "fit_clusters", refuse)
    train_experiment("other", lan(seed=3), settings(), base, BASE, Path("models/other"))
    assert Path("models/other/clusters.h5").read_bytes() == Path("models/lan/clusters.h5").read_bytes()


def test_the_guidance_pulls_the_module_to_the_clusters(base: Path) -> None:
    train_experiment("lan", lan(guidance=[{**LAN, "weight": 4.0}]), settings(epochs=6), base, BASE, Path("models/lan"))
    rows = [line.split(",") for line in Path("models/lan/history.csv").read_text().splitlines()]
    losses = [float(row[rows[0].index("loss_clusters")]) for row in rows[1:]]
    assert losses[-1] < 0.8 * losses[0]


def test_without_a_base_it_is_one_line(dataset_dir: Path) -> None:
    with pytest.raises(ConfigError, match=r"experiments\.lan\.base: none; cue 'clusters' needs a base"):
        train_experiment("lan", lan(base="none"), settings(), dataset_dir, Path("models/none"), Path("models/lan"))
    assert not FOLDER.exists()


def test_other_cues_need_no_clusters() -> None:
    assert needs_clusters(lan().guidance)
    assert not needs_clusters(lan(guidance=[{"cue": "au"}]).guidance)


def test_features_that_are_not_finite_are_refused(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Preprocessing.__call__
    monkeypatch.setattr(Preprocessing, "__call__", lambda self, images: original(self, images) * torch.inf)
    with pytest.raises(DataError, match=r"features of '0000\.png' or one of the next are not finite"):
        prepare_clusters(FaceDataset(base, "train", 32), BASE, CPU)
    assert not list(Path().glob(".fer_au/clusters/*"))


def test_degenerate_positions_are_named() -> None:
    degenerate = np.zeros(16, np.uint8)
    degenerate[[6, 9]] = clustering.Degenerate.RARE, clustering.Degenerate.FLAT
    counts = np.tile([300, 100], (16, 1))
    counts[6], counts[9] = (398, 2), (400, 0)
    found = clustering.Clusters(np.zeros((16, 2, 3), np.float32), counts, np.ones(16, np.uint8), degenerate)
    line = describe(found, (4, 4))
    assert "0.0% to 25.0% (median 25.0%) of 400 faces" in line
    assert line.endswith("2 of 16 positions are degenerate: row 1 column 2 (rare), row 2 column 1 (flat)")
    many = clustering.Clusters(found.centres, counts, found.attentive, np.full(16, 2, np.uint8))
    assert describe(many, (4, 4)).endswith("row 1 column 0 (flat) and 11 more")


@pytest.mark.slow
def test_two_processes_cluster_once(base: Path, forks: Forks) -> None:
    group = forks.start("tests.training.together:cluster", str(base), environments=[{}, {}])
    assert group.wait() == [0, 0], group.said
    assert group.said.count("clusters: features of 40 faces") == 1
