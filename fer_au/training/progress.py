"""Progress of a training: how long all of it will take, a bar on a terminal, and one line per epoch."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

from tqdm import tqdm

from fer_au.compute import in_words, log
from fer_au.compute.progress import per_second
from fer_au.terminal import counted
from fer_au.training.history import HistoryRow

_FIRST_SECONDS = 5.0  # of steps, before the whole training is estimated from them
_SCORING = 1 / 3  # of an update's time per image: the forward pass alone
_LONG_SECONDS = 1800.0  # above that, a training on a processor is told of smaller models
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} images{postfix}"
_SMALL = "best-small"  # the preset of these models


class TrainingProgress:
    """Shows the progress of one training.

    Args:
        name: Experiment name.
        epochs: Number of epochs in all.
        done: Number of epochs that an earlier run has done.
        images: Number of training images, and of images that are scored after each epoch.
        shown: Whether there may be a bar at all.
        slow_backbone: Backbone of a model that trains on a processor; None where smaller models need no mention.
    """

    def __init__(
        self,
        name: str,
        epochs: int,
        done: int,
        images: tuple[int, int],
        *,
        shown: bool = True,
        slow_backbone: str | None = None,
    ) -> None:
        self._shown, self._slow_backbone = shown, slow_backbone
        self._name, self._epochs, self._left = name, epochs, epochs - done
        self._train, self._selection = images
        self._begun = time.perf_counter()
        self._closed = 0
        self._start = self._stop = 0.0
        self._images = 0
        self._first: tuple[float, int] | None = None  # time and images at the end of the first step
        self._estimated = False
        self._bar: tqdm[NoReturn] | None = None

    @contextmanager
    def epoch(self, number: int) -> Iterator[None]:
        """Follow the training part of an epoch (0-based)."""
        if self._shown and sys.stderr.isatty():
            # Without tqdm's own time, which is the epoch's: the postfix ends with the training's.
            self._bar = tqdm(total=self._train, desc=self._title(number), leave=False, bar_format=_BAR)
        self._images, self._start = 0, time.perf_counter()
        try:
            yield
        finally:
            self._stop = time.perf_counter()
            if self._bar is not None:
                self._bar.close()
        if not self._estimated:
            self._estimate(self.speed)

    def advance(self, images: int, losses: Mapping[str, float]) -> None:
        """Count a step's images and show its losses; after the first steps, say how long the training will take."""
        self._images += images
        now = time.perf_counter()
        if self._first is None:
            self._first = now, self._images  # the first step prepares much that the others find ready
        elif not self._estimated and now - self._first[0] >= _FIRST_SECONDS:
            self._estimate((self._images - self._first[1]) / (now - self._first[0]))
        if self._bar is not None:
            parts = [f"{name} {value:.3f}" for name, value in losses.items()]
            if (left := self._seconds_left_in_epoch(now)) is not None:
                parts.append(f"{in_words(left)} left")
            self._bar.set_postfix_str(", ".join(parts), refresh=False)
            self._bar.update(images)

    def close_epoch(self, row: HistoryRow, selected: bool) -> None:
        """Say in one line how an epoch went, and how long the others will take."""
        self._closed += 1
        self._left -= 1
        losses = {"loss": row.loss, "loss_ce": row.loss_ce, **row.parts}
        parts = [f"{name} {value:.3f}" for name, value in losses.items()]
        parts.append(f"train {row.train_accuracy:.3f}")
        parts.append(f"valid {row.valid_accuracy:.3f}" + (" *" if selected else ""))
        parts.append(f"{per_second(row.images_per_second)} images/s")
        if self._left:
            parts.append(f"{in_words(self._seconds_left)} left")
        log(f"{self._title(row.epoch)}: {', '.join(parts)}")

    @property
    def speed(self) -> float:
        """Training images per second of the last epoch."""
        return self._images / max(self._stop - self._start, 1e-9)

    @property
    def _seconds_left(self) -> float:
        return (time.perf_counter() - self._begun) / self._closed * self._left

    def _seconds_left_in_epoch(self, now: float) -> float | None:
        """Seconds that the training will take from a moment in an epoch on; None while nobody can tell."""
        if self._closed:
            return max((self._start - self._begun) / self._closed * self._left - (now - self._start), 0.0)
        if not self._estimated or self._first is None:
            return None
        seconds_per_image = (now - self._first[0]) / (self._images - self._first[1])
        return (self._images_left - self._images) * seconds_per_image

    @property
    def _images_left(self) -> float:
        """Images of the epochs that are not closed, in those that a step learns from."""
        return self._left * (self._train + self._selection * _SCORING)

    def _title(self, epoch: int) -> str:
        return f"{self._name} {epoch + 1}/{self._epochs}"

    def _estimate(self, speed: float) -> None:
        self._estimated = True
        seconds = self._images_left / speed
        epochs = counted(self._left, "epoch")
        text = f"{self._name}: about {in_words(seconds)} for {epochs} ({per_second(speed)} images/s)"
        if seconds > _LONG_SECONDS and self._slow_backbone is not None:
            text += advice_for(self._slow_backbone)
        log(text)


def advice_for(backbone: str) -> str:
    """Write the advice to take a small model of the project's own recipes; empty for a backbone that is one of them."""
    from fer_au.presets.preset import load_preset

    models = (experiment.get("model", {}) for experiment in load_preset(_SMALL).experiments.values())
    names = list(dict.fromkeys(model["backbone"] for model in models if "backbone" in model))
    if backbone in names:
        return ""
    return f"; smaller models take less: {', '.join(names)}, as `fer-au presets write {_SMALL}` sets them up"
