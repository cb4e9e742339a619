"""Stage ``train``: train one experiment; ``python stages/train.py NAME``."""

from __future__ import annotations

from pathlib import Path

from fer_au.command import run_stage


def main(name: str) -> None:
    """Train experiment ``name``."""
    from fer_au.config.entries import load_experiment
    from fer_au.training import train_experiment

    experiment, train = load_experiment(name)
    models = Path("models")
    train_experiment(
        name, experiment, train, Path("data") / experiment.dataset, models / experiment.base, models / name
    )


if __name__ == "__main__":
    run_stage(main, __doc__, "complete epochs are kept, and the next run goes on from there")
