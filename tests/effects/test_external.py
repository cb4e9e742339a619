"""Every key of a model that was made elsewhere changes what it answers, or is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fer_au.batches.preprocess import Preprocessing
from fer_au.config.experiments import ExperimentConfig
from fer_au.config.model import ModelConfig
from fer_au.errors import DataError
from fer_au.models import create_model
from fer_au.models.external import check_template
from tests.effects.foreign import FOREIGN, NOT_OF_FOREIGN, OF_FOREIGN
from tests.effects.keys import digest, put, unread


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
