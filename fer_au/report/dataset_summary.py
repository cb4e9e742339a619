"""Count what each data set holds and what each stage lost, for the data section."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from fer_au.expressions import ordered
from fer_au.faces.outside import Outside
from fer_au.rejects import Reject
from fer_au.report.collect import Dataset
from fer_au.report.leak_section import LeakPart, leak_parts
from fer_au.stores import FaceStatus, LandmarkStatus, Store

SPLITS = ("train", "valid", "test")
_FIRST_ROWS = 8

FACE_TEXT = {
    FaceStatus.OK: "face found",
    FaceStatus.WHOLE_IMAGE: "no face found, whole picture taken",
    FaceStatus.PLACED: "no face found, cut where the set's faces usually lie",
    FaceStatus.REJECTED: "rejected",
}
LANDMARK_TEXT = {
    LandmarkStatus.OK: "68 points found",
    LandmarkStatus.NO_FACE: "no crop to search",
    LandmarkStatus.NOT_FOUND: "no points found",
}


@dataclass(frozen=True)
class Part:
    """Part of the images: its text, its count, and count / total."""

    text: str
    count: int
    share: float


@dataclass(frozen=True)
class RejectTable:
    """Losses of one stage: counts of the reasons, most frequent first, and the first rows."""

    stage: str
    total: int
    reasons: list[Part]
    rows: list[Reject]


@dataclass(frozen=True)
class Summary:
    """Content of the data section of one data set.

    Attributes:
        name: Key of the data set.
        images: Number of rows of the manifest.
        subjects: Number of known persons; 0 if the set names none.
        splits: Splits that occur.
        classes: Class -> number of images per split.
        totals: Number of images per split.
        largest: Largest number of images of a class in a split, at least 1.
        faces: Parts by the detector's finding.
        outside: What the crops see beyond their pictures, in words; empty for stores of earlier releases.
        landmarks: Parts by the extractor's finding.
        au_maps: Parts with and without an AU map.
        rejects: Table of the rejected images of each stage.
        leaks: Photographs and persons in two splits or folds, or under two labels.
    """

    name: str
    images: int
    subjects: int
    splits: list[str]
    classes: dict[str, list[int]]
    totals: list[int]
    largest: int
    faces: list[Part]
    outside: str
    landmarks: list[Part]
    au_maps: list[Part]
    rejects: list[RejectTable]
    leaks: list[LeakPart]


def summarise(dataset: Dataset) -> Summary:
    """Count what a data set holds and lost."""
    counts: Counter[tuple[str, str]] = Counter((row.split, row.label) for row in dataset.manifest)
    splits = [split for split in SPLITS if any(key[0] == split for key in counts)]
    labels = ordered({row.label for row in dataset.manifest})
    valid = dataset.heatmaps["valid"].tolist()
    return Summary(
        dataset.name,
        len(dataset.manifest),
        len({row.subject for row in dataset.manifest if row.subject}),
        splits,
        {label: [counts[split, label] for split in splits] for label in labels},
        [sum(counts[split, label] for label in labels) for split in splits],
        max([1, *counts.values()]),
        _parts([FACE_TEXT[FaceStatus(value)] for value in dataset.faces["status"].tolist()]),
        _outside(dataset.faces),
        _parts([LANDMARK_TEXT[LandmarkStatus(value)] for value in dataset.landmarks["status"].tolist()]),
        _parts(["AU map" if value else "neutral, or no landmarks" for value in valid]),
        [_reject_table(stage, rejects) for stage, rejects in dataset.rejects.items()],
        leak_parts(dataset.leaks),
    )


def _outside(faces: Store) -> str:
    """Say how much of the crops lies outside their pictures, and where that is much, what to do."""
    if "outside" not in faces:
        return ""
    return Outside.of(faces["outside"]).sentence


def _parts(values: list[str]) -> list[Part]:
    total = max(1, len(values))
    ranked = sorted(Counter(values).items(), key=lambda pair: (-pair[1], pair[0]))
    return [Part(text, count, count / total) for text, count in ranked]


def _reject_table(stage: str, rejects: list[Reject]) -> RejectTable:
    return RejectTable(stage, len(rejects), _parts([reject.reason.value for reject in rejects]), rejects[:_FIRST_ROWS])
