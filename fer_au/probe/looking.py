"""Where each layer looks: its scores of the evaluation that lies there, beside what a probe finds that it knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fer_au.compute import log
from fer_au.cues.regions import REGIONS
from fer_au.errors import DataError
from fer_au.evaluation.metrics_file import read_metrics
from fer_au.probe.networks import ProbedNetwork

LOOKING = (*(f"region.{region}" for region in REGIONS), "att_class_rank")
"""Keys of a layer's scores that say where it looks: shares of its map on regions, and the rank of the own AU map."""


def read_looking(network: ProbedNetwork) -> Mapping[str, Mapping[str, float]]:
    """Read where the layers of a trained network look, from ``metrics/`` as the stage ``evaluate`` wrote it.

    Args:
        network: The network.

    Returns:
        Layer -> key of ``LOOKING`` -> value; empty for a network before its training. Where there is no evaluation of
        this very model, it is empty, too, and a line says so.
    """
    if not network.trained:
        return {}
    path = Path("metrics") / f"{network.name}.json"
    if not path.exists():
        log(f"{network.name}: without where its layers look; `dvc repro evaluate@{network.name}` finds out")
        return {}
    try:
        metrics = read_metrics(path, model=network.weights_sha256)
    except DataError as error:
        log(f"{network.name}: without where its layers look: {error}")
        return {}
    found: dict[str, dict[str, float]] = {}
    for layer in network.model.layers:
        values = {key: metrics.get(f"layer.{layer}.{key}") for key in LOOKING}
        own = {key: float(value) for key, value in values.items() if isinstance(value, int | float)}
        if own:
            found[layer] = own
    return found
