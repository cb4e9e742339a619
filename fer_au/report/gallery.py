"""Pack the gallery of a data set for the page's script: faces, maps on their own grids, answers and scores.

Maps are 8 bits per cell, each stretched to its own range as everywhere on the page, and no finer than 28 x 28 cells;
the script enlarges and colours them. What a browser can compute of these (predictions, order, filters) is not stored.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.cues.regions import REGIONS, region_labels
from fer_au.evaluation.slices import cut_slices
from fer_au.evaluation.traits import stored_traits
from fer_au.expressions import ordered
from fer_au.faces.crops import decode_crop
from fer_au.glossary import look_up, rank
from fer_au.heat import fit, stretch
from fer_au.report.collect import Dataset, Experiment, Project
from fer_au.report.gallery_choice import choose_images
from fer_au.report.page_script import Block, bytes_block, json_block
from fer_au.report.samples import plan_layout
from fer_au.report.slice_section import slice_words
from fer_au.resizing import resize_maps
from fer_au.stores import FaceStatus, LandmarkStatus

_SIDE = 160  # pixels of a face
_QUALITY = 76
_FINEST = 28  # cells; the grid on which maps are compared with AU maps, unless heatmaps.size says otherwise
_BUDGET = 6_000_000  # bytes of all galleries of a page that nobody asked for a number of images
_FEWEST, _MOST = 60, 500  # images of a data set, then
_FACE_BYTES = 5000  # about, for that budget
_ALL_MAPS = 8  # experiments; of more, the maps of one of each group are kept
_POINT_UNIT = 10_000  # of a crop's side
_NO_POINT = -(2**15)
_OUTLINE_SIDE = 128
_OUTLINE_TOLERANCE = 0.6

ANSWER_SCORES = {
    "confidence": "Probability of the class that the model predicts.",
    "true_class": "Probability of the true class; none if the model doesn't know it.",
    "entropy": "Entropy of the probabilities in bits: 0 where the model is sure; where it has no idea, log2 of the "
    "number of classes.",
}


@dataclass(frozen=True)
class Gallery:
    """Gallery of one data set.

    Attributes:
        name: Key of the data set.
        shown: Number of its images.
        total: Number of test images that any experiment answered.
        untested: Classes of the models that no test image is of.
        blocks: Data for the script.
    """

    name: str
    shown: int
    total: int
    untested: list[str]
    blocks: list[Block]


def galleries(project: Project, images: int | None) -> list[Gallery]:
    """Pack the galleries of all data sets, with at most so many images each; None takes what fits a page of some MB."""
    return [_gallery(project.datasets[name], project.of_dataset(name), images, project) for name in project.datasets]


def _gallery(dataset: Dataset, experiments: list[Experiment], images: int | None, project: Project) -> Gallery:
    known = {id_ for one in experiments for id_ in one.results.ids}
    rejected = np.asarray(dataset.faces["status"]) == FaceStatus.REJECTED
    usable = [id_ for id_, lost in zip(dataset.faces.ids, rejected, strict=True) if id_ in known and not lost]
    mapped = experiments
    if len(experiments) > _ALL_MAPS:
        mapped = plan_layout(experiments, len(project.datasets)).experiments
    count = images if images is not None else _fitting(mapped, _BUDGET // len(project.datasets))
    ids = choose_images(experiments, usable, count)
    classes = ordered(
        {*(label for one in experiments for label in one.labels), *(c for one in experiments for c in one.classes)}
    )
    labels = {id_: label for one in experiments for id_, label in zip(one.results.ids, one.labels, strict=True)}
    prefix = f"gallery/{dataset.name}"
    kept = {one.name for one in mapped}
    packed = [_experiment(one, ids, labels, classes, prefix, one.name in kept) for one in experiments]
    faces, sides = _faces(dataset, ids)
    points = _found_points(dataset, ids, sides)
    outlines, offsets = _outlines(points)
    au_maps, side = _au_maps(dataset, ids)
    meta = {
        "name": dataset.name,
        "total": len(usable),
        "classes": classes,
        "regions": REGIONS[:-1],
        "ids": ids,
        "labels": [classes.index(labels[id_]) for id_ in ids],
        "auSide": side,
        "outlineSide": _OUTLINE_SIDE,
        "outlineOffsets": offsets,
        "pointUnit": _POINT_UNIT,
        "traits": _traits(experiments, ids),
        "experiments": [own for own, _ in packed],
        "scores": _glossary(sorted({key for own, _ in packed for key in own["scores"]}, key=_place)),
    }
    blocks = [
        json_block(prefix, meta),
        json_block(f"{prefix}/faces", faces),
        bytes_block(f"{prefix}/points", _packed_points(points)),
        bytes_block(f"{prefix}/outlines", outlines),
        bytes_block(f"{prefix}/au", au_maps),
        *(block for _, own in packed for block in own),
    ]
    untested = [label for label in classes if label not in labels.values()]
    return Gallery(dataset.name, len(ids), len(usable), untested, blocks)


def _fitting(mapped: Sequence[Experiment], budget: int) -> int:
    """Count the images whose data takes about ``budget`` bytes as base64."""
    of_an_image = float(_FACE_BYTES)
    for one in mapped:
        sides = (min(_FINEST, max(one.results.specs[source.column].shape[1:3])) for source in one.maps)
        of_an_image += sum(side**2 for side in sides) + 4 * len(_score_keys(one, full=True))
    return int(np.clip(budget / (of_an_image * 4 / 3), _FEWEST, _MOST))


def _experiment(
    one: Experiment, ids: Sequence[str], labels: dict[str, str], classes: Sequence[str], prefix: str, full: bool
) -> tuple[dict[str, Any], list[Block]]:
    """Pack one experiment's answers, scores and, if ``full``, its maps."""
    rows = np.array([one.results.index.get(id_, -1) for id_ in ids], np.int64)
    scores = _scores(one, rows, [labels[id_] for id_ in ids], full=full)
    name = f"{prefix}/{one.name}"
    maps = {source.column: _maps(one, source.column, rows) for source in one.maps} if full else {}
    meta = {
        "name": one.name,
        "classes": [classes.index(label) for label in one.classes],
        "guided": bool(one.config.guidance),
        "scores": list(scores),
        "maps": [
            {"key": source.column, "title": source.title, "rows": shape[0], "columns": shape[1]}
            for source in one.maps
            if full
            for shape in [maps[source.column].shape[1:]]
        ],
    }
    blocks = [
        bytes_block(f"{name}/probabilities", _probabilities(one, rows).astype("<f4").tobytes()),
        bytes_block(f"{name}/scores", np.array(list(scores.values())).astype("<f4").tobytes()),
        *(bytes_block(f"{name}/{column}", own.tobytes()) for column, own in maps.items()),
    ]
    return meta, blocks


def _probabilities(one: Experiment, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Take probabilities (n, classes); NaN where the experiment didn't answer (row -1)."""
    taken = np.asarray(one.results["probabilities"], np.float64)[np.maximum(rows, 0)]
    return np.where((rows >= 0)[:, None], taken, np.nan)


def _score_keys(one: Experiment, *, full: bool) -> list[str]:
    """List the scores of single images that are kept: all, or those of no single layer or CAM."""
    keys = [name.removeprefix("score/") for name in one.results.columns if name.startswith("score/")]
    return [key for key in keys if full or not key.startswith(("layer.", "cam_"))]


def _scores(
    one: Experiment, rows: NDArray[np.int64], labels: Sequence[str], *, full: bool
) -> dict[str, NDArray[np.float64]]:
    """Take the scores of single images, (n,) each, NaN where there is none: of the answer, then of maps."""
    probabilities = _probabilities(one, rows)
    own = {label: place for place, label in enumerate(one.classes)}
    true_class = [probabilities[k, own[label]] if label in own else np.nan for k, label in enumerate(labels)]
    entropy = -(probabilities * np.log2(np.maximum(probabilities, 1e-30))).sum(axis=1)
    answers = (probabilities.max(axis=1), np.array(true_class, np.float64), np.maximum(entropy, 0.0))
    found = dict(zip(ANSWER_SCORES, answers, strict=True))
    for key in _score_keys(one, full=full):
        values = one.image_scores(key)
        found[key] = np.where(rows >= 0, values[np.maximum(rows, 0)], np.nan)
    return found


def _maps(one: Experiment, column: str, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Take maps (n, h, w), 255 where each is highest; zero where the experiment has none."""
    known = np.flatnonzero(rows >= 0)
    taken = _packed(np.asarray(one.results.take(column, rows[known]), np.float32))
    packed = np.zeros((len(rows), *taken.shape[1:]), np.uint8)
    packed[known] = taken
    return packed


def _packed(maps: NDArray[np.float32]) -> NDArray[np.uint8]:
    finest = (min(_FINEST, maps.shape[1]), min(_FINEST, maps.shape[2]))
    if finest != maps.shape[1:]:
        maps = np.asarray(resize_maps(maps, finest), np.float32)
    return np.rint(stretch(maps) * 255).astype(np.uint8)


def _au_maps(dataset: Dataset, ids: Sequence[str]) -> tuple[bytes, int]:
    """Take the AU maps; zero where an image has none. Returns them with their side."""
    rows = np.array([dataset.heatmaps.index[id_] for id_ in ids], np.int64)
    valid = np.asarray(dataset.heatmaps["valid"])[rows]
    packed = _packed(np.asarray(dataset.heatmaps.take("map", rows), np.float32)) * valid[:, None, None].astype(np.uint8)
    return packed.tobytes(), packed.shape[1]


def _faces(dataset: Dataset, ids: Sequence[str]) -> tuple[list[str], list[int]]:
    """Encode the crops as WebP in base64; small ones keep their size. Returns them with the sides of the crops."""
    encoded, sides = [], []
    for id_ in ids:
        crop = decode_crop(dataset.faces, dataset.faces.index[id_])
        sides.append(crop.shape[0])
        image = fit(crop, min(_SIDE, sides[-1]))
        done, buffer = cv2.imencode(".webp", image[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
        if not done:
            raise RuntimeError("OpenCV has no WebP encoder")
        encoded.append(base64.b64encode(buffer.tobytes()).decode("ascii"))
    return encoded, sides


def _found_points(dataset: Dataset, ids: Sequence[str], sides: Sequence[int]) -> NDArray[np.float64]:
    """Take the 68 points as shares of the crop's side, (n, 68, 2); NaN where none were found."""
    rows = np.array([dataset.landmarks.index[id_] for id_ in ids], np.int64)
    found = np.asarray(dataset.landmarks["status"])[rows] == LandmarkStatus.OK
    points = np.asarray(dataset.landmarks.take("points", rows), np.float64)
    shares = points / np.array(sides, np.float64).reshape(-1, 1, 1)
    return np.where(found[:, None, None], shares, np.nan)


def _packed_points(points: NDArray[np.float64]) -> bytes:
    """Pack points as 16-bit numbers of x and y."""
    units = np.clip(np.rint(points * _POINT_UNIT), -32_000, 32_000)
    return np.where(np.isfinite(units), units, _NO_POINT).astype("<i2").tobytes()


def _outlines(points: NDArray[np.float64]) -> tuple[bytes, list[int]]:
    """Trace the regions of a face: polygons of region, number of corners, and x and y of each, a byte each.

    Returns:
        The bytes, and for each image where its polygons begin; one more number says where the last ends.
    """
    packed, offsets = bytearray(), [0]
    for face in points:
        (labels,) = region_labels(face[None], 1.0, _OUTLINE_SIDE)
        for number, region in enumerate(REGIONS[:-1]):
            mask = labels == number if region != "face" else (labels >= 0) & (labels != REGIONS.index("background"))
            found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            for outline in found:
                corners = cv2.approxPolyDP(outline, _OUTLINE_TOLERANCE, True)[:255, 0]
                packed += bytes([number, len(corners), *corners.astype(np.uint8).ravel().tolist()])
        offsets.append(len(packed))
    return bytes(packed), offsets


def _traits(experiments: Sequence[Experiment], ids: Sequence[str]) -> list[dict[str, Any]]:
    """List the slices that hold images, by trait; an image is cut by the first experiment that answered it.

    A trait by which the images don't differ is left out.
    """
    places = {id_: place for place, id_ in enumerate(ids)}
    members: dict[str, set[int]] = {}
    for one in experiments:
        own = [(row, places.pop(id_)) for row, id_ in enumerate(one.results.ids) if id_ in places]
        for cut in cut_slices(stored_traits(one.results)):
            members.setdefault(cut.name, set()).update(place for row, place in own if cut.rows[row])
    traits: dict[str, dict[str, Any]] = {}
    for name, found in members.items():
        if not found:
            continue
        title, part = slice_words(name)
        trait = traits.setdefault(name.partition(".")[0], {"key": name.partition(".")[0], "title": title, "parts": []})
        trait["parts"].append({"key": name.partition(".")[2], "title": part, "images": sorted(found)})
    return [trait for trait in traits.values() if len(trait["parts"]) > 1]


def _place(key: str) -> tuple[int, int, str]:
    """Order scores: of the answer, then as the page explains them."""
    answers = list(ANSWER_SCORES)
    return (0, answers.index(key), key) if key in answers else (1, rank(key), key)


def _glossary(keys: Sequence[str]) -> list[dict[str, str]]:
    """Explain scores for readers: their family and their meaning."""
    told = {key: ("The answer", ANSWER_SCORES[key]) if key in ANSWER_SCORES else look_up(key) for key in keys}
    return [{"key": key, "family": family, "meaning": meaning} for key, (family, meaning) in told.items()]
