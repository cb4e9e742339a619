"""Networks that were made elsewhere and are trained here: factories and exported programs, with guidance and a base."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.shared.blobs import Blob
from fer_au.config.experiments import EvaluateConfig, ExperimentConfig, TrainConfig
from fer_au.errors import ConfigError, DataError
from fer_au.evaluation.metrics_file import read_metrics
from fer_au.evaluation.stage import evaluate_experiment
from fer_au.models import load_model
from fer_au.models.config_file import read_config
from fer_au.models.trained import Training
from fer_au.shards.finished import FinishedWork
from fer_au.training.stage import train_experiment
from fer_au.training.trainer import Trainer
from tests.training.foreign import DATA, foreign_project

MODULE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, stops=False):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(inplace=True))
        self.second = nn.Conv2d(6, 8, 3, 2, 1)
        self.idle = nn.Conv2d(3, 3, 1)
        self.fc = nn.Linear(8, 4)
        self.stops = stops

    def forward(self, x):
        maps = self.first(x)
        maps = self.second(maps.detach() if self.stops else maps)
        return self.fc(maps.relu().mean((2, 3)))


def create(): return Net()
def larger():
    net = Net()
    net.fc = nn.Linear(8, 5)
    return net
def frozen(): return Net().requires_grad_(False)
def half():
    net = Net()
    net.first.requires_grad_(False)
    return net
def blind():
    net = Net(stops=True)
    net.second.requires_grad_(False)
    return net
def constant():
    net = Net()
    net.register_forward_hook(lambda net, given, scores: scores.detach())
    return net
"""
TAKE = FinishedWork.take  # before other tests' fixture takes its place
LABELS = ("neutral", "happiness", "anger")
MODEL = {
    "backbone": "external",
    "factory": "tuned_nets:create",
    "layers": ["first", "second"],
    "input": {"size": 32, "channels": "bgr", "mean": [0.4, 0.5, 0.6], "std": 0.25},
    "classes": {"angry": "anger", "other": None, "calm": "neutral", "joy": "happiness"},
}
GUIDANCE = [{"cue": "au", "loss": "cosine", "layers": ["2"], "weight": 4.0}]
TRAIN = TrainConfig(epochs=2, batch_size=4, image_size=32, optimizer={"lr": 0.05})  # type: ignore[arg-type]


@pytest.fixture(scope="module", autouse=True)
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with made-up faces and somebody's networks, one of them exported."""
    folder = tmp_path_factory.mktemp("project")
    with foreign_project(folder, "tuned_nets", MODULE, LABELS, [Blob("surprise", "train")]):
        sys.path.append(str(folder))
        import tuned_nets  # type: ignore[import-not-found]

        x = (torch.randn(2, 3, 32, 32),)
        program = torch.export.export(tuned_nets.create().eval(), x, dynamic_shapes=({0: torch.export.Dim("n")},))
        torch.export.save(program, "net.pt2")
        yield folder


def run(name: str, train: TrainConfig = TRAIN, base: str = "none", **model: Any) -> Training:
    guidance = model.pop("guidance", GUIDANCE)
    entry = {"dataset": "blobs", "base": base, "model": {**MODEL, **model}, "guidance": guidance}
    experiment = ExperimentConfig.model_validate(entry)
    train_experiment(name, experiment, train, DATA, Path("models") / base, Path("models") / name)
    return Training(name, experiment, train)


def weights(name: str, trust: str | None = "tuned_nets:create") -> dict[str, torch.Tensor]:
    model, _ = load_model(Path("models") / name, trust=trust)
    return {
        key.removeprefix("backbone.network.").removeprefix("weights."): value
        for key, value in model.state_dict().items()
        if not key.endswith(".file")
    }


@pytest.fixture(scope="module")
def tuned() -> Training:
    return run("tuned")


def test_all_of_the_network_is_trained_from_its_own_weights(tuned: Training) -> None:
    import tuned_nets

    before, after = tuned_nets.create().state_dict(), weights("tuned")
    assert list(before) == list(after)
    changed = {name.partition(".")[0] for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed == {"first", "second", "fc"}
    meta = read_config(Path("models/tuned"))
    assert meta["pretrained"]["origin"] == "tuned_nets:create"
    assert meta["preprocessing"]["mean"] == [0.6, 0.5, 0.4]
    assert "loss_au" in Path("models/tuned/history.csv").read_text().partition("\n")[0]


def test_the_trained_network_is_evaluated_as_others_are(tuned: Training, capfd: pytest.CaptureFixture[str]) -> None:
    evaluate_experiment(
        EvaluateConfig(cams=("gradcam", "layercam@1"), faithfulness_images=2),
        dataset_dir=DATA,
        model_dir=Path("models/tuned"),
        metrics_path=Path("metrics/tuned.json"),
        store_path=Path("evaluation/tuned.h5"),
        trained=tuned,
    )
    metrics = read_metrics(Path("metrics/tuned.json"))
    assert metrics["selected.epoch"] in (1, 2)
    assert {"accuracy", "att_ccos", "cam_cos.gradcam", "seed"} <= set(metrics)
    assert "before it was trained here can't be told" in capfd.readouterr().err


def test_faces_of_classes_that_the_network_lacks_are_left_out(capfd: pytest.CaptureFixture[str]) -> None:
    run("few", TRAIN.model_copy(update={"epochs": 1, "class_weights": "balanced"}))
    assert "1 face of train left out, the model lacks their class" in capfd.readouterr().err
    assert read_config(Path("models/few"))["classes"] == list(LABELS)


def test_an_exported_program_trains_to_the_very_weights_of_its_module(tuned: Training) -> None:
    run("program", factory="net.pt2")
    ours, theirs = weights("tuned"), weights("program", trust=None)
    for name in ("first.0.weight", "second.bias", "fc.weight"):
        assert torch.equal(ours[name], theirs[name]), name


@pytest.fixture
def fetching(monkeypatch: pytest.MonkeyPatch) -> None:
    """Finished trainings are fetched, as in a project."""
    monkeypatch.setattr(FinishedWork, "take", TAKE)


def test_a_killed_training_goes_on_to_the_same_weights(
    tuned: Training, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = Trainer._train_epoch

    def killed(self: Trainer, epoch: int, *rest: Any) -> Any:
        if epoch == 1:
            raise KeyboardInterrupt
        return whole(self, epoch, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_train_epoch", killed)
        with pytest.raises(KeyboardInterrupt):
            run("killed")
    run("killed")
    assert "goes on after epoch 1 of 2" in capfd.readouterr().err
    assert torch.equal(weights("killed")["second.weight"], weights("tuned")["second.weight"])


@pytest.mark.usefixtures("fetching")
def test_guidance_changes_what_is_learned_and_a_finished_training_is_found(
    tuned: Training, capfd: pytest.CaptureFixture[str]
) -> None:
    run("plain", guidance=[])
    assert not torch.equal(weights("plain")["second.weight"], weights("tuned")["second.weight"])
    capfd.readouterr()
    run("again")
    assert "trained before with these settings, data and code" in capfd.readouterr().err
    assert torch.equal(weights("again")["fc.weight"], weights("tuned")["fc.weight"])


@pytest.mark.usefixtures("fetching")
def test_other_weights_of_the_same_factory_are_another_training(
    tuned: Training, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import tuned_nets

    def create() -> torch.nn.Module:
        net: torch.nn.Module = tuned_nets.Net()
        torch.nn.init.zeros_(net.fc.bias)
        return net

    monkeypatch.setattr(tuned_nets, "create", create)
    run("other")
    assert "trained before" not in capfd.readouterr().err


def test_a_training_starts_from_the_weights_of_its_base(tuned: Training) -> None:
    still = TrainConfig(epochs=1, batch_size=4, image_size=32, optimizer={"lr": 1e-12})  # type: ignore[arg-type]
    run("after", still, base="tuned", guidance=[])
    for name, value in weights("tuned").items():
        torch.testing.assert_close(weights("after")[name], value)
    assert read_config(Path("models/after"))["pretrained"] is None
    run("clustered", still, base="tuned", guidance=[{"cue": "clusters", "loss": "bce", "layers": ["last"]}])
    assert Path("models/clustered/clusters.h5").exists()
    run("program", factory="net.pt2")
    run("next", still, base="program", factory="net.pt2")


def test_a_base_of_another_network_is_refused(tuned: Training) -> None:
    with pytest.raises(DataError, match=r"/tuned: the base has factory 'tuned_nets:create', the model 'net\.pt2'"):
        run("wrong", base="tuned", factory="net.pt2")
    import tuned_nets

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuned_nets, "create", tuned_nets.larger)
        with pytest.raises(DataError, match=r"fc\.weight is torch.float32 \[4, 8\], the model needs .* \[5, 8\]"):
            run("wrong", base="tuned", classes={**MODEL["classes"], "sad": None})  # type: ignore[dict-item]


def test_frozen_layers_stay_and_what_lies_behind_the_last_is_the_head() -> None:
    import tuned_nets

    head = TrainConfig(epochs=1, batch_size=4, image_size=32, ema=0.9, freeze=[{"epochs": 1}])  # type: ignore[arg-type,list-item]
    run("head", head, guidance=[])
    before, after = tuned_nets.create().state_dict(), weights("head")
    changed = {name.partition(".")[0] for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed == {"fc"}
    upper = TrainConfig(epochs=2, batch_size=4, image_size=32, freeze=[{"epochs": 1, "layers": 1}])  # type: ignore[arg-type,list-item]
    run("half", upper, factory="tuned_nets:half")
    after = weights("half", trust="tuned_nets:half")
    changed = {name.partition(".")[0] for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed == {"second", "fc"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"factory": "tuned_nets:frozen"},
            r"experiments\.bad\.model\.factory: all parameters of its network are",
        ),
        (
            {"factory": "tuned_nets:constant"},
            r"experiments\.bad\.model\.factory: the scores of its network",
        ),
        (
            {"factory": "tuned_nets:blind"},
            r"experiments\.bad\.guidance\.0\.layers: 'second' of the network has",
        ),
        ({"layers": ["first", "third"]}, r"experiments\.bad\.model\.layers\[1\]: the model has no module 'third'"),
        ({"guidance": [{"source": "cam"}]}, r"guidance\.0\.source: an external model has no class map"),
        ({"guidance": [{"layers": ["3"]}]}, r"unknown feature layer '3'"),
    ],
)
def test_what_can_not_be_trained_is_one_line(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        run("bad", **changes)
    assert "\n" not in str(caught.value)
    assert not Path("models/bad/config.json").exists()
