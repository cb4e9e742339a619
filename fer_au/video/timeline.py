"""Draw how the probabilities of each face went over the time of a video."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.atomic import write_atomically
from fer_au.video.answering import Moment
from fer_au.video.tracking import MEMORY

MOST_FACES = 6
"""Faces that have a row; those that are seen longest."""

_POINTS = 1500  # of a curve; more would not be seen, and make a large file
_WIDTH, _ROW = 9.0, 2.1  # inches
_STYLE: Any = {
    "svg.hashsalt": "fer_au",
    "svg.fonttype": "path",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
# Okabe and Ito's colours, which people with any colour vision tell apart, and kinds of lines that tell them apart, too.
_LINES = {
    "neutral": ("#7f7f7f", "-"),
    "happiness": ("#e69f00", "-"),
    "surprise": ("#56b4e9", "-"),
    "fear": ("#cc79a7", "--"),
    "anger": ("#d55e00", "-"),
    "disgust": ("#009e73", "--"),
    "sadness": ("#0072b2", "--"),
    "contempt": ("#000000", ":"),
}


class Timeline:
    """Keeps the probabilities of the faces of a video, and draws them.

    Args:
        classes: Classes of the model.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes
        self._times: dict[int, list[float]] = {}
        self._scores: dict[int, list[NDArray[np.float32]]] = {}
        self._begin = self._end = 0.0
        self._step = 0.0

    def add(self, moment: Moment) -> None:
        """Take the faces of a frame that was looked at."""
        time = moment.frame.time
        self._begin = time if moment.frame.number == 0 else self._begin
        self._step, self._end = max(self._step, time - self._end), time
        for face in moment.faces:
            self._times.setdefault(face.track, []).append(time)
            self._scores.setdefault(face.track, []).append(face.smooth.astype(np.float32))

    @property
    def faces(self) -> int:
        """Number of faces that were followed."""
        return len(self._times)

    def draw(self, path: Path, title: str) -> None:
        """Draw a row of curves for each face.

        Args:
            path: File, ``.png`` or ``.svg``.
            title: Title of the figure.

        Raises:
            StoreError: The disk refuses.
        """
        import matplotlib

        longest = sorted(self._times, key=lambda track: -len(self._times[track]))[:MOST_FACES]
        left_out = f", the {MOST_FACES} longest of {self.faces}" if self.faces > MOST_FACES else ""
        content = io.BytesIO()
        with matplotlib.rc_context(_STYLE):
            from matplotlib.figure import Figure

            rows = max(len(longest), 1)
            figure = Figure(figsize=(_WIDTH, 0.9 + _ROW * rows), layout="constrained")
            panels = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
            figure.suptitle(f"{title}: probability of each expression{left_out}".replace("$", r"\$"))
            for panel, track in zip(panels, sorted(longest), strict=False):
                self._draw_face(panel, track)
            if not longest:
                panels[0].text(0.5, 0.5, "no face", transform=panels[0].transAxes, ha="center", va="center")
                panels[0].set_yticks([])
            else:
                handles, labels = panels[0].get_legend_handles_labels()
                figure.legend(handles, labels, loc="outside right center", frameon=False, handlelength=2.6)
            panels[-1].set_xlabel("time, s")
            panels[-1].set_xlim(self._begin, max(self._end, self._begin + 0.1))
            kind = path.suffix[1:]
            metadata = {"Date": None} if kind == "svg" else {}
            figure.savefig(content, format=kind, dpi=160, metadata=metadata)
        write_atomically(path, content.getvalue())

    def _draw_face(self, panel: Any, track: int) -> None:  # noqa: ANN401 (matplotlib's Axes)
        times, scores = thinned(np.array(self._times[track]), np.stack(self._scores[track]))
        gaps = np.flatnonzero(np.diff(times) > max(MEMORY / 2, 1.5 * self._step)) + 1
        times = np.insert(times, gaps, np.nan)
        scores = np.insert(scores, gaps, np.nan, axis=0)
        dot = "o" if len(times) == 1 else ""
        for place, name in enumerate(self._classes):
            colour, dashes = _LINES.get(name, ("#000000", "-."))
            panel.plot(times, scores[:, place], dashes, color=colour, lw=1.6, label=name, marker=dot, ms=4)
        panel.set_ylim(-0.02, 1.02)
        panel.set_yticks([0, 0.5, 1])
        panel.set_ylabel(f"face {track}")
        panel.grid(axis="y", color="#dddddd", lw=0.6)


def thinned(
    times: NDArray[np.float64], scores: NDArray[np.float32], most: int = _POINTS
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Average neighbours of a long curve.

    Args:
        times: (N,) times.
        scores: (N, C) values.
        most: Points that may stay.
    """
    if len(times) <= most:
        return times, scores
    starts = np.arange(0, len(times), -(-len(times) // most))
    counts = np.diff([*starts, len(times)])
    means = np.add.reduceat(scores, starts) / counts[:, None]
    return np.add.reduceat(times, starts) / counts, means.astype(np.float32)
