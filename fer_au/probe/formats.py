"""Write probes as tables for a terminal, as csv and as json."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_au.atomic import write_atomically
from fer_au.csv_files import harmless, write_csv
from fer_au.probe.faces import SPLITS, Question, Target
from fer_au.probe.looking import LOOKING
from fer_au.probe.scoring import LayerProbe, Probe, Score
from fer_au.terminal import GAP, divide_columns, join_cells, wrap
from fer_au.version import __version__

Looking = Mapping[str, Mapping[str, float]]
"""Layer -> key -> where it looks."""
TITLES: dict[Target, str] = {"expression": "expression", "subject": "person"}
_DIGITS = 6
_NOTHING = "–"


def probe_text(probe: Probe, looking: Looking, width: int) -> str:
    """Format what the layers of a network know for a terminal; columns that don't fit go below the others.

    Args:
        probe: The probe.
        looking: Where each layer looks; empty if it isn't known.
        width: Characters of a line.
    """
    head = ["layer", "map"]
    for target in probe.questions:
        head += [f"{TITLES[target]}: accuracy", "balanced", "95 % interval"]
    head += [key.removeprefix("region.").removeprefix("att_").replace("_", " ") for key in LOOKING if looking]
    rows = [_cells(layer, looking.get(layer.layer, {}), bool(looking)) for layer in probe.layers]
    lengths = [max(len(row[place]) for row in [head, *rows]) for place in range(len(head))]
    lines = [wrap(line, width, hanging=GAP) for line in _introduction(probe)]
    for places in divide_columns(lengths, width):
        lines += ["", *(join_cells(row, lengths, places) for row in [head, *rows])]
    return "\n".join([*lines, "", *(wrap(line, width, hanging=GAP) for line in best_lines(probe))])


def _introduction(probe: Probe) -> Iterator[str]:
    network = probe.network
    grid = "averaged over each map" if probe.cells == 1 else f"averaged over {probe.cells} x {probe.cells} parts"
    yield f"{network.title}: {network.experiment.model.backbone}, weights {network.weights}; channels {grid}."
    for target, question in probe.questions.items():
        counts = _counts(question)
        spread = f"{counts['train']} faces fitted, {counts['valid']} choose, {counts['test']} test"
        chance = _percent(1 / len(question.classes))
        yield (
            f"{TITLES[target].capitalize()}, in %: {len(question.classes)} classes; {spread}. Chance has a balanced "
            f"accuracy of {chance}, and always the most frequent class an accuracy of {_percent(majority(question))}."
        )


def _cells(layer: LayerProbe, looking: Mapping[str, float], shown: bool) -> list[str]:
    cells = [layer.layer, "x".join(map(str, layer.grid))]
    for score in layer.scores.values():
        cells += [_percent(score.accuracy), _percent(score.balanced), _interval(score)]
    places = [f"{looking[key]:.3f}" if key in looking else _NOTHING for key in LOOKING]
    return cells + (places if shown else [])


def _percent(share: float) -> str:
    return f"{100 * share:.1f}" if math.isfinite(share) else _NOTHING


def _interval(score: Score) -> str:
    return f"{_percent(score.low)} to {_percent(score.high)}" if math.isfinite(score.low) else _NOTHING


def best_lines(probe: Probe) -> list[str]:
    """Say of each target which layer knows most, and what is left of it in the last layer that was probed."""
    lines = []
    for target in probe.questions:
        best = max(probe.layers, key=lambda layer: layer.scores[target].balanced)
        last, own = probe.layers[-1], best.scores[target]
        text = f"{TITLES[target].capitalize()}: best in layer {best.layer} (balanced {_percent(own.balanced)} %)"
        if best is not last:
            end = last.scores[target]
            text += f"; layer {last.layer} has {_percent(end.balanced)} %"
            if math.isfinite(own.low) and end.balanced >= own.low:
                text += ", which is within the best one's interval"
        lines.append(f"{text}.")
    return lines


def majority(question: Question) -> float:
    """Give the share of the test faces that the most frequent class of the fitted faces has."""
    fitted, tested = question.labels[question.rows("train")], question.labels[question.rows("test")]
    return float((tested == np.bincount(fitted).argmax()).mean())


def _counts(question: Question) -> dict[str, int]:
    return {split: len(question.rows(split)) for split in SPLITS}


def _records(probe: Probe, looking: Looking) -> Iterator[dict[str, Any]]:
    """List a record of each layer and target, numbers as they are."""
    network = probe.network
    for layer in probe.layers:
        for target, score in layer.scores.items():
            question = probe.questions[target]
            yield {
                "experiment": network.name,
                "state": "trained" if network.trained else "untrained",
                "layer": layer.layer,
                "layers": probe.depth,
                "map": "x".join(map(str, layer.grid)),
                "target": target,
                "classes": len(question.classes),
                **{f"n_{split}": count for split, count in _counts(question).items()},
                "accuracy": score.accuracy,
                "balanced_accuracy": score.balanced,
                "low": score.low,
                "high": score.high,
                "majority": majority(question),
                "strength": score.strength,
                **{key: looking.get(layer.layer, {}).get(key, math.nan) for key in LOOKING},
            }


def write_probe_csv(path: Path, probes: Sequence[tuple[Probe, Looking]]) -> None:
    """Write probes as csv, a line for each network, layer and target; shares are 0 to 1, unknown cells empty.

    Raises:
        StoreError: The disk refuses.
    """
    records = [record for probe, looking in probes for record in _records(probe, looking)]
    head = list(records[0])
    write_csv(path, head, [[harmless(_text(record[key])) for key in head] for record in records])


def _text(value: object) -> str:
    value = _rounded(value)
    return "" if value is None else str(value)


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None  # strengths are as small as 1e-8
    return value


def write_probe_json(path: Path, probes: Sequence[tuple[Probe, Looking]]) -> None:
    """Write probes as json: of each network how it was probed, and the records of the csv.

    Raises:
        StoreError: The disk refuses.
    """
    content = [
        {
            "experiment": probe.network.name,
            "state": "trained" if probe.network.trained else "untrained",
            "dataset": probe.network.experiment.dataset,
            "model": probe.network.experiment.model.model_dump(mode="json"),
            "weights": probe.network.weights,
            "weights_sha256": probe.network.weights_sha256 or None,
            "pool": probe.cells,
            "classes": {target: list(question.classes) for target, question in probe.questions.items()},
            "fer_au_version": __version__,
            "layers": [
                {key: _rounded(value) for key, value in record.items() if key not in ("experiment", "state")}
                for record in _records(probe, looking)
            ],
        }
        for probe, looking in probes
    ]
    write_atomically(path, (json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode())
