"""Progress of training: a bar with loss parts and speed on a terminal, one line per epoch elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import NoReturn

from tqdm import tqdm

from fer_au.compute import log
from fer_au.training.history import HistoryRow


class EpochProgress:
    """Counts images of one epoch.

    Args:
        title: Such as ``au 3/8``.
        images: Images of the epoch.
        shown: Whether there may be a bar at all.
    """

    def __init__(self, title: str, images: int, shown: bool = True) -> None:
        self._title, self._images, self._done = title, images, 0
        self._shown = shown
        self._bar: tqdm[NoReturn] | None = None
        self._start = self._stop = 0.0

    def __enter__(self) -> EpochProgress:
        if self._shown and sys.stderr.isatty():
            self._bar = tqdm(total=self._images, desc=self._title, unit="img", leave=False)
        self._start = time.perf_counter()
        return self

    def advance(self, images: int, losses: Mapping[str, float]) -> None:
        """Count a step's images and show its losses."""
        self._done += images
        if self._bar is not None:
            self._bar.set_postfix({name: f"{value:.3f}" for name, value in losses.items()}, refresh=False)
            self._bar.update(images)

    def __exit__(self, *_: object) -> None:
        self._stop = time.perf_counter()
        if self._bar is not None:
            self._bar.close()

    @property
    def speed(self) -> float:
        """Images per second of the closed epoch."""
        return self._done / max(self._stop - self._start, 1e-9)


def log_epoch(title: str, row: HistoryRow, selected: bool) -> None:
    """Say in one line what an epoch gave."""
    losses = {"loss": row.loss, "loss_ce": row.loss_ce, **row.parts}
    parts = [f"{name} {value:.3f}" for name, value in losses.items()]
    parts.append(f"train {row.train_accuracy:.3f}")
    parts.append(f"valid {row.valid_accuracy:.3f}" + (" *" if selected else ""))
    log(f"{title}: {', '.join(parts)}, {row.images_per_second:.0f} images/s")
