"""Measure whether guidance moves the attention of the AU-cue paper's eleven methods, each without and with guidance.

    python -m benchmarks.methods --data data/demo --out FOLDER [--epochs 24] [--size 64]

from the repository's root, after ``dvc repro heatmaps@demo`` (or on any other data set's folder). Eight pairs of
trainings make the eleven rows: CAM, Grad-CAM, Grad-CAM++ and LayerCAM explain one model. Networks are timm's smallest,
so that the table costs minutes on two cores; it says whether guidance works, not how good a method is. What FOLDER
holds already is not trained again, so a stopped run goes on.

Prints accuracy, ``att_cos`` and ``att_ccos`` (last layer) and the CAM's cosine of the true class, without and with
guidance; and whether ``att_cos`` rose, with the limit that it must.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fer_au.compute import log
from fer_au.config.entries import merge
from fer_au.config.experiments import EvaluateConfig, ExperimentConfig, TrainConfig
from fer_au.ending import run_main
from fer_au.evaluation import evaluate_experiment, read_metrics
from fer_au.machine import cpu_name
from fer_au.training import train_experiment

GUIDANCE = [{"cue": "au", "loss": "cosine", "layers": ["last"], "weight": 4.0}]
CNN = {"backbone": "test_resnet", "output_stride": 8}
SETTINGS: dict[str, Any] = {
    "batch_size": 16,
    "optimizer": {"name": "adamw", "lr": 2e-3, "weight_decay": 0.05},
    "clip_grad": 5.0,
    "augment": {"brightness": 0.15, "contrast": 0.15, "saturation": 0.15, "grayscale": 0, "erase": 0},
}


@dataclass(frozen=True)
class Method:
    """A training of the table.

    Attributes:
        model: Entry ``model`` of the experiment.
        cams: Row of the table -> CAM that it is scored by.
        train: Training settings that differ from the others'.
    """

    model: Mapping[str, Any]
    cams: Mapping[str, str]
    train: Mapping[str, Any] = field(default_factory=dict)


METHODS = {
    "gap": Method(
        CNN | {"head": "gap"},
        {"CAM": "native", "GradCAM": "gradcam", "GradCAM++": "gradcam++", "LayerCAM": "layercam"},
    ),
    "wildcat": Method(CNN | {"head": "wildcat"}, {"WILDCAT": "native"}),
    # Its convolutions have no normalisation: at the others' rate they die.
    "acol": Method(
        CNN | {"head": "acol", "head_options": {"width": 128}}, {"ACoL": "native"}, {"optimizer": {"lr": 5e-4}}
    ),
    "prm": Method(CNN | {"head": "prm"}, {"PRM": "native"}),
    "adl": Method(CNN | {"head": "adl"}, {"ADL": "native"}),
    "cutmix": Method(CNN | {"head": "gap"}, {"CutMix": "native"}, {"augment": {"cutmix": 1.0}}),
    "ts_cam": Method({"backbone": "test_vit", "head": "ts_cam"}, {"TS-CAM": "native"}),
    "apvit": Method(
        CNN | {"head": "apvit", "head_options": {"dim": 64, "depth": 4, "heads": 4, "grid": 8}}, {"APViT": "native"}
    ),
}


def run(name: str, method: Method, guided: bool, options: argparse.Namespace) -> dict[str, float]:
    """Train and score a model, or read its metrics if FOLDER has them."""
    experiment = f"{name}-{'au' if guided else 'vanilla'}"
    metrics = options.out / f"{experiment}.json"
    if not metrics.exists():
        config = ExperimentConfig.model_validate(
            {"dataset": options.data.name, "model": method.model, "guidance": GUIDANCE if guided else []}
        )
        settings = merge(SETTINGS | {"epochs": options.epochs, "image_size": options.size}, method.train)
        train = TrainConfig.model_validate(settings)
        models = options.out / "models"
        train_experiment(experiment, config, train, options.data, models / "none", models / experiment)
        evaluation = EvaluateConfig(cams=tuple(method.cams.values()), moved=False, faithfulness_images=0)
        evaluate_experiment(
            evaluation,
            dataset_dir=options.data,
            model_dir=models / experiment,
            metrics_path=metrics,
            store_path=None,
        )
    return {key: float(value) for key, value in read_metrics(metrics).items() if isinstance(value, int | float)}


def main() -> None:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a data set's folder with its four stores")
    parser.add_argument("--out", type=Path, required=True, help="where models and metrics are kept")
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--size", type=int, default=64, help="side of the input, pixels")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    results = {}
    for name, method in METHODS.items():
        results[name] = [run(name, method, guided, options) for guided in (False, True)]
        log(f"{name}: done")
    print(f"host: {cpu_name()}; {platform.system()}")
    print("versions: " + ", ".join(f"{name} {version(name)}" for name in ("torch", "timm", "fer-au")))
    print(f"{options.data}, {options.size} px, {options.epochs} epochs, seed 0; each column without / with guidance")
    print(
        f"{'method':<11}{'accuracy':>16}{'att_cos':>16}{'att_ccos':>16}{'cam_cos':>16}  att_cos rises (limit: all do)"
    )
    rises = []
    for name, method in METHODS.items():
        for row, cam in method.cams.items():
            plain, guided = results[name]
            keys = ("accuracy", "att_cos", "att_ccos", f"cam_cos.{cam}")
            cells = "".join(f"{f'{plain[key]:.3f} / {guided[key]:.3f}':>16}" for key in keys)
            rises.append(guided["att_cos"] > plain["att_cos"])
            print(f"{row:<11}{cells}  {'yes' if rises[-1] else 'NO'}")
    print(f"att_cos rises for {sum(rises)} of {len(rises)} methods (limit: all)")


if __name__ == "__main__":
    sys.exit(run_main(main))
