"""Write the answers to single images as a csv: true and predicted label, probabilities, and the scores of the maps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fer_au.results.experiment import class_names
from fer_au.stores.export import CsvColumns, LeftOut, csv_columns, write_csv_columns
from fer_au.stores.reader import Store

_SCORE = "score/"


def export_images(store: Store, output: Path, *, maps: bool = False) -> LeftOut:
    """Write an evaluation store as a csv with one line per image.

    The columns are ``id``, ``true``, ``predicted``, ``confidence`` (the predicted class's probability),
    ``probability.<class>``, the scores of the maps under the names of their metrics (empty where undefined), and all
    others of the store. A store that doesn't name its classes keeps the columns ``label`` and ``probabilities_0...``.

    Args:
        store: Open evaluation store.
        output: Output file; replaced as a whole.
        maps: Whether the cells of the maps are written, too.

    Returns:
        Columns of the store that the csv leaves out.

    Raises:
        StoreError: The store's classes don't fit its probabilities, or the file can't be written.
    """
    columns, left_out = csv_columns(store, maps=maps)
    if classes := class_names(store):
        columns = dict(_named(store, columns, classes))
    write_csv_columns(output, len(store), list(columns.values()))
    return left_out


def _named(store: Store, columns: dict[str, CsvColumns], classes: tuple[str, ...]) -> Iterator[tuple[str, CsvColumns]]:
    def predicted(start: int, stop: int) -> list[list[str]]:
        return [[classes[index]] for index in store.rows("probabilities", start, stop).argmax(axis=1).tolist()]

    def confidence(start: int, stop: int) -> list[list[str]]:
        return [[str(value)] for value in np.max(store.rows("probabilities", start, stop), axis=1)]

    yield "id", columns.pop("id")
    yield "label", CsvColumns(["true"], columns.pop("label").cells)
    yield "predicted", CsvColumns(["predicted"], predicted)
    yield "confidence", CsvColumns(["confidence"], confidence)
    yield (
        "probabilities",
        CsvColumns([f"probability.{name}" for name in classes], columns.pop("probabilities").cells),
    )
    for name, column in sorted(columns.items(), key=lambda item: not item[0].startswith(_SCORE)):
        yield name, CsvColumns([head.removeprefix(_SCORE) for head in column.heads], column.cells)
