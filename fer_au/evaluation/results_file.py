"""Write ``evaluation/<exp>.h5`` block by block: what the report, paired tests and tables of single images read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fer_au.evaluation.inference import FloatMaps, Outputs, scaled
from fer_au.evaluation.traits import trait_columns
from fer_au.evaluation.truth import Truth
from fer_au.resizing import resize_maps
from fer_au.stores.columns import ColumnSpec, encode_ids
from fer_au.stores.writer import StoreWriter, open_writer

LARGEST = 56  # cells on a side of a map that is kept
_KEPT = re.compile(
    r"(layer\.\d+\.|module\.)?att_(?!maps\.)\w+|(module\.)?region\.\w+|cam_(?!maps\.|side_)\S+|faithfulness\.\w+"
)


def is_kept(score: str) -> bool:
    """Tell whether a score of single images is kept in the store: those of the model's own maps, without the details.

    Example:
        >>> is_kept("layer.3.att_cos"), is_kept("baseline.blank.att_cos"), is_kept("side_region.left.eyes")
        (True, False, False)
    """
    return _KEPT.fullmatch(score) is not None


def bounded(maps: FloatMaps) -> FloatMaps:
    """Bring maps (N, h, w) down to at most 56 rows and columns, as they are kept; smaller ones stay as they are.

    Scores are taken of the whole maps before. What is kept is for pictures: twice as fine as the AU maps, and of a CAM
    of pixels a sixteenth, at 224 px.

    Example:
        >>> bounded(np.ones((1, 224, 7), np.float32)).shape
        (1, 56, 7)
    """
    grid = min(maps.shape[1], LARGEST), min(maps.shape[2], LARGEST)
    return maps if grid == maps.shape[1:] else np.asarray(resize_maps(maps, grid), np.float32)


class ResultsFile:
    """The evaluation store of a split, whole or not at all; use it in a ``with`` statement.

    Args:
        path: Output file.
        ids: Ids of the N images.
        labels: Their true labels.
        fingerprint: Hash of everything that decided the content.
        attributes: Further attributes.
        sources: Hashes of the data set's files, which the store keeps.
        traits: What is known of the images beside their label, (N,) each.
        further: Columns that ``write`` gets, each as a whole.
    """

    def __init__(
        self,
        path: Path,
        ids: Sequence[str],
        labels: Sequence[str],
        *,
        fingerprint: str,
        attributes: Mapping[str, str],
        sources: Mapping[str, str],
        traits: Mapping[str, NDArray[Any]],
        further: Mapping[str, ColumnSpec] | None = None,
    ) -> None:
        self._further = dict(further or {})
        self._path, self._fingerprint, self._attributes, self._sources = path, fingerprint, attributes, sources
        self._whole = {"id": encode_ids(list(ids)), "label": encode_ids(list(labels))} | trait_columns(traits)
        self._stack = ExitStack()
        self._writer: StoreWriter | None = None

    def __enter__(self) -> Self:
        self._stack.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def add(self, outputs: Outputs, truth: Truth, scores: Mapping[str, NDArray[Any]], late: Iterable[str] = ()) -> None:
        """Write a block of images.

        Args:
            outputs: Outputs of the model.
            truth: References of the images.
            scores: Scores of the images.
            late: Names of further scores, whose values ``finish`` gets.
        """
        columns: dict[str, NDArray[Any]] = {
            "probabilities": outputs.probabilities,
            "target": np.round(truth.targets * 255).astype(np.uint8),
            "target_valid": truth.valid,
        }
        kept = {f"attention/{layer}": bounded(maps) for layer, maps in outputs.maps.attention.items()}
        kept |= {f"cam/{cam}": scaled(bounded(maps)) for cam, maps in outputs.cams.items()}
        if outputs.maps.module is not None:
            kept["module"] = bounded(outputs.maps.module)
        columns |= {name: maps.astype(np.float16) for name, maps in kept.items()}
        columns |= {f"score/{name}": np.asarray(own, np.float32) for name, own in scores.items() if is_kept(name)}
        writer = self._writer or self._open(columns, [name for name in late if is_kept(name)])
        for name, values in columns.items():
            writer.write(name, outputs.start, values)

    def finish(self, rows: NDArray[np.int64], scores: Mapping[str, NDArray[Any]]) -> None:
        """Write late scores of the images at some positions; the others have none.

        The file appears when the ``with`` statement ends.
        """
        for name, values in scores.items():
            if is_kept(name) and self._writer is not None:
                column = np.full(len(self._whole["id"]), np.nan, np.float32)
                column[rows] = values
                self._writer.write(f"score/{name}", 0, column)

    def write(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Write some of the further columns, as a whole; blocks of images were added before."""
        for name, values in columns.items():
            if self._writer is not None:
                self._writer.write(name, 0, values)

    def _open(self, columns: Mapping[str, NDArray[Any]], late: Iterable[str]) -> StoreWriter:
        count = len(self._whole["id"])
        specs = {name: ColumnSpec.of(values) for name, values in self._whole.items()}
        specs |= {name: ColumnSpec(values.dtype, (count, *values.shape[1:])) for name, values in columns.items()}
        specs |= {f"score/{name}": ColumnSpec(np.dtype(np.float32), (count,)) for name in late}
        specs |= self._further
        opened = open_writer(
            self._path,
            "evaluation",
            specs,
            fingerprint=self._fingerprint,
            attributes=self._attributes,
            sources=self._sources,
        )
        self._writer = self._stack.enter_context(opened)
        for name, values in self._whole.items():
            self._writer.write(name, 0, values)
        return self._writer
