"""One network, three ways in: trained here, as an ONNX file, and as maps that another program made of that file."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from fer_au.batches.faces import FaceDataset
from fer_au.cli import entry
from fer_au.config.experiments import EvaluateConfig, ExperimentConfig
from fer_au.evaluation import read_metrics
from fer_au.evaluation.metrics_file import Metric
from fer_au.evaluation.stage import evaluate_experiment
from fer_au.training.untrained import keep_untrained
from fer_au.use.export import export_model

CONFIG = EvaluateConfig(cams=(), attention_layers=("last",), faithfulness_images=0, moved=False)
COMPARED = ("att_", "region.", "baseline.", "ceiling.", "truth.attention", "per_class.", "n", "accuracy", "macro_f1")


def evaluated(name: str, model: Path) -> dict[str, Metric]:
    paths = {"metrics_path": Path(f"metrics/{name}.json"), "store_path": Path(f"evaluation/{name}.h5")}
    evaluate_experiment(CONFIG, dataset_dir=Path("data/tiny"), model_dir=model, **paths)
    return read_metrics(paths["metrics_path"])


def compare(ours: dict[str, Metric], theirs: dict[str, Metric]) -> None:
    """Compare all figures that say how well a network looks and answers."""
    shared = [key for key in ours if key.startswith(COMPARED) and not key.endswith("_moved")]
    assert len(shared) > 80
    for key in shared:
        if isinstance(ours[key], float):
            assert theirs[key] == pytest.approx(ours[key], abs=1e-4, nan_ok=True), key
        else:
            assert theirs[key] == ours[key], key


def test_a_network_has_the_same_numbers_here_as_a_file_and_as_maps_of_another_program(
    tiny_dataset: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_dataset, tmp_path / "data" / "tiny")
    monkeypatch.chdir(tmp_path)
    ours = evaluated("ours", tiny_model)
    export_model(tiny_model, Path("net.onnx"))
    faces = FaceDataset(Path("data/tiny"), "test")

    model = {
        "backbone": "external",
        "factory": "net.onnx",
        "layers": ["attention"],
        "input": {"size": faces.image_size, "mean": 0, "std": 1 / 255},
        "classes": {label: label for label in faces.classes},
    }
    entry_ = {"dataset": "tiny", "train": "none", "model": model}
    keep_untrained("file", ExperimentConfig.model_validate(entry_), Path("data/tiny"), Path("models/file"))
    compare(ours, evaluated("file", Path("models/file")))

    session = onnxruntime.InferenceSession("net.onnx", providers=["CPUExecutionProvider"])
    crops = np.stack([faces.image(row).transpose(1, 2, 0) for row in range(len(faces))])
    probabilities, attention = session.run(["probabilities", "attention"], {session.get_inputs()[0].name: crops})
    np.savez("maps.npz", id=faces.ids, map=attention, probability=probabilities, classes=faces.classes)
    assert entry.run(["measure", "tiny", "--maps", "maps.npz", "--name", "maps"]) == 0
    compare(ours, read_metrics(Path("metrics/external/maps.json")))
