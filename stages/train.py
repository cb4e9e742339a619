"""Stage ``train``: train one experiment; ``python stages/train.py NAME``."""

from __future__ import annotations

import sys
from pathlib import Path

from fer_au.command import stage_main
from fer_au.config.experiments import load_experiment


def main(name: str) -> None:
    """Train experiment ``name``."""
    from fer_au.training import train_experiment

    experiment, train = load_experiment(name)
    models = Path("models")
    train_experiment(
        name, experiment, train, Path("data") / experiment.dataset, models / experiment.base, models / name
    )


if __name__ == "__main__":
    sys.exit(stage_main(main, __doc__))
