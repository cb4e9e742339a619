"""``evaluate.mirrored``: probabilities are means with those of the mirror images, and every map stays as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fer_au.batches.faces import FaceDataset
from fer_au.batches.preprocess import Preprocessing
from fer_au.config.experiments import EvaluateConfig
from fer_au.evaluation import evaluate_experiment, read_metrics
from fer_au.evaluation.inference import count_passes
from fer_au.evaluation.metrics_file import is_headline
from fer_au.models import create_model, load_model, save_model
from fer_au.stores import Store
from tests.evaluation.conftest import LABELS, model_meta, write_history


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "gap"
    save_model(folder, create_model({"backbone": "test_resnet", "output_stride": 8}, LABELS, seed=0), model_meta())
    write_history(folder)
    return folder


def test_probabilities_are_means_and_maps_stay(tiny_dataset: Path, model_dir: Path, tmp_path: Path) -> None:
    found = {}
    for mirrored in (False, True):
        out = tmp_path / str(mirrored)
        config = EvaluateConfig(cams=("native",), faithfulness_images=2, moved=True, mirrored=mirrored)
        evaluate_experiment(
            config, dataset_dir=tiny_dataset, model_dir=model_dir, metrics_path=out / "m.json", store_path=out / "x.h5"
        )
        found[mirrored] = read_metrics(out / "m.json"), Store.open(out / "x.h5", "evaluation")
    model, meta = load_model(model_dir)
    dataset = FaceDataset(tiny_dataset, "test", 64, model.classes)
    images = Preprocessing.from_meta(meta["preprocessing"])(dataset.batch(range(len(dataset))).images)
    with torch.no_grad():
        both = [model(one).logits.softmax(1).numpy() for one in (images, images.flip(3))]
    assert np.abs(both[0] - both[1]).max() > 1e-3
    (usual, before), (metrics, after) = found[False], found[True]
    assert np.allclose(before["probabilities"], both[0], atol=1e-4)
    assert np.allclose(after["probabilities"], (both[0] + both[1]) / 2, atol=1e-4)
    assert metrics.pop("mirrored") == 1
    assert is_headline("mirrored")
    assert usual.keys() == metrics.keys()
    of_maps = [key for key in usual if key.startswith(("att_", "cam_", "faithfulness.", "baseline.", "ceiling."))]
    assert of_maps
    assert {key for key in of_maps if usual[key] != metrics[key]} == set()


def test_mirror_images_count_in_the_progress() -> None:
    assert count_passes(10, 4, 0, mirrored=True) == count_passes(10, 4, 0) + 10
