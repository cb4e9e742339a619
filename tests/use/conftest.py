"""Small models in folders, as the stage train writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fer_au.models import create_model, save_model
from tests.cli.conftest import call as call
from tests.training.conftest import dataset_dir as dataset_dir
from tests.training.conftest import make_dataset as make_dataset

LABELS = ("happiness", "surprise", "fear", "anger", "disgust", "sadness")
ALIGN = {"detector": "dlib-hog", "keypoints": "detector", "template": "loose", "choose": "largest", "image_size": 64}
SIDE = 64


def write_model(folder: Path, labels: Sequence[str] = LABELS, **config: Any) -> Path:
    model = create_model({"backbone": "test_resnet", "output_stride": 8, **config}, labels, seed=0)
    for weight in model.head.parameters():
        weight.data *= 6  # answers that differ
    scale = {"mean": [0.5, 0.4, 0.3], "std": [0.25, 0.3, 0.2]}
    channels = model.config.in_chans
    save_model(folder, model, {"preprocessing": {"image_size": SIDE, "channels": channels, **scale, "align": ALIGN}})
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "m")
