"""Predict many pictures: workers find faces, this process classifies them, and keeps them until the table is whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from fer_au.compute import Progress, batched, in_order, log, open_workers
from fer_au.errors import ConfigError, DataError
from fer_au.faces.crops import decode_crop_bytes
from fer_au.models.config_file import CONFIG
from fer_au.predictor import Predictor, SeenFace
from fer_au.rejects import Reason, Reject, name_reasons
from fer_au.stores.locks import output_lock
from fer_au.terminal import counted
from fer_au.use.finding import FaceFinder, FacesOf, FoundFace
from fer_au.use.inputs import Source, find_sources, stamp_of
from fer_au.use.maps_file import keep_maps, write_maps
from fer_au.use.overlays import write_overlays
from fer_au.use.parts import MAPS, MODULE, Part, Parts
from fer_au.use.table import GIMEFIVE, header_of, left_out, lines_of, row_numbers

PART = 64
"""Pictures of a part. Its faces go through the network together, so that a run that goes on gives the same bytes."""
TASK = 16
"""Pictures of a worker's task: several parts' worth are under way while the network works."""

_VERSION = 1  # of the parts; raised when they are written otherwise
_LOCK_SECONDS = 10.0


@dataclass(frozen=True)
class Wanted:
    """What a prediction writes.

    Attributes:
        table: FILE.csv.
        form: Columns of the table, one of ``FORMATS``.
        every: Whether every face of a picture gets a row, or the one that the training would take.
        aligned: Whether the pictures are crops already, made as the training's.
        overlays: Folder of the overlays, if they are wanted.
        maps: FILE.npz of the maps, if they are wanted.
    """

    table: Path
    form: str = "full"
    every: bool = False
    aligned: bool = False
    overlays: Path | None = None
    maps: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a prediction.

    Attributes:
        pictures: Number of pictures.
        faces: Number of faces with an answer.
        faceless: Number of pictures in which no face was found.
        unused: Pictures that can't be used.
    """

    pictures: int
    faces: int
    faceless: int
    unused: tuple[Reject, ...]


def predict_pictures(model: Path, words: Sequence[str], wanted: Wanted, device: str | None = None) -> Outcome:
    """Classify the faces of pictures by a trained model, and write the table.

    A run that was killed goes on where it was: finished parts lie in ``FILE.csv.parts`` until the table is whole. A
    part is found by all that decides it: the model, the options, and path, size and time of change of its pictures.

    Args:
        model: Folder of the model.
        words: Files, folders and patterns, see ``find_sources``.
        wanted: What to write.
        device: Device of the model; default a GPU if there is one.

    Raises:
        ConfigError: Options that exclude each other, or a format that needs other classes.
        DataError: The model can't be loaded, or a word names nothing.
        MissingDependencyError: The aligner's detector or its weights are not installed.
        StoreError: The disk refuses, or another run writes the table.
    """
    if wanted.form == GIMEFIVE and wanted.every:
        raise ConfigError(f"--format {GIMEFIVE} has one row per picture: leave out --faces all")
    sources, notes = find_sources(words)
    predictor = Predictor.load(model, device)
    header = header_of(wanted.form, predictor.model.classes)
    finder = _finder(predictor, wanted)
    for note in notes:
        log(note)
    if names := left_out(wanted.form, predictor.model.classes):
        log(f"--format {wanted.form} has no column for {', '.join(names)}: the others don't sum to 1")
    groups = batched(sources, PART)
    with output_lock(wanted.table, _LOCK_SECONDS):
        parts = Parts(wanted.table, tuple(_keys(model, wanted, groups)))
        _compute(predictor, finder, wanted, groups, parts)
        outcome = _count(parts, len(sources))
        if wanted.maps is not None:
            write_maps(wanted.maps, parts, _map_shapes(predictor))
        parts.assemble(header)
        parts.remove()
    return outcome


def _finder(predictor: Predictor, wanted: Wanted) -> FaceFinder:
    """Make the finder of the model's crops, and see that it has what it needs before any picture is opened."""
    if wanted.aligned:
        if predictor.model.views > 1:
            raise DataError("the model sees each face and the whole picture: give pictures, without --aligned")
        return FaceFinder(None)
    if predictor.aligner is None:
        raise DataError("the model's config.json doesn't tell how its crops were made; give crops, and say --aligned")
    predictor.aligner.check()
    return FaceFinder(predictor.aligner, wanted.every)


def _keys(model: Path, wanted: Wanted, groups: Sequence[Sequence[Source]]) -> Iterator[str]:
    """Hash what decides each part."""
    options = {
        "version": _VERSION,
        "model": hashlib.sha256((model / CONFIG).read_bytes()).hexdigest(),  # which holds the hash of the weights
        "form": wanted.form,
        "every": wanted.every,
        "aligned": wanted.aligned,
        "overlays": str(wanted.overlays and wanted.overlays.absolute()),
        "maps": wanted.maps is not None,
    }
    for number, group in enumerate(groups):
        deciding = [options, number, [stamp_of(source) for source in group]]
        yield hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:32]


def _compute(
    predictor: Predictor, finder: FaceFinder, wanted: Wanted, groups: Sequence[Sequence[Source]], parts: Parts
) -> None:
    """Compute and keep the parts that are not there yet."""
    lacking = parts.lacking()
    total = sum(len(groups[number]) for number in lacking)
    if done := sum(map(len, groups)) - total:
        before = counted(done, "picture was", "pictures were")
        log(f"{wanted.table}: {before} done before, {counted(total, 'is', 'are')} left")
    tasks = [task for number in lacking for task in batched(groups[number], TASK)]
    with Progress("predict", total, "pictures") as progress, open_workers(len(tasks), runs=finder) as workers:
        found = in_order(workers.executor, finder, tasks, workers.in_flight)
        for number in lacking:
            own = range(0, len(groups[number]), TASK)
            pictures = [picture for some in islice(found, len(own)) for picture in some]
            part = _finish(predictor, wanted, pictures, parts, number)
            progress.advance(len(pictures), len(part.unused))


def _finish(predictor: Predictor, wanted: Wanted, pictures: list[FacesOf], parts: Parts, number: int) -> Part:
    """Classify the faces of a part, and keep all that is wanted of them."""
    faces = [face for index, picture in enumerate(pictures) for face in seen_faces(picture.faces, index)]
    prediction = predictor.answer(faces, [picture.path for picture in pictures], PART)
    if wanted.overlays is not None:
        write_overlays(wanted.overlays, prediction, pictures, number * PART)
    if wanted.maps is not None:
        keep_maps(parts, number, MAPS, prediction.maps)
        keep_maps(parts, number, MODULE, np.zeros(0, np.float32) if prediction.module is None else prediction.module)
    part = Part(
        rows=sum(max(len(picture.faces), 1) for picture in pictures),
        faces=tuple(row_numbers(prediction, pictures)),
        unused=tuple(
            Reject(one.path, Reason(one.reason), one.detail)
            for one in pictures
            if one.reason and one.reason != Reason.NO_FACE
        ),
        faceless=sum(one.reason == Reason.NO_FACE for one in pictures),
        lines=lines_of(wanted.form, prediction, pictures),
    )
    parts.keep(number, part)
    return part


def seen_faces(faces: Sequence[FoundFace], index: int) -> Iterator[SeenFace]:
    """Unpack the faces of a picture, which workers found, for ``Predictor.answer``.

    Args:
        faces: Faces.
        index: Index of the picture.
    """
    for face in faces:
        context = decode_crop_bytes(face.context) if face.context else None
        crop = decode_crop_bytes(face.crop)
        yield SeenFace(crop, context, face.matrix, face.found, index, face.box, face.detector, face.score)


def _map_shapes(predictor: Predictor) -> dict[str, tuple[int, ...]]:
    """Find rows and columns of the model's maps by one look at a grey crop."""
    side = predictor.preprocess.image_size
    grey = np.full((side, side, 3), 128, np.uint8)
    context = grey if predictor.model.views > 1 else None
    box = (0.0, 0.0, float(side), float(side))
    probe = predictor.answer([SeenFace(grey, context, np.eye(2, 3), True, 0, box)], [""])
    shapes = {MAPS: probe.maps.shape[1:]}
    return shapes if probe.module is None else {**shapes, MODULE: probe.module.shape[1:]}


def _count(parts: Parts, pictures: int) -> Outcome:
    faces = faceless = 0
    unused: list[Reject] = []
    for part in parts.every():
        faces += len(part.faces)
        faceless += part.faceless
        unused += part.unused
    return Outcome(pictures, faces, faceless, tuple(unused))


def outcome_lines(outcome: Outcome, wanted: Wanted) -> Iterator[str]:
    """Say in words what came of a prediction."""
    yield f"{wanted.table}: {counted(outcome.faces, 'face')} of {counted(outcome.pictures, 'picture')}"
    if outcome.faceless:
        what = "no row of an answer" if wanted.every else "the whole picture, or the usual place, was taken"
        yield f"{outcome.faceless} without a face that was found: {what} (reason {Reason.NO_FACE.value})"
    if outcome.unused:
        yield f"{len(outcome.unused)} can't be used: {name_reasons(outcome.unused)}"
