"""Stage ``train``: train one experiment; ``python stages/train.py NAME``."""

from __future__ import annotations

from pathlib import Path

from fer_au.command import run_stage


def main(name: str) -> None:
    """Train experiment ``name``."""
    from fer_au.config.entries import load_experiment
    from fer_au.models.trained import Training
    from fer_au.training import train_experiment

    experiment, train = load_experiment(name)
    models, base = Path("models"), experiment.base
    train_experiment(
        name,
        experiment,
        train,
        dataset_dir=Path("data") / experiment.dataset,
        base_dir=models / base,
        out_dir=models / name,
        base_training=Training(base, *load_experiment(base)) if base != "none" else None,
    )


if __name__ == "__main__":
    run_stage(main, __doc__, "complete epochs are kept, and the next run goes on from there")
