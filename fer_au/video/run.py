"""Watch a video through a model: workers find faces, this process classifies, draws and writes, frame after frame."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.atomic import AtomicFile
from fer_au.compute import Progress, in_order, open_workers, worker_count
from fer_au.compute.base import Workers
from fer_au.ending import uninterrupted
from fer_au.errors import ConfigError, DataError
from fer_au.landmarks import create_extractor
from fer_au.predictor import Predictor
from fer_au.rejects import Reason
from fer_au.stores.locks import output_lock
from fer_au.terminal import counted
from fer_au.video.answering import NO_MAP, Answerer, Moment
from fer_au.video.drawing import Drawer
from fer_au.video.footage import Footage, Frame
from fer_au.video.looking import FrameLooker, LookedFace
from fer_au.video.smoothing import Smoothing
from fer_au.video.source import open_source
from fer_au.video.table import TableWriter
from fer_au.video.timeline import Timeline
from fer_au.video.writing import VideoWriter, open_video

BATCH = 4
"""Frames whose faces go through the network together, where nobody waits for them."""

SMOOTHING = Smoothing("ema", 0.6)
"""Smoothing unless another one is asked for."""

_EXTRACTOR = "dlib68"
_MANY = 1 << 30  # frames, for workers that needn't know how many come
_LOCK_SECONDS = 10.0


@dataclass(frozen=True)
class Wanted:
    """What is made of a video.

    Attributes:
        video: File of the annotated copy, ``.mp4``, ``.mov`` or ``.mkv``.
        table: FILE.csv of the answers; default beside the video.
        figure: File of the timeline, ``.png`` or ``.svg``; default beside the video.
        every: Each how many frames one is looked at, the first one always; those between show its faces.
        smoothing: How the probabilities that are shown are smoothed.
        overlay: Map that is laid over faces: ``none``, ``attention``, or a CAM.
        points: Whether the 68 points are drawn.
        panel: Whether the scores of all classes are drawn.
        all_faces: Whether all faces are shown, or the one that the training would take.
        seconds: Length of what is taken; None for all.
    """

    video: Path
    table: Path | None = None
    figure: Path | None = None
    every: int = 1
    smoothing: Smoothing = SMOOTHING
    overlay: str = NO_MAP
    points: bool = False
    panel: bool = True
    all_faces: bool = True
    seconds: float | None = None

    @property
    def csv(self) -> Path:
        """File of the answers."""
        return self.table or self.video.with_suffix(".faces.csv")

    @property
    def plot(self) -> Path:
        """File of the timeline."""
        return self.figure or self.video.with_suffix(".timeline.png")


@dataclass(frozen=True)
class Outcome:
    """What came of a video.

    Attributes:
        frames: Number of frames that were written.
        measured: Number of those that were looked at.
        faceless: Number of those without a face.
        faces: Number of faces that were followed.
        notes: What people should know of the files.
        fault: What ended the frames early; empty if nothing did.
        interrupted: Whether Ctrl-C ended them, where a source has no end of its own.
    """

    frames: int
    measured: int
    faceless: int
    faces: int
    notes: tuple[str, ...]
    fault: str
    interrupted: bool


def watch(model: Path, source: str, wanted: Wanted, device: str | None = None) -> Outcome:
    """Show a trained model on a video: an annotated copy, a table with a row per face and frame, a timeline.

    Each file takes its name when it is whole. Where the source breaks, what was read before is kept; Ctrl-C leaves
    nothing, but ends a source that has no end of its own.

    Args:
        model: Folder of the model.
        source: A file, a named pipe, ``-`` for standard input, or the number of a camera.
        wanted: What is made.
        device: Device of the model; default a GPU if there is one.

    Raises:
        FerAuError: Nothing of the source can be read, the model can't be used, or a file can't be written.
    """
    _check_files(source, wanted)
    predictor = Predictor.load(model, device)
    answerer = Answerer(predictor, wanted.overlay, wanted.smoothing)
    looker = _looker(predictor, wanted)
    timeline = Timeline(predictor.model.classes)
    with ExitStack() as stack:
        for path in sorted({wanted.video, wanted.csv, wanted.plot}):
            stack.enter_context(output_lock(path, _LOCK_SECONDS))
        footage = stack.enter_context(open_source(source))
        workers = stack.enter_context(open_workers(footage.total or _MANY, worker_count(), runs=looker))
        with ExitStack() as opened:
            files = _Files(opened, footage, predictor, wanted, timeline)
            interrupted = files.write_all(_moments(footage, looker, answerer, workers, wanted))
        timeline.draw(wanted.plot, Path(footage.name).name)
    return files.outcome(interrupted=interrupted)


def _check_files(source: str, wanted: Wanted) -> None:
    """Refuse to write over what is read, or two things into one file."""
    for path in (wanted.video, wanted.csv, wanted.plot):
        if path.exists() and Path(source).exists() and path.samefile(source):
            raise ConfigError(f"{path}: it is the video that is read; name another file")


def _looker(predictor: Predictor, wanted: Wanted) -> FrameLooker:
    if predictor.aligner is None:
        raise DataError("the model's config.json doesn't tell how its crops were made; no face can be cut out alike")
    predictor.aligner.check()
    return FrameLooker(predictor.aligner, wanted.all_faces, create_extractor(_EXTRACTOR) if wanted.points else None)


def _moments(
    footage: Footage, looker: FrameLooker, answerer: Answerer, workers: Workers, wanted: Wanted
) -> Iterator[Moment]:
    """Read frames, have workers find the faces of some ahead of time, and answer for them in their order."""
    ahead: deque[Frame] = deque()

    def tasks() -> Iterator[NDArray[np.uint8] | None]:
        begin: float | None = None
        for frame in footage.frames():
            begin = frame.time if begin is None else begin
            if wanted.seconds is not None and frame.time - begin >= wanted.seconds:
                return
            ahead.append(frame)
            yield frame.image if frame.number % wanted.every == 0 else None

    batch: list[tuple[Frame, bool, list[LookedFace]]] = []
    for faces in in_order(workers.executor, looker, tasks(), workers.in_flight):
        frame = ahead.popleft()
        batch.append((frame, frame.number % wanted.every == 0, faces))
        if len(batch) == BATCH or footage.live:
            yield from answerer.answer(batch)
            batch = []
    yield from answerer.answer(batch)


class _Files:
    """The files of a video while they are written.

    Args:
        opened: Closes the files, which then take their names.
        footage: Source of the frames.
        predictor: Model.
        wanted: What is made.
        timeline: Keeps what is drawn at the end.
    """

    def __init__(
        self, opened: ExitStack, footage: Footage, predictor: Predictor, wanted: Wanted, timeline: Timeline
    ) -> None:
        self._opened, self._footage, self._wanted, self._timeline = opened, footage, wanted, timeline
        self._classes, self._aligner = predictor.model.classes, predictor.aligner
        file = opened.enter_context(AtomicFile(wanted.csv))
        self._table = TableWriter(file, self._classes, smoothed=wanted.smoothing.changes)
        self._shown: tuple[Drawer, VideoWriter] | None = None
        self._frames = self._measured = self._faceless = 0

    def write_all(self, moments: Iterator[Moment]) -> bool:
        """Write frames and rows to the source's end, and tell whether it was Ctrl-C."""
        total, seconds, interrupted = self._footage.total, self._wanted.seconds, False
        if seconds is not None and total:
            total = min(total, math.ceil(seconds * self._footage.rate))
        try:
            with Progress("video", total or None, "frames") as progress:
                for moment in moments:
                    with uninterrupted():  # half a packet would spoil the file
                        self._write(moment)
                    progress.advance(1)
        except KeyboardInterrupt:
            if not self._footage.live or not self._frames:
                raise
            interrupted = True
        if self._footage.fault is not None:
            self._table.end_early(self._frames, *self._footage.fault)
        return interrupted

    def _write(self, moment: Moment) -> None:
        """Write a frame, and its rows if it was looked at."""
        if moment.measured:
            self._table.write(moment)
            self._timeline.add(moment)
            self._measured += 1
            self._faceless += not moment.faces
        drawer, writer = self._shown = self._shown or self._open(moment.frame)
        writer.write(moment.frame, drawer.draw(moment))
        self._frames += 1

    def _open(self, first: Frame) -> tuple[Drawer, VideoWriter]:
        """Open the video and prepare to draw, now that the size of its frames is known."""
        size = (first.image.shape[0], first.image.shape[1])
        overlay = "" if self._wanted.overlay == NO_MAP else self._wanted.overlay
        crop = self._aligner.size if self._aligner is not None else 1
        drawer = Drawer(self._classes, size, crop, overlay, panel=self._wanted.panel)
        return drawer, self._opened.enter_context(open_video(self._wanted.video, self._footage, size))

    def outcome(self, *, interrupted: bool) -> Outcome:
        """Say what came of it."""
        fault = self._footage.fault
        return Outcome(
            self._frames,
            self._measured,
            self._faceless,
            self._timeline.faces,
            tuple(self._shown[1].notes) if self._shown else (),
            fault[1] if fault else "",
            interrupted,
        )


def outcome_lines(outcome: Outcome, wanted: Wanted, source: str) -> Iterator[str]:
    """Say in words what came of a video."""
    frames, faces = counted(outcome.frames, "frame"), counted(outcome.faces, "face")
    yield f"{wanted.video}: {frames}, {faces}; {wanted.csv}, {wanted.plot}"
    if outcome.measured < outcome.frames:
        measured = counted(outcome.measured, "frame was", "frames were")
        yield f"{measured} looked at, one of {wanted.every}; the others show the last faces"
    if outcome.faceless:
        yield f"{outcome.faceless} of {outcome.measured} without a face (reason {Reason.NO_FACE.value})"
    yield from outcome.notes
    if outcome.fault:
        yield f"{source}: {outcome.fault}; what was read before is kept"
