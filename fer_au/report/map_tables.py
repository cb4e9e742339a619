"""Tabulate where maps lie on the face, and how they fit the true motion: a row for each kind of maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fer_au.cues.regions import REGIONS
from fer_au.expressions import ordered
from fer_au.report.collect import Experiment
from fer_au.results.references import REFERENCES


@dataclass(frozen=True)
class MapRow:
    """Row of one kind of maps.

    Attributes:
        experiment: Experiment whose maps they are; empty for a reference.
        title: Name of the maps.
        values: Score for each column; NaN where undefined.
    """

    experiment: str
    title: str
    values: list[float]


@dataclass(frozen=True)
class MapTable:
    """Scores of the maps of some experiments, and of references; no rows if nothing was scored."""

    columns: list[str]
    rows: list[MapRow]


def region_table(experiments: Sequence[Experiment]) -> MapTable:
    """Tabulate the shares of maps on regions; the area of each region and the AU map stand first."""
    first = experiments[0]
    references = {"area of the region": "baseline.blank.region.{}", "AU map": "ceiling.region.{}"}
    rows = [_row(first, "", title, [place.format(region) for region in REGIONS]) for title, place in references.items()]
    for one in experiments:
        shown = [*one.attention[-1:], *([one.module] if one.module else []), *one.cam_maps]
        rows += [_row(one, one.name, own.title, [own.place.format(region) for region in REGIONS]) for own in shown]
    return MapTable(list(REGIONS), _scored(rows))


def truth_table(experiments: Sequence[Experiment]) -> MapTable:
    """Tabulate the agreement of maps with the true motion: AUC, centred cosine, and the latter of each expression."""
    keys = [key for one in experiments for key in one.metrics if key.startswith("truth.au.ccos.")]
    labels = list(ordered({key.rsplit(".", 1)[1] for key in keys}))
    scores = ["auc", "ccos", *(f"ccos.{label}" for label in labels)]
    first = experiments[0]
    references = {"true motion on the layer’s grid": "ceiling", "AU map": "au"}
    references |= {words: name for name, words in REFERENCES.items() if name != "ceiling"}
    rows = [_truth_row(first, "", title, name, scores) for title, name in references.items()]
    for one in experiments:
        rows += [_truth_row(one, one.name, own.title, own.truth, scores) for own in one.maps]
    return MapTable(["AUC", "centred cosine", *labels], _scored(rows))


def _truth_row(experiment: Experiment, name: str, title: str, truth: str, scores: Sequence[str]) -> MapRow:
    return _row(experiment, name, title, [f"truth.{truth}.{score}" for score in scores])


def _row(experiment: Experiment, name: str, title: str, keys: Sequence[str]) -> MapRow:
    return MapRow(name, title, [experiment.number(key) for key in keys])


def _scored(rows: Sequence[MapRow]) -> list[MapRow]:
    return [row for row in rows if any(math.isfinite(value) for value in row.values)]
