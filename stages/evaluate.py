"""Stage ``evaluate``: score one experiment; ``python stages/evaluate.py NAME``."""

from __future__ import annotations

import sys
from pathlib import Path

from fer_au.command import stage_main
from fer_au.config.experiments import EvaluateConfig, load_experiment
from fer_au.config.reading import load_section


def main(name: str) -> None:
    """Evaluate experiment ``name`` on its own data set."""
    from fer_au.evaluation import evaluate_experiment

    experiment, _ = load_experiment(name)
    evaluate_experiment(
        load_section("evaluate", EvaluateConfig),
        dataset_dir=Path("data") / experiment.dataset,
        model_dir=Path("models") / name,
        metrics_path=Path("metrics") / f"{name}.json",
        store_path=Path("evaluation") / f"{name}.h5",
    )


if __name__ == "__main__":
    sys.exit(stage_main(main, __doc__))
