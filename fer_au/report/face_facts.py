"""Say in words what each stage made of one face, a line for each thing that is known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fer_au.cues.codebook import recorded_codebook
from fer_au.expressions import NEUTRAL
from fer_au.report.dataset_summary import FACE_TEXT, LANDMARK_TEXT
from fer_au.report.face_record import FaceRecord, other_faces
from fer_au.results.changes import shorten
from fer_au.stores import FaceStatus, LandmarkStatus

_LEAST_UNIT = 0.05  # intensity of an action unit below which it is not named
_LEAST_OUTSIDE = 0.005  # share of a crop outside its picture below which it is not told
_SHORT_HASH = 12
_MOST_FACES = 5


class Fact(NamedTuple):
    """What something is of a face, in a word, and what is known of it."""

    name: str
    text: str


def face_facts(record: FaceRecord) -> list[Fact]:
    """List what is known of a face, from its picture to its AU map, then what is wrong with it."""
    return [
        *_of_the_row(record),
        *_of_the_crop(record),
        *_of_the_points(record),
        *_of_the_map(record),
        *_of_the_data_set(record),
        *_of_faults(record),
    ]


def _of_the_row(record: FaceRecord) -> Iterator[Fact]:
    row = record.row
    file = record.root / row.path if record.root is not None else row.path
    yield Fact("picture", f"{file}, {row.width} x {row.height} px, sha256 {row.sha256[:_SHORT_HASH]}…")
    known = {"split": row.split, "fold": row.fold, "person": row.subject}
    yield Fact("label", ", ".join([row.label, *(f"{name} {value}" for name, value in known.items() if value)]))
    if row.box is not None:
        yield Fact("given box", _box_text(row.box))


def _of_the_crop(record: FaceRecord) -> Iterator[Fact]:
    status = record.value("faces", "status")
    if status is None:
        yield Fact("crop", f"not made yet; run `dvc repro align@{record.dataset}`")
        return
    words = [FACE_TEXT[FaceStatus(int(status))]]
    if int(status) != FaceStatus.REJECTED:
        score, detector = float(record.value("faces", "score")), _decoded(record.value("faces", "detector"))
        if int(status) == FaceStatus.OK:
            words[0] += f" by {detector}" + (f", score {score:.2f}" if math.isfinite(score) else "")
            words.append(f"box {_box_text(record.value('faces', 'box'))}")
        words.append(_turn_text(record.value("faces", "matrix")))
        outside = record.value("faces", "outside")
        if outside is not None and math.isfinite(outside) and outside >= _LEAST_OUTSIDE:
            words.append(f"{float(outside):.0%} of the crop lies outside the picture")
    yield Fact("crop", "; ".join(word for word in words if word))


def _of_the_points(record: FaceRecord) -> Iterator[Fact]:
    status, store = record.value("landmarks", "status"), record.stores.get("landmarks")
    if status is None or store is None:
        yield Fact("landmarks", f"not made yet; run `dvc repro landmarks@{record.dataset}`")
        return
    words = f"{LANDMARK_TEXT[LandmarkStatus(int(status))]}, {store.attributes.get('extractor', 'extractor unknown')}"
    score = float(record.value("landmarks", "score"))
    yield Fact("landmarks", words + (f", score {score:.2f}" if math.isfinite(score) else ""))
    pose, residual = record.value("landmarks", "pose"), record.value("landmarks", "pose_residual")
    if pose is not None and np.isfinite(pose).all():
        fit = f", points {float(residual):.3f} inter-ocular distances from a head's" if residual is not None else ""
        yield Fact("pose", f"{_pose_text(pose)}{fit}")


def _of_the_map(record: FaceRecord) -> Iterator[Fact]:
    valid, store = record.value("heatmaps", "valid"), record.stores.get("heatmaps")
    if valid is None or store is None:
        yield Fact("AU map", f"not made yet; run `dvc repro heatmaps@{record.dataset}`")
        return
    codebook = recorded_codebook(store.attributes, store.path)
    units = codebook.expressions.get(record.row.label, {})
    if not valid:
        lost = "no landmarks" if units else f"codebook {codebook.name} has no entry"
        yield Fact("AU map", f"none: {'neutral faces have none' if record.row.label == NEUTRAL else lost}")
        return
    names = (f"AU{unit}" + (f" x {weight:g}" if weight != 1 else "") for unit, weight in sorted(units.items()))
    yield Fact("AU map", f"{record.row.label} = {' + '.join(names)}, codebook {codebook.name}")


def _of_the_data_set(record: FaceRecord) -> Iterator[Fact]:
    store = record.stores.get("annotations")
    if store is None:
        return
    words = []
    pose, tone = record.value("annotations", "pose"), record.value("annotations", "skin_tone")
    if pose is not None and np.isfinite(pose).all():
        words.append(f"pose {_pose_text(pose)}")
    if (units := record.value("annotations", "au")) is not None and np.isfinite(units).any():
        names = str(store.attributes.get("au_names", "")).split(",")
        found = {name: value for name, value in zip(names, units.tolist(), strict=True) if value > _LEAST_UNIT}
        words.append(" ".join(f"{name} {value:.2f}" for name, value in found.items()) or "no action unit")
    if (shares := record.value("annotations", "soft_label")) is not None and np.isfinite(shares).all():
        names = str(store.attributes.get("soft_label_names", "")).split(",")
        shown = {name: share for name, share in zip(names, shares.tolist(), strict=True) if share}
        words.append(", ".join(f"{share:.0%} {name}" for name, share in shown.items()))
    if tone is not None and math.isfinite(tone):
        words.append(f"skin tone {float(tone):.2f}")
    points = record.value("annotations", "points")
    if points is not None and np.isfinite(points).all():
        words.append("68 points of its own")
    if words:
        yield Fact("data set says", "; ".join(words))


def _of_faults(record: FaceRecord) -> Iterator[Fact]:
    for stage, reject in record.rejects.items():
        why = f"{reject.reason.value} ({reject.detail})" if reject.detail else reject.reason.value
        yield Fact("rejected", f"by {stage}: {why}; {record.folder / 'rejects' / f'{stage}.csv'}")
    for own, others in other_faces(record):
        named = shorten(others, _MOST_FACES)
        with_whom = f", with {named}" if named else ""
        yield Fact("leak", f"{own.kind}, {own.problem}{with_whom}; {record.folder / 'rejects' / 'leaks.csv'}")


def _box_text(box: object) -> str:
    x0, y0, x1, y1 = (float(value) for value in np.asarray(box, np.float64))
    return f"x {x0:.0f} to {x1:.0f}, y {y0:.0f} to {y1:.0f}"


def _turn_text(matrix: object) -> str:
    """Say how a similarity from the picture to the crop turns and scales; empty if it is not finite."""
    (a, b, _), _ = np.asarray(matrix, np.float64).tolist()
    if not (math.isfinite(a) and math.isfinite(b)):
        return ""
    turned = abs(math.degrees(math.atan2(b, a)))
    return f"turned by {turned:.1f} degrees, scaled by {math.hypot(a, b):.2f}"


def _pose_text(pose: object) -> str:
    yaw, pitch, roll = (round(float(value)) for value in np.asarray(pose, np.float64))
    return f"yaw {yaw}, pitch {pitch}, roll {roll} degrees"


def _decoded(value: bytes) -> str:
    return value.decode()
