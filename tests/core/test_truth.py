"""Truth values where numbers are meant are refused; where they may stand, they stay."""

from __future__ import annotations

from typing import Any

import pytest

from fer_au.config.data import AlignConfig, DatasetConfig
from fer_au.config.experiments import ExperimentConfig, TrainConfig
from fer_au.config.model import ModelConfig
from fer_au.config.reading import StrictModel, examine

WHOLE, NUMBER = "should be a whole number, got True", "should be a number, got True"


@pytest.mark.parametrize(
    ("model", "data", "key", "text"),
    [
        (TrainConfig, {"epochs": True}, "epochs", WHOLE),
        (TrainConfig, {"optimizer": {"lr": True}}, "optimizer.lr", NUMBER),
        (TrainConfig, {"augment": {"flip": True}}, "augment.flip", NUMBER),
        (TrainConfig, {"clip_grad": True}, "clip_grad", NUMBER),
        (AlignConfig, {"context": True}, "context", WHOLE),
        (DatasetConfig, {"seed": True}, "seed", WHOLE),
        (ExperimentConfig, {"seed": True}, "seed", WHOLE),
        (ExperimentConfig, {"fold": True}, "fold", WHOLE),
        (ModelConfig, {"output_stride": True}, "output_stride", ""),
    ],
)
def test_a_truth_value_is_no_number(model: type[StrictModel], data: dict[str, Any], key: str, text: str) -> None:
    found = {fault.key: fault.text for fault in examine(model, data, "")[1]}
    assert found[key].startswith(text)


def test_truth_values_stay_where_they_are_meant() -> None:
    for model, data in ((TrainConfig, {"sync_batch_norm": False}), (ModelConfig, {"large_maps": True})):
        assert not [fault for fault in examine(model, data, "")[1] if fault.key in data]
