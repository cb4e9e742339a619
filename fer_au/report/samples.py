"""Lay out grids of pictures: single test images, and the average maps of each class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fer_au.evaluation.traits import head_turns, stored_traits
from fer_au.expressions import NEUTRAL, ordered
from fer_au.heat import Image, data_uri, overlay
from fer_au.report import statistics
from fer_au.report.collect import Dataset, Experiment
from fer_au.report.painter import FacePainter, mean_face

MAX_SHOWN = 24
_TILE_BUDGET = 900
_SAMPLES = 3
_MEAN_FACES = 48
_GOLDEN = 0.618
_HERO_CLASSES = 7


@dataclass(frozen=True)
class Tile:
    """Picture, or the reason why there is none.

    Attributes:
        uri: Data URI; None if there is nothing to show.
        alt: Text for readers who can't see the picture.
        note: Text in place of a missing picture.
    """

    uri: str | None
    alt: str
    note: str = ""


@dataclass(frozen=True)
class Answer:
    """Answer of one experiment to one image; ``module`` is the head's own map, None if the head makes none."""

    experiment: str
    attention: Tile
    module: Tile | None
    cam: Tile
    predicted: str
    probability: float
    right: bool


@dataclass(frozen=True)
class Sample:
    """Test image with all its pictures and answers."""

    id: str
    label: str
    face: Tile
    landmarks: Tile
    au_map: Tile
    answers: list[Answer | None]


@dataclass(frozen=True)
class AverageRow:
    """Row of the class averages: title, experiment, and a tile per class."""

    title: str
    experiment: str
    tiles: list[Tile]


@dataclass(frozen=True)
class Layout:
    """Number and size of the pictures that fit on the page.

    Attributes:
        experiments: Experiments whose pictures are shown: one per group, at most ``MAX_SHOWN``.
        per_class: Number of sample images of each class.
        side: Side of a tile in pixels.
    """

    experiments: list[Experiment]
    per_class: int
    side: int


def plan_layout(experiments: Sequence[Experiment], share: int) -> Layout:
    """Choose the pictures of one data set so that ``share`` data sets together stay within the page's size."""
    shown: dict[str, Experiment] = {}
    for experiment in experiments:
        shown.setdefault(experiment.config.group or f"\0{experiment.name}", experiment)
    kept = list(shown.values())[:MAX_SHOWN]
    classes = len({label for one in kept for label in one.classes})
    budget = _TILE_BUDGET // share
    heads = sum(one.module is not None for one in kept)
    per_row = 3 + heads + sum(1 + bool(one.cams) for one in kept)
    averages = classes * (2 + heads + sum(1 + len(one.cams) for one in kept))
    per_class = max(1, min(_SAMPLES, (budget - averages) // max(1, classes * per_row)))
    tiles = averages + classes * per_class * per_row
    return Layout(kept, per_class, 144 if tiles <= budget else max(64, int(144 * (budget / tiles) ** 0.5)))


def shown_cam(experiment: Experiment) -> str | None:
    """Choose the CAM of the sample grid: the model's own if it was computed, else the first."""
    return "native" if "native" in experiment.cams else next(iter(experiment.cams), None)


def sample_ids(experiment: Experiment, painter: FacePainter, per_class: int) -> dict[str, list[str]]:
    """Choose evaluated images of each class, evenly spread over the sorted ids, whatever the models answered."""
    chosen: dict[str, list[str]] = {}
    for place, label in enumerate(ordered(set(experiment.labels))):
        # Sorted ids often hold the same person at the same place of each class: start elsewhere in each.
        start = (0.5 + place * _GOLDEN) % 1
        rows = [id_ for id_, own in zip(experiment.results.ids, experiment.labels, strict=True) if own == label]
        usable = [id_ for id_ in rows if painter.has_face(id_)]
        count = min(per_class, len(usable))
        chosen[label] = [usable[int((k + start) * len(usable) / count)] for k in range(count)]
    return chosen


def sample_grid(layout: Layout, painter: FacePainter) -> dict[str, list[Sample]]:
    """Draw sample images by true class, each with the maps of every shown experiment."""
    chosen = sample_ids(layout.experiments[0], painter, layout.per_class)
    return {
        label: [_sample(id_, label, layout.experiments, painter) for id_ in ids] for label, ids in chosen.items() if ids
    }


def _sample(id_: str, label: str, experiments: Sequence[Experiment], painter: FacePainter) -> Sample:
    landmarks, au_map = painter.landmarks(id_), painter.au_map(id_)
    missing = "neutral: no AU map" if label == NEUTRAL else "no AU map"
    return Sample(
        id_,
        label,
        Tile(painter.face(id_), f"face {id_}"),
        Tile(landmarks, f"landmarks of {id_}", "no landmarks found"),
        Tile(au_map, f"AU map of {id_}, {label}", missing),
        [_answer(id_, label, experiment, painter) for experiment in experiments],
    )


def _answer(id_: str, label: str, experiment: Experiment, painter: FacePainter) -> Answer | None:
    row = experiment.results.index.get(id_)
    if row is None:
        return None
    cam = shown_cam(experiment)
    predicted = experiment.predictions[row]
    return Answer(
        experiment.name,
        attention_tile(id_, experiment, painter),
        _heat_tile(id_, experiment, "module", painter, "no map") if experiment.module else None,
        _heat_tile(id_, experiment, f"cam/{cam}" if cam else None, painter, "no CAM"),
        predicted,
        float(np.max(experiment.results["probabilities"][row])),
        predicted == label,
    )


def attention_tile(id_: str, experiment: Experiment, painter: FacePainter) -> Tile:
    """Draw the attention of the last stored layer over one face."""
    layer = experiment.layers[-1] if experiment.layers else None
    return _heat_tile(id_, experiment, f"attention/{layer}" if layer else None, painter, "no attention")


def _heat_tile(id_: str, experiment: Experiment, column: str | None, painter: FacePainter, missing: str) -> Tile:
    row = experiment.results.index.get(id_)
    if column is None or row is None:
        return Tile(None, "", missing)
    heat = np.asarray(experiment.results.rows(column, row, row + 1)[0], np.float32)
    return Tile(painter.heat(id_, heat), f"{column} of {experiment.name} on {id_}")


def class_averages(layout: Layout, dataset: Dataset, painter: FacePainter) -> tuple[list[str], list[AverageRow]]:
    """Draw average maps of each class on the class's average face (Figs. 6-9 of the AU-cue paper).

    Returns:
        Classes, and rows: AU map first, then attention and each CAM of every shown experiment, over all test images.
    """
    first = layout.experiments[0]
    classes = list(ordered(set(first.labels)))
    faces = {label: _average_face(label, first, painter) for label in classes}
    sources: list[tuple[str, str, Experiment, str | None]] = [("AU map", "", first, None)]
    for experiment in layout.experiments:
        shown = [*experiment.attention[-1:], *([experiment.module] if experiment.module else []), *experiment.cam_maps]
        for source in shown:
            title = f"attention, {source.title}" if source in experiment.attention else source.title
            sources.append((title, experiment.name, experiment, source.column))
    rows = []
    for title, name, experiment, column in sources:
        averages = statistics.class_averages(experiment, column)
        tiles = []
        for label in classes:
            average, face = averages.get(label), faces[label]
            missing = "no AU map" if column is None else "no image"
            uri = data_uri(overlay(face, average)) if average is not None and face is not None else None
            tiles.append(Tile(uri, f"average {title} {name} of {label}", missing))
        rows.append(AverageRow(title, name, tiles))
    return classes, rows


def _average_face(label: str, experiment: Experiment, painter: FacePainter) -> Image | None:
    ids = [id_ for id_, own in zip(experiment.results.ids, experiment.labels, strict=True) if own == label]
    usable = [id_ for id_ in ids if painter.has_face(id_)]
    step = max(1, len(usable) // _MEAN_FACES)
    return mean_face([painter.face_image(id_) for id_ in usable[::step]]) if usable else None


def hero(
    layout: Layout, samples: Mapping[str, list[Sample]], painter: FacePainter
) -> tuple[list[tuple[str, list[Tile]]], list[str]]:
    """Lay out the picture at the top: a face per expression, its AU map, and attention without and with guidance."""
    plain = next((one for one in layout.experiments if not one.config.guidance), None)
    guided = [one for one in layout.experiments if one.config.guidance]
    best = max(guided, key=lambda one: _or_low(one.number("att_ccos")), default=None)
    frontal = [_least_turned(rows, layout.experiments[0]) for rows in samples.values()]
    shown = [one for one in frontal if one.au_map.uri][:_HERO_CLASSES]
    rows = [("face", [one.face for one in shown]), ("AU map", [one.au_map for one in shown])]
    rows += [
        (experiment.name, [attention_tile(one.id, experiment, painter) for one in shown])
        for experiment in (plain, best)
        if experiment is not None
    ]
    return rows, [one.label for one in shown]


def _least_turned(samples: Sequence[Sample], experiment: Experiment) -> Sample:
    """Choose the sample whose head is turned least, whatever any model answered; the first where no pose is known."""
    traits = stored_traits(experiment.results)
    if "yaw" not in traits:
        return samples[0]
    turned = np.nan_to_num(head_turns(traits), nan=np.inf)
    place = {id_: row for row, id_ in enumerate(experiment.results.ids)}
    return min(samples, key=lambda one: float(turned[place[one.id]]))


def _or_low(value: float) -> float:
    return value if math.isfinite(value) else -math.inf
