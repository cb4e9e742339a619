from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fer_au.config.entries import load_experiment
from fer_au.errors import DataError, StoreError
from fer_au.models import load_model
from fer_au.probe import features as features_module
from fer_au.probe import scoring as scoring_module
from fer_au.probe.faces import read_faces
from fer_au.probe.features import LayerFeatures, extract_features, pool_maps
from fer_au.probe.networks import ProbedNetwork, open_network
from fer_au.probe.scoring import probe_network
from fer_au.training import train_experiment
from tests.probe.conftest import Project, faces


def untrained(name: str = "plain") -> ProbedNetwork:
    experiment, train = load_experiment(name)
    return open_network(name, experiment, train, None, trained=False)


class Told(nn.Module):
    """Stands for a trunk: layer 1 is noise, layer 2 shows where the picture is bright and in which colour."""

    layers = ("1", "2")

    def __init__(self, noise: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.generator = torch.Generator().manual_seed(0)

    def forward(self, x: torch.Tensor) -> object:
        from fer_au.models.parts import TrunkOutput

        noise = torch.randn(len(x), 8, 4, 4, generator=self.generator)
        told = nn.functional.adaptive_avg_pool2d(x, 8)
        seen = told.reshape(len(x), -1)[:, :, None, None].expand(-1, -1, 4, 4)
        return TrunkOutput(seen, {"1": noise, "2": seen})


def test_a_layer_that_carries_the_label_finds_it_and_noise_finds_chance(project: Project) -> None:
    network = untrained()
    network.model.backbone, network.model.layers = Told(), Told.layers
    noise, told = probe_network(network, ["expression"]).layers
    assert told.scores["expression"].accuracy == 1.0
    assert told.scores["expression"].balanced == 1.0
    assert np.isnan(told.scores["expression"].low)  # every resample is the same
    score = noise.scores["expression"]
    assert score.balanced < 0.5
    assert score.low <= 0.25 <= score.high
    assert score.strength == 0.1


def test_labels_that_are_shuffled_are_found_nowhere(project: Project) -> None:
    # The same pixels: what is scored are faces that the classifier hasn't seen.
    network = untrained()
    network.model.backbone, network.model.layers = Told(), Told.layers
    found = read_faces(Path("data/tiny"), 32, fold=None, views=1)
    shuffled = np.random.default_rng(0).permutation(found.labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring_module, "read_faces", lambda *_, **__: replace(found, labels=shuffled))
        (_, told) = probe_network(network, ["expression"]).layers
    assert told.scores["expression"].balanced < 0.6


def test_probes_are_repeated_to_the_last_digit_and_leave_the_network_as_it_was(project: Project) -> None:
    network = untrained()
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    network.model.train()
    one, other = (probe_network(network, ["expression", "subject"]) for _ in range(2))
    assert str(one.layers) == str(other.layers)  # an interval that is NaN equals nothing
    assert network.model.training
    assert all(torch.equal(value, before[name]) for name, value in network.model.state_dict().items())


def test_some_layers_are_probed_as_all_are(project: Project) -> None:
    network = untrained()
    every = {layer.layer: layer for layer in probe_network(network, ["expression"]).layers}
    last = network.model.layers[-1]
    (alone,) = probe_network(network, ["expression"], [last]).layers
    assert str(alone) == str(every[last])  # an interval that is NaN equals nothing


def test_features_are_the_means_of_the_models_maps(project: Project) -> None:
    network = untrained()
    found = read_faces(Path("data/tiny"), 32, fold=None, views=1)
    with extract_features("t", network.model, network.preprocess, found, network.model.layers, 1) as kept:
        train, _ = found.parts[0]
        with torch.inference_mode():
            network.model.eval()
            maps = network.model(network.preprocess(train.batch([0, 5]).images)).features
        for layer, own in maps.items():
            mean = own.float().mean((2, 3))
            expected = (mean.sign() * mean.abs().sqrt()).numpy()
            np.testing.assert_allclose(kept.take(layer)[[0, 5]], expected, rtol=1e-4, atol=1e-5)


def test_pooling_keeps_places_and_never_divides_a_cell() -> None:
    maps = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert pool_maps(maps, 2).flatten().pow(2).tolist() == pytest.approx([2.5, 4.5, 10.5, 12.5])
    assert pool_maps(-maps, 4).flatten().tolist() == pytest.approx([-(n**0.5) for n in range(16)])
    assert pool_maps(maps, 9).shape == (1, 1, 4, 4)


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def seek(self, _: int) -> None: ...
        def write(self, _: bytes) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(features_module.tempfile, "TemporaryFile", lambda **_: Full())
    with pytest.raises(StoreError, match=r"folder of temporary files refuses them \(No space left"):
        LayerFeatures(2, {"1": (3, 1, 1)}).put("1", 0, np.zeros((2, 3), np.float32))


def test_persons_are_left_out_with_a_line_where_none_are_known(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.data(faces(people=0))
    probe = probe_network(untrained(), ["expression", "subject"], ["1"])
    assert list(probe.questions) == ["expression"]
    assert "without persons: data/tiny/manifest.csv: names no persons" in capsys.readouterr().err
    with pytest.raises(DataError, match="names no persons"):
        probe_network(untrained(), ["subject"], ["1"])


def test_the_network_before_and_after_its_training(project: Project) -> None:
    experiment, train = load_experiment("plain")
    with pytest.raises(DataError, match="models/plain is not trained yet; run `dvc repro train@plain`"):
        open_network("plain", experiment, train, None, trained=True)
    train_experiment("plain", experiment, train, Path("data/tiny"), Path("models/none"), Path("models/plain"))
    after = open_network("plain", experiment, train, None, trained=True)
    before = untrained()
    saved, _ = load_model(Path("models/plain"))
    name = "head.linear.weight"
    assert torch.equal(after.model.state_dict()[name], saved.state_dict()[name])
    assert not torch.equal(after.model.state_dict()[name], before.model.state_dict()[name])
    assert after.preprocess == before.preprocess
    assert (before.title, after.title) == ("plain (untrained)", "plain")
    # One that starts from it is, before its own training, this very network.
    project.write(plain={}, second={"base": "plain"})
    started = untrained("second")
    assert torch.equal(started.model.state_dict()[name], saved.state_dict()[name])
    assert started.weights == "those of plain"
    # Other settings: the model isn't the one that params.yaml means.
    project.write(plain={"seed": 4})
    experiment, train = load_experiment("plain")
    with pytest.raises(DataError, match="was trained with other settings"):
        open_network("plain", experiment, train, None, trained=True)
