"""Stage ``cross``: score an experiment's model on another data set; ``python stages/cross.py NAME``."""

from __future__ import annotations

from pathlib import Path

from fer_au.command import run_stage


def main(name: str) -> None:
    """Evaluate as entry ``name`` of ``cross`` says."""
    from fer_au.config.entries import load_cross, load_experiment
    from fer_au.config.experiments import EvaluateConfig
    from fer_au.config.reading import load_section
    from fer_au.evaluation import evaluate_experiment
    from fer_au.models.trained import Training

    cross = load_cross(name)
    evaluate_experiment(
        load_section("evaluate", EvaluateConfig),
        dataset_dir=Path("data") / cross.dataset,
        model_dir=Path("models") / cross.experiment,
        metrics_path=Path("metrics/cross") / f"{name}.json",
        store_path=Path("evaluation/cross") / f"{name}.h5",
        trained=Training(cross.experiment, *load_experiment(cross.experiment)),
        stage="cross",
    )


if __name__ == "__main__":
    run_stage(main, __doc__, "an evaluation is kept as a whole only; the next run starts it anew")
