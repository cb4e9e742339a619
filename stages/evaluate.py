"""Stage ``evaluate``: score one experiment; ``python stages/evaluate.py NAME``."""

from __future__ import annotations

from pathlib import Path

from fer_au.command import run_stage


def main(name: str) -> None:
    """Evaluate experiment ``name`` on its own data set."""
    from fer_au.config.entries import load_experiment
    from fer_au.config.experiments import EvaluateConfig
    from fer_au.config.reading import load_section
    from fer_au.evaluation import evaluate_experiment
    from fer_au.models.trained import Training

    experiment, train = load_experiment(name)
    evaluate_experiment(
        load_section("evaluate", EvaluateConfig),
        dataset_dir=Path("data") / experiment.dataset,
        model_dir=Path("models") / name,
        metrics_path=Path("metrics") / f"{name}.json",
        store_path=Path("evaluation") / f"{name}.h5",
        trained=Training(name, experiment, train),
    )


if __name__ == "__main__":
    run_stage(main, __doc__, "an evaluation is kept as a whole only; the next run starts it anew")
