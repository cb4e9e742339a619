"""One evaluation by the stage."""

from __future__ import annotations

from pathlib import Path

from fer_au.config.experiments import EvaluateConfig
from fer_au.evaluation import (
    evaluate_experiment,
    read_metrics,
)

CONFIG = EvaluateConfig(cams=("native", "layercam"), faithfulness_images=5, batch_size=7)


def evaluate(config: EvaluateConfig, data: Path, model: Path, out: Path) -> dict:
    evaluate_experiment(
        config, dataset_dir=data, model_dir=model, metrics_path=out / "m.json", store_path=out / "evaluation" / "x.h5"
    )
    return read_metrics(out / "m.json")
