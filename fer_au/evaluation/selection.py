"""Say how the selected epoch did while it was trained: what a test accuracy is read beside."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from fer_au.errors import DataError
from fer_au.gate import open_table


def selection_metrics(model_dir: Path, epoch: int) -> dict[str, float | int]:
    """Read the metrics ``selected.*`` from ``history.csv``.

    Args:
        model_dir: Folder ``models/<exp>``.
        epoch: Number of the selected epoch, 0-based, as config.json has it.

    Returns:
        ``selected.epoch``, counted from 1; ``selected.train_accuracy``, on augmented images while the weights still
        changed; and ``selected.valid_accuracy``, on the split that selected the epoch.

    Raises:
        DataError: history.csv is missing or has no such epoch; the message names it.
    """
    path = model_dir / "history.csv"
    try:
        with open_table(path) as file:
            row = next(row for row in csv.DictReader(file) if row["epoch"] == str(epoch))
        accuracies = {f"selected.{name}": _number(row[name]) for name in ("train_accuracy", "valid_accuracy")}
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; train the model again") from error
    except (KeyError, StopIteration, TypeError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: no row of the selected epoch {epoch}; train the model again") from error
    return {"selected.epoch": epoch + 1, **accuracies}


def _number(text: str) -> float:
    return float(text) if text else math.nan
