"""What a data set adapter is: a folder of somebody's layout in, uniform records out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from fer_au.config.data import DatasetConfig
from fer_au.datasets.manifest import Box, Split
from fer_au.registry import Registry
from fer_au.rejects import Reject

ConfigT = TypeVar("ConfigT", bound=DatasetConfig)


@dataclass(frozen=True)
class Record:
    """One labelled face as the data set describes it; nothing of the file itself has been read yet.

    Attributes:
        path: POSIX path of the picture below the root.
        label: Canonical expression.
        split: The part the data set puts it in; None lets the configured fractions decide.
        fold: Name of the cross-validation fold, where the set has folds.
        subject: The person, where known; a subject never spreads over two splits that are carved here.
        box: The annotated face, x1 y1 x2 y2 in pixels of the upright picture.
        face_key: Tells the faces of one picture apart.
    """

    path: str
    label: str
    split: Split | None = None
    fold: str | None = None
    subject: str | None = None
    box: Box | None = None
    face_key: str | None = None

    @property
    def id(self) -> str:
        """The id of the record in every artefact: its path, with ``#key`` for a face of several."""
        return self.path if self.face_key is None else f"{self.path}#{self.face_key}"


@dataclass(frozen=True)
class Annotations:
    """What else a data set knows: the optional columns of ``annotations.h5``.

    Attributes:
        ids: ``Record.id`` of each row, in any order; rows of rejected records are left out later.
        columns: Name -> one entry per id. Known names: ``points`` (N,68,2) float32 source-picture xy, ``au`` (N,A)
            float32 intensities from 0 (rest) to 1, ``pose`` (N,3) float32 yaw, pitch, roll in degrees, ``motion``
            (N,64,64) uint8 on the source picture's own grid, ``soft_label`` (N,C) float32.
        attributes: Such as ``au_names``: ``"AU1,AU2"``.

    A record without a row gets NaN in floating columns; an integer column needs a row for every record.
    """

    ids: tuple[str, ...] = ()
    columns: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scan:
    """What an adapter found.

    Attributes:
        records: Labelled faces, in any order.
        rejects: Everything that looks like a member of the set and can't be one.
        annotations: What else is known.
        notes: Lines for people: files passed over, choices made.
    """

    records: tuple[Record, ...]
    rejects: tuple[Reject, ...] = ()
    annotations: Annotations = field(default_factory=Annotations)
    notes: tuple[str, ...] = ()


class Adapter(ABC, Generic[ConfigT]):
    """Reads one layout of data set on disk.

    Attributes:
        Config: The model of the adapter's ``params.yaml`` entry, a subclass of ``DatasetConfig`` with flat keys.
    """

    Config: type[ConfigT]

    @abstractmethod
    def scan(self, config: ConfigT) -> Scan:
        """List the labelled faces below ``config.root`` without decoding a picture.

        Faults of single items become rejects. Files may be listed that don't exist: ``ingest`` finds that out.

        Raises:
            DataError: The layout is another one, or the label file can't be used; one line that names it.
        """


ADAPTERS: Registry[type[Adapter[Any]]] = Registry(
    "data set adapter",
    "fer_au.adapters",
    built_in={
        "csv": "fer_au.datasets.csv_labels",
        "demo": "fer_au.datasets.demo",
        "folder": "fer_au.datasets.folder",
        "sep": "fer_au.datasets.sep",
    },
)


def list_adapters() -> list[str]:
    """Names of all adapters, third parties' included.

    Example:
        >>> {"csv", "demo", "folder", "sep"} <= set(list_adapters())
        True
    """
    return ADAPTERS.names()


def create_adapter(name: str) -> Adapter[Any]:
    """The adapter of that name.

    Raises:
        UnknownNameError: There is none; the message lists near names.
    """
    return ADAPTERS.get(name)()
