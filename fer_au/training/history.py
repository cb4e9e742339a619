"""``history.csv``: means over the steps of each epoch, one row per epoch, and the choice of the best epoch."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fer_au.atomic import write_atomically
from fer_au.errors import DataError
from fer_au.gate import open_table


class Meter:
    """Weighted means by name, over the steps of an epoch."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = defaultdict(float)
        self._weights: dict[str, float] = defaultdict(float)

    def add(self, name: str, mean: float, weight: float) -> None:
        """Take in the mean of ``weight`` items; zero items leave no trace."""
        if weight:
            self._sums[name] += mean * weight
            self._weights[name] += weight

    def has(self, name: str) -> bool:
        """Tell whether there were any items of that name."""
        return name in self._weights

    def mean(self, name: str) -> float:
        """Return the mean over all items of that name, NaN if there were none."""
        return self._sums[name] / self._weights[name] if self.has(name) else math.nan


@dataclass(frozen=True)
class HistoryRow:
    """The figures of one epoch.

    Attributes:
        epoch: Number of the epoch, 0-based.
        lr: Learning rate of its last step.
        loss: Mean total training loss per image.
        loss_ce: Mean cross-entropy per image, as trained (weights and smoothing included).
        parts: Other parts of the loss by name, unweighted: ``loss_aux`` (mean cross-entropy of auxiliary logits per
            image, summed over them) where the model has any, and guidance (mean per valid image; NaN where none was
            active or valid).
        train_accuracy: Accuracy on the augmented images, while training; a mixed image counts by its larger share.
        valid_accuracy: Accuracy on the split that selects the epoch.
        valid_balanced_accuracy: Mean recall over the classes that occur in that split.
        valid_loss: Plain cross-entropy on that split.
        images_per_second: Training images over the wall time of the training part.
    """

    epoch: int
    lr: float
    loss: float
    loss_ce: float
    parts: dict[str, float]
    train_accuracy: float
    valid_accuracy: float
    valid_balanced_accuracy: float
    valid_loss: float
    images_per_second: float

    def cells(self) -> dict[str, str]:
        """Return column -> text, other parts behind ``loss_ce``; NaN is an empty cell."""
        flat: dict[str, float] = {}
        for key, value in asdict(self).items():
            flat |= value if isinstance(value, dict) else {key: value}
        return {key: "" if math.isnan(value) else f"{value:.6g}" for key, value in flat.items()}

    def to_json(self) -> dict[str, Any]:
        """Return plain data that ``from_json`` restores exactly."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> HistoryRow:
        """Restore a row from the data of ``to_json``."""
        return cls(**data)


_NO_ROW = HistoryRow(0, 0.0, 0.0, 0.0, {}, 0.0, 0.0, 0.0, 0.0, 0.0)


def write_history(path: Path, rows: Sequence[HistoryRow]) -> None:
    """Write the table of the epochs so far, whole; the header alone, where there is none.

    Raises:
        StoreError: The disk refuses.
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list((rows[0] if rows else _NO_ROW).cells()), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.cells() for row in rows)
    write_atomically(path, buffer.getvalue().encode())


def read_history(path: Path) -> dict[str, list[float]]:
    """Read ``history.csv``: one row per epoch, numeric columns.

    Raises:
        DataError: The file is missing, or a cell is not a number.
    """
    try:
        with open_table(path) as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a table: {error}") from error
    columns = list(rows[0]) if rows else []
    try:
        return {name: [_cell(row[name]) for row in rows] for name in columns}
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: {error}") from error


def _cell(text: str | None) -> float:
    if text is None:
        raise ValueError("a row is shorter than the header")
    return float(text) if text else math.nan


def best_epoch(rows: Sequence[HistoryRow]) -> int:
    """Find the epoch with the best accuracy on the selecting split; ties break by the lower loss, then the earlier."""
    return min(rows, key=lambda row: (-row.valid_accuracy, row.valid_loss, row.epoch)).epoch


def has_stalled(rows: Sequence[HistoryRow], patience: int | None) -> bool:
    """Tell whether the best epoch lies ``patience`` epochs back or more: time to stop early; None is never."""
    return patience is not None and bool(rows) and rows[-1].epoch - best_epoch(rows) >= patience


def training_speed(rows: Sequence[HistoryRow]) -> float:
    """Return the training images per second: the median over epochs, which a pause of the machine does not move."""
    return statistics.median(row.images_per_second for row in rows)
