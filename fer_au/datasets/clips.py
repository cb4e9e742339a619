"""Clips, whose frames become pictures: turned upright, and named by their time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fer_au.clip_decoding import ClipFault, read_frames, upright_pixels
from fer_au.datasets.inside import Inside, Reel
from fer_au.datasets.plain_png import plain_png
from fer_au.rejects import Reason, Reject


@dataclass(frozen=True)
class Span:
    """A part of a clip.

    Attributes:
        key: ``Record.face_key`` of the part; None for the whole clip.
        start: Its begin in milliseconds.
        end: Its end in milliseconds, which is not in it; None for the clip's.
    """

    key: str | None = None
    start: int = 0
    end: int | None = None

    def holds(self, time: int) -> bool:
        """Tell whether a time, in milliseconds, lies in it."""
        return self.start <= time and (self.end is None or time < self.end)


@dataclass(frozen=True)
class Sampling:
    """Which frames of a part are taken.

    Attributes:
        every: Each how many frames one is taken, the first one always.
        fps: How many are taken in a second, by their times; None leaves that to ``every``.
        most: How many at most, evenly spread over all that would be taken.
    """

    every: int = 1
    fps: float | None = None
    most: int | None = None


@dataclass(frozen=True)
class Clip(Reel):
    """Frames of a clip, named by their time in milliseconds after its first frame.

    Attributes:
        spans: Parts of which frames are taken.
        sampling: Which frames of each.
    """

    spans: tuple[Span, ...] = (Span(),)
    sampling: Sampling = Sampling()

    def owners(self, name: str) -> tuple[str | None, ...]:
        """Give the keys of the parts that a frame's time lies in."""
        time = int(name.partition(".")[0])
        return tuple(span.key for span in self.spans if span.holds(time))

    def pictures(self, path: Path) -> Iterator[tuple[str, bytes | Reject]]:
        """Make a picture of each frame that is taken, and say what is wrong with the clip or its parts.

        Raises:
            OSError: The file can't be opened.
        """
        kept = self._spread(path) if self.sampling.most else None
        choice, last, taken = _Choice(self.spans, self.sampling), None, 0
        fault: ClipFault | None = None
        try:
            for time, frame in read_frames(path):
                last = time
                if any(kept is None or place in kept[number] for number, place in choice.take(time)):
                    taken += 1
                    yield f"{time:08d}.png", plain_png(upright_pixels(frame))
                if choice.ended(time):
                    break
        except ClipFault as found:
            fault = found
        if fault is not None:
            before = f"; its frames before that are taken, {taken}" if taken else ""
            yield "", Reject(self.file, fault.reason, f"{fault}{before}")
        for span, number in zip(self.spans, choice.taken, strict=True):
            if not number and fault is None:
                end = "" if last is None else f"; the last one is at {last / 1000:g} s"
                id_ = self.file if span.key is None else f"{self.file}#{span.key}"
                yield "", Reject(id_, Reason.BAD_ROW, f"no frame lies in this part of the clip{end}")

    def _spread(self, path: Path) -> list[set[int]]:
        """Choose, for each part, the positions of the frames that stay of all that would be taken, evenly spread."""
        choice = _Choice(self.spans, self.sampling)
        with suppress(ClipFault):
            for time, _ in read_frames(path):
                choice.take(time)
                if choice.ended(time):
                    break
        most = self.sampling.most or 0
        return [
            set(range(number)) if number <= most else {(2 * place + 1) * number // (2 * most) for place in range(most)}
            for number in choice.taken
        ]


@dataclass(frozen=True)
class NumberedFrames(Inside):
    """Frames of a clip that are known by their numbers.

    Attributes:
        numbers: Numbers of the frames, counted from 1.
    """

    numbers: tuple[int, ...]

    @staticmethod
    def name(number: int) -> str:
        """Name a frame."""
        return f"{number:05d}.png"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the frames."""
        return tuple(map(self.name, self.numbers))

    def pictures(self, path: Path) -> Iterator[tuple[str, bytes | Reject]]:
        """Make a picture of each frame; those that the clip lacks are told one by one.

        Raises:
            OSError: The file can't be opened.
        """
        left, number, fault = {*self.numbers}, 0, ClipFault(Reason.MISSING_FILE, "the clip ends before it")
        try:
            for number, (_, frame) in enumerate(read_frames(path), 1):
                if number in left:
                    left.remove(number)
                    yield self.name(number), plain_png(upright_pixels(frame))
                if not left:
                    return
        except ClipFault as found:
            fault = found
        for lost in sorted(left):
            yield (
                self.name(lost),
                Reject(f"{self.file}/{self.name(lost)}", fault.reason, f"{fault}; it has {number} frames"),
            )


class _Choice:
    """Chooses frames one by one, in the order of their times."""

    def __init__(self, spans: tuple[Span, ...], sampling: Sampling) -> None:
        self._spans, self._sampling = spans, sampling
        self._next = [0] * len(spans)  # frame, or slot of time, from which on the next one is taken
        self._seen = [0] * len(spans)
        self.taken = [0] * len(spans)

    def take(self, time: int) -> list[tuple[int, int]]:
        """List the parts that take a frame, each with the frame's position among those that it took."""
        found = []
        for number, span in enumerate(self._spans):
            if not span.holds(time):
                continue
            place, step = self._seen[number], self._sampling.every
            self._seen[number] += 1
            if self._sampling.fps is not None:  # half a millisecond: times were rounded
                place, step = math.floor((time - span.start + 0.5) * self._sampling.fps / 1000), 1
            if place >= self._next[number]:
                self._next[number] = place + step
                found.append((number, self.taken[number]))
                self.taken[number] += 1
        return found

    def ended(self, time: int) -> bool:
        """Tell whether all parts end before the next frame."""
        return all(span.end is not None and time >= span.end - 1 for span in self._spans)
