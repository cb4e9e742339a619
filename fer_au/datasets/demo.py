"""Adapter ``demo``: the rendered faces with their exact truth."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Literal, cast

import numpy as np

from fer_au.config.data import DatasetConfig
from fer_au.datasets.base import ADAPTERS, Adapter, Annotations, Outline, Record, Scan
from fer_au.datasets.manifest import Split
from fer_au.datasets.tally import Place, Tally
from fer_au.errors import DataError
from fer_au.expressions import EXPRESSIONS
from fer_au.gate import open_table
from fer_au.rejects import Reason, Reject
from fer_au.stores.reader import Store

# The layout that `fer_au.demo.generate` writes, named again here: ingest must not load the renderer.
LABELS, _TRUTH = "labels.csv", "truth.h5"
_HEADER = ["path", "label", "subject", "split"]
_COLUMNS = ("points", "au", "pose", "motion", "skin_tone")
_SPLITS = ("train", "test")
_ALONE = (
    "adapter demo reads the faces that `dvc repro render` renders, and no others: adapter folder reads folders of "
    "classes, adapter csv pictures with a label file"
)


class DemoAdapterConfig(DatasetConfig):
    """The rendered demo faces; no further keys."""


@ADAPTERS.register("demo")
class DemoAdapter(Adapter[DemoAdapterConfig]):
    """Reads ``labels.csv`` and ``truth.h5`` of a rendered set."""

    Config = DemoAdapterConfig

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Look for the two files of a rendered set."""
        return (root / LABELS).is_file() and (root / _TRUTH).is_file()

    def scan(self, config: DemoAdapterConfig) -> Scan:
        """List the rendered faces.

        Raises:
            DataError: A file is missing or is none of the demo's; one line that names it.
        """
        rows = _read_labels(config.root / LABELS)
        records: list[Record] = []
        rejects: list[Reject] = []
        for number, row in enumerate(rows, 2):
            if len(row) != len(_HEADER) or row[3] not in _SPLITS:
                rejects.append(
                    Reject(row[0] if row else f"line {number}", Reason.BAD_ROW, f"line {number} of {LABELS}")
                )
            elif row[1] not in EXPRESSIONS:
                rejects.append(Reject(row[0], Reason.UNKNOWN_LABEL, row[1]))
            else:
                split = cast(Literal["train", "test"], row[3])
                records.append(Record(path=row[0], label=row[1], split=split, subject=row[2]))
        store = Store.open(config.root / _TRUTH, "truth")
        known = set(store.ids)
        rejects += [
            Reject(record.id, Reason.NO_TRUTH, f"not in {_TRUTH}") for record in records if record.id not in known
        ]
        columns = {name: np.asarray(store[name]) for name in _COLUMNS if name in store}
        annotations = Annotations(tuple(store.ids), columns, {"au_names": str(store.attributes["au_names"])})
        return Scan(tuple(record for record in records if record.id in known), tuple(rejects), annotations)

    def outline(self, config: DemoAdapterConfig) -> Outline:
        """Count the rows of ``labels.csv``.

        Raises:
            DataError: As for ``scan``.
        """
        rows = [row for row in _read_labels(config.root / LABELS) if len(row) == len(_HEADER) and row[3] in _SPLITS]
        known: Counter[Place] = Counter((cast(Split, row[3]), None, row[1]) for row in rows if row[1] in EXPRESSIONS)
        unknown = Counter(row[1] for row in rows if row[1] not in EXPRESSIONS)
        splits = frozenset(cast(Split, row[3]) for row in rows)
        return Outline(splits, subjects=True, columns=frozenset(_COLUMNS), tally=Tally(known, unknown))


def _read_labels(path: Path) -> list[list[str]]:
    try:
        with open_table(path) as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; {_ALONE}") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if header != _HEADER:
        raise DataError(f"{path}: first line must be {','.join(_HEADER)}; {_ALONE}")
    return rows
