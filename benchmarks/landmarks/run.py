"""Measure every detector with every extractor, on faces with known points."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter

import numpy as np

from benchmarks.landmarks.accuracy import FAILURE_LIMIT, WRONG_FACE_IOU, Accuracy, measure
from benchmarks.landmarks.faces import FaceSet, evenly
from benchmarks.landmarks.pairs import align_faces, find_points
from benchmarks.landmarks.speed import REPEATS, PairSeconds, Searched, one_thread, pair_seconds
from fer_au.compute import log
from fer_au.errors import ConfigError, MissingDependencyError
from fer_au.faces.alignment import Aligner
from fer_au.faces.detectors import list_detectors
from fer_au.faces.keypoints import Keypoints
from fer_au.landmarks.benchmark_results import ExtractorNote, LandmarkResults, PairResult
from fer_au.landmarks.extractors import EXTRACTORS, Extractor, create_extractor, extractor_card, list_extractors
from fer_au.machine import cpu_name

BASELINE = ("dlib-hog", "dlib68")
TEMPLATE, SIZE = "loose", 256
_PACKAGES = ("fer-au", "numpy", "opencv-python", "dlib-bin", "dlib", "torch")
_PROBE = 5  # pictures from which a detector's time is foreseen


@dataclass(frozen=True)
class Options:
    """Choice of what is measured.

    Attributes:
        detectors: Names of detectors; empty for all.
        extractors: Names of extractors; empty for all that look at pixels, and the floor.
        keypoints: Value of ``align.keypoints``.
        budget: Seconds that one detector may search; a slower one gets fewer faces, at even steps.
        timed: Number of pictures per timing.
    """

    detectors: tuple[str, ...] = ()
    extractors: tuple[str, ...] = ()
    keypoints: Keypoints = "dlib68"
    budget: float = 240.0
    timed: int = 40


def run(faces: FaceSet, options: Options) -> LandmarkResults:
    """Measure all pairs.

    Raises:
        ConfigError: A name that no registry has.
        MissingDependencyError: A part that was asked for by name lacks its package or weights.
    """
    load = os.getloadavg()[0]
    skipped: dict[str, str] = {}
    with one_thread():
        extractors = make_extractors(options, skipped)
        searched = search_faces(faces, options, skipped)
        accuracy: dict[tuple[str, str], Accuracy] = {}
        for detector, part in searched.items():
            for name, extractor in extractors.items():
                log(f"landmarks: {detector} + {name}")
                accuracy[detector, name] = measure(*find_points(extractor, part.crops), part.faces.truth)
        log("landmarks: timing")
        seconds = pair_seconds(searched, extractors, options.timed)
    return LandmarkResults(
        source=faces.source,
        images=len(faces),
        people=faces.people,
        keypoints=options.keypoints,
        template=TEMPLATE,
        size=SIZE,
        limit=FAILURE_LIMIT,
        wrong_face_iou=WRONG_FACE_IOU,
        baseline=BASELINE,
        timed=min(options.timed, len(faces)),
        repeats=REPEATS,
        processor=cpu_name(),
        cores=os.cpu_count() or 1,
        load=round(load, 2),
        versions=_versions(),
        pairs=tuple(_pair(*key, figures, seconds) for key, figures in accuracy.items()),
        skipped=skipped,
        extractors={name: _note(name) for name in extractors},
    )


def make_extractors(options: Options, skipped: dict[str, str]) -> dict[str, Extractor]:
    """Make the extractors to measure; one that lacks its weights is noted, or is an error if it was asked for."""
    names = options.extractors or [name for name in list_extractors() if not EXTRACTORS.get(name).needs]
    made: dict[str, Extractor] = {}
    for name in names:
        if EXTRACTORS.get(name).needs:
            raise ConfigError(f"landmark extractor {name!r} gives a data set's own points: there is nothing to measure")
        try:
            extractor = create_extractor(name)
            extractor.extract(np.zeros((1, SIZE, SIZE, 3), np.uint8))  # loads what it needs
        except MissingDependencyError as error:
            if options.extractors:
                raise
            skipped[name] = str(error)
        else:
            made[name] = extractor
    return made


def search_faces(faces: FaceSet, options: Options, skipped: dict[str, str]) -> dict[str, Searched]:
    """Let each detector search; a slow one gets as many faces as its budget allows."""
    searched: dict[str, Searched] = {}
    for name in options.detectors or list_detectors():
        log(f"landmarks: {name} searches")
        aligner = Aligner(detector=name, keypoints=options.keypoints, template=TEMPLATE, size=SIZE)
        try:
            align_faces(aligner, faces.take([0]))  # loads what it needs
            start = perf_counter()
            align_faces(aligner, faces.take(evenly(len(faces), _PROBE)))
        except MissingDependencyError as error:
            if options.detectors:
                raise
            skipped[name] = str(error)
            continue
        seconds = (perf_counter() - start) / min(_PROBE, len(faces))
        part = faces.take(evenly(len(faces), max(_PROBE, int(options.budget / seconds))))
        searched[name] = Searched(aligner, part, align_faces(aligner, part), seconds)
    return searched


def _pair(
    detector: str, extractor: str, accuracy: Accuracy, seconds: Mapping[tuple[str, str], PairSeconds]
) -> PairResult:
    own, base = seconds[detector, extractor], seconds.get(BASELINE)
    return PairResult(
        detector=detector,
        extractor=extractor,
        **vars(accuracy),
        detector_rate=_rate(own.detect),
        extractor_rate=_rate(own.extract),
        pair_rate=_rate(own.whole),
        relative=base.whole / own.whole if base and own.whole else None,
    )


def _rate(seconds: float) -> float:
    """Compute items per second; 0 where nothing was timed (no face found)."""
    return 1 / seconds if seconds > 0 else 0.0


def _note(name: str) -> ExtractorNote:
    card = extractor_card(name)
    return ExtractorNote(
        summary=card.summary,
        origin=card.origin,
        licence=card.licence,
        training_data=card.training_data,
        limits=card.limits,
    )


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
