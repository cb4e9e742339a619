"""Smooth a face's probabilities over the frames that were looked at; each face by itself."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_au.errors import ConfigError

Scores = NDArray[np.float64]

FORMS = "none, ema:A with A above 0 and at most 1, or window:N with a whole N from 1 to 10000"
_LONGEST = 10_000


@dataclass(frozen=True)
class Smoothing:
    """How probabilities are smoothed.

    Attributes:
        kind: ``none``, ``ema`` (exponential moving average) or ``window`` (mean of the last answers).
        value: Weight of the newest answer; number of answers in the window.
    """

    kind: str = "none"
    value: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Smoothing:
        """Read what a user typed, such as ``ema:0.6``.

        Raises:
            ConfigError: It is none of the forms.

        Example:
            >>> Smoothing.parse("window:5")
            Smoothing(kind='window', value=5.0)
        """
        kind, colon, number = text.partition(":")
        if kind == "none" and not colon:
            return cls()
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if (kind == "ema" and 0 < value <= 1) or (kind == "window" and 1 <= value <= _LONGEST and value.is_integer()):
            return cls(kind, value)
        raise ConfigError(f"--smooth: expected {FORMS}, not {text!r}")

    @property
    def changes(self) -> bool:
        """Whether anything is smoothed."""
        return self.kind != "none"


class Smoother:
    """Smooths the probabilities of all faces of a video.

    Args:
        smoothing: How.
    """

    def __init__(self, smoothing: Smoothing) -> None:
        self._smoothing = smoothing
        self._means: dict[int, Scores] = {}
        self._windows: dict[int, deque[Scores]] = {}

    def add(self, track: int, scores: NDArray[np.floating]) -> Scores:
        """Take the newest probabilities of a face, and give the smoothed ones.

        Args:
            track: Number of the face.
            scores: (C,) probabilities.
        """
        newest = np.asarray(scores, np.float64)
        if self._smoothing.kind == "window":
            window = self._windows.setdefault(track, deque(maxlen=int(self._smoothing.value)))
            window.append(newest)
            return np.asarray(np.mean(window, axis=0))
        if self._smoothing.kind == "ema":
            before = self._means.get(track, newest)
            self._means[track] = before + self._smoothing.value * (newest - before)
            return self._means[track]
        return newest
