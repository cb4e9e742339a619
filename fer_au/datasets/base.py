"""The contract of data set adapters: a folder of any layout and its ``params.yaml`` entry in, uniform records out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from fer_au.arguments import read_path, read_text
from fer_au.config.data import DatasetConfig
from fer_au.config.reading import PARAMS, Fault, entry, examine, refuse, salvage
from fer_au.config.unread import NO_EFFECT
from fer_au.datasets.inside import Inside
from fer_au.datasets.manifest import Box, Split
from fer_au.datasets.tally import Tally
from fer_au.errors import DataError, MissingDependencyError, PartError, UnknownNameError
from fer_au.expressions import EXPRESSIONS
from fer_au.registry import Registry
from fer_au.rejects import Reject

ConfigT = TypeVar("ConfigT", bound=DatasetConfig)


@dataclass(frozen=True)
class Record:
    """One labelled face as the data set describes it, before its picture has been read.

    Attributes:
        path: POSIX path of the picture below the root; of one inside a file of another kind (``Scan.inside``), the
            file's path and a name behind it.
        label: Canonical expression.
        split: Split that the data set gives; None lets the configured fractions decide.
        fold: Name of the cross-validation fold, where the set has folds.
        subject: Person, where known; a person never spreads over two splits that are carved here.
        box: Box of the annotated face, x1 y1 x2 y2 in pixels of the upright picture.
        face_key: Key that tells the faces of one picture apart.
        clip: Clip that its picture is a frame of, by its path; where no person is known, splits that are carved here
            keep a clip together.
    """

    path: str
    label: str
    split: Split | None = None
    fold: str | None = None
    subject: str | None = None
    box: Box | None = None
    face_key: str | None = None
    clip: str | None = None

    @property
    def id(self) -> str:
        """Id of the record in every artefact: its path, with ``#key`` for a face of several."""
        return self.path if self.face_key is None else f"{self.path}#{self.face_key}"


@dataclass(frozen=True)
class Annotations:
    """Annotations besides labels: the optional columns of ``annotations.h5``.

    Attributes:
        ids: ``Record.id`` of each row, in any order; rows of rejected records are left out later.
        columns: Name -> one entry per id. Known names: ``points`` (N,68,2) float32 source-picture xy, ``au`` (N,A)
            float32 intensities from 0 (rest) to 1, ``pose`` (N,3) float32 yaw, pitch, roll in degrees, ``motion``
            (N,64,64) uint8 on the source picture's own grid, ``skin_tone`` (N,) float32 from 0 (lightest) to 1
            (darkest), ``soft_label`` (N,C) float32 shares of expressions in the label, which sum to 1: what ``target:
            soft`` trains on.
        attributes: Attributes of the store, which name what columns count: ``au_names`` such as ``"AU1,AU2"``, and
            ``soft_label_names`` such as ``"neutral,happiness"``.
        points_from: Place that the points come from, for messages.
        points_offset: Pixels that were added to the data set's own numbers of the points.

    A record without a row gets NaN in floating columns; an integer column needs a row for every record.
    """

    ids: tuple[str, ...] = ()
    columns: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    points_from: str = "points of the data set"
    points_offset: float = 0.0

    def align(self, ids: Sequence[str]) -> dict[str, NDArray[np.generic]]:
        """Bring the columns into the order of a manifest.

        Args:
            ids: Ids of the manifest, in its order.

        Returns:
            Name -> one entry per id of the manifest; NaN where there is no row.

        Raises:
            DataError: Columns and ids differ in length, an id is repeated, or an integer column lacks a row.
        """
        return {name: _align_column(name, values, self.ids, ids) for name, values in self.columns.items()}


def _align_column(
    name: str, values: NDArray[np.generic], known: Sequence[str], wanted: Sequence[str]
) -> NDArray[np.generic]:
    """Bring rows that belong to ``known`` ids into the order of ``wanted`` ids; NaN where there is no row."""
    position = {id_: row for row, id_ in enumerate(known)}
    if len(values) != len(known) or len(position) != len(known):
        raise DataError(f"annotation {name!r}: {len(values)} rows for {len(position)} distinct of {len(known)} ids")
    rows = np.array([position.get(id_, -1) for id_ in wanted], np.int64)
    if not (absent := rows < 0).any():
        return values[rows]
    if values.dtype.kind != "f":
        first = wanted[int(np.argmax(absent))]
        raise DataError(f"annotation {name!r} has no row for {first}, and {values.dtype} has no NaN to say so")
    aligned = np.full((len(wanted), *values.shape[1:]), np.nan, values.dtype)
    aligned[~absent] = values[rows[~absent]]
    return aligned


@dataclass(frozen=True)
class Scan:
    """The findings of an adapter.

    Attributes:
        records: Labelled faces, in any order.
        rejects: Items that look like members of the set and can't be used.
        annotations: Annotations besides labels.
        notes: Lines for people about files passed over and choices made.
        inside: Pictures of records that are no files, but lie inside files of another kind.
        sets: Names of the data sets that a union holds; the ids of each one's faces begin with its name and ``/``.
    """

    records: tuple[Record, ...]
    rejects: tuple[Reject, ...] = ()
    annotations: Annotations = field(default_factory=Annotations)
    notes: tuple[str, ...] = ()
    inside: tuple[Inside, ...] = ()
    sets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outline:
    """What a data set brings along, as far as its layout tells without a look at the pictures.

    Attributes:
        splits: Splits of its faces; None stands for faces whose split the configured fractions decide.
        subjects: Whether persons are known.
        folds: Whether it has folds.
        columns: Columns of ``annotations.h5`` that it fills.
        fold_names: Names of its folds, where the entry alone tells them.
        tally: Numbers of its listed faces; None if it doesn't count them.
    """

    splits: frozenset[Split | None] = frozenset({None})
    subjects: bool = False
    folds: bool = False
    columns: frozenset[str] = frozenset()
    fold_names: tuple[str, ...] = ()
    tally: Tally | None = None


def _told(key: tuple[str, ...], text: str) -> str:
    """Write a fault; texts about a value that nothing reads don't name its key."""
    return f"{'.'.join(key)}: {text}" if text.startswith(NO_EFFECT) else text


class LayoutError(DataError):
    """Keys of an entry that don't fit what lies below its root, all at once.

    Attributes:
        faults: What is wrong: the key that it is said of, and others on which it rests; and a text.
    """

    def __init__(self, *faults: tuple[tuple[str, ...], str]) -> None:
        super().__init__("; ".join(_told(key, text) for key, text in faults))
        self.faults = faults


class Adapter(ABC, Generic[ConfigT]):
    """Reads one layout of data set on disk.

    Attributes:
        Config: Model of the adapter's ``params.yaml`` entry, a subclass of ``DatasetConfig`` with flat keys.
    """

    Config: ClassVar[type[ConfigT]]

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Tell by a quick look at names, at no picture, whether a folder looks like this layout.

        Args:
            root: A folder that exists.

        Raises:
            OSError: It can't be read.
        """
        return False

    @abstractmethod
    def scan(self, config: ConfigT) -> Scan:
        """List the labelled faces below ``config.root`` without decoding a picture.

        Faults of single items become rejects. Files may be listed that don't exist: ``ingest`` finds that out.

        Raises:
            DataError: The layout is another one, or the label file can't be used; one line that names it.
        """

    def outline(self, config: ConfigT) -> Outline | None:
        """Tell beforehand what ``scan`` will find, in a second at most; None if that can't be told.

        The check of ``params.yaml`` asks, so that a split that nobody makes is noticed before anything runs.

        Raises:
            DataError: As for ``scan``; a ``LayoutError`` says which keys are wrong.
        """
        return None

    def sketch(self, config: ConfigT) -> Outline | None:
        """Tell what the entry alone says of the outline, where the folder is missing; None if it says too little."""
        return None


ADAPTERS: Registry[type[Adapter[Any]]] = Registry(
    "data set adapter",
    "fer_au.adapters",
    built_in={
        "affectnet": "fer_au.datasets.affectnet",
        "ckplus": "fer_au.datasets.ckplus",
        "csv": "fer_au.datasets.csv_labels",
        "demo": "fer_au.datasets.demo",
        "disfa": "fer_au.datasets.disfa",
        "expw": "fer_au.datasets.expw",
        "fer2013": "fer_au.datasets.fer2013",
        "ferplus": "fer_au.datasets.ferplus",
        "folder": "fer_au.datasets.folder",
        "jaffe": "fer_au.datasets.jaffe",
        "kdef": "fer_au.datasets.kdef",
        "rafdb": "fer_au.datasets.rafdb",
        "sep": "fer_au.datasets.sep",
        "sfew": "fer_au.datasets.sfew",
        "tfeid": "fer_au.datasets.tfeid",
        "union": "fer_au.datasets.union",
        "video": "fer_au.datasets.video",
    },
    base=Adapter,
)


def list_records(adapter: Adapter[ConfigT], config: ConfigT) -> Scan:
    """Scan a data set by an adapter, and check what it lists; arguments, result and errors as ``Adapter.scan``.

    Raises:
        PartError: The adapter gave something else than a scan of labelled faces.
    """
    title, scan = ADAPTERS.title(adapter), adapter.scan(config)
    if not isinstance(scan, Scan):
        raise PartError(f"{title} gave a value of type {type(scan).__name__}, expected a fer_au.datasets.base.Scan")
    for items, wanted in ((scan.records, Record), (scan.rejects, Reject)):
        for item in items:
            if not isinstance(item, wanted):
                place = f"{wanted.__module__}.{wanted.__name__}"
                raise PartError(f"{title} listed a value of type {type(item).__name__}, expected a {place}")
    for record in scan.records:
        if record.label not in EXPRESSIONS:
            raise PartError(
                f"{title} gave the label {record.label!r} of {record.path!r}, expected one of {', '.join(EXPRESSIONS)}"
            )
    return scan


def list_adapters() -> list[str]:
    """List the names of all adapters, those of other packages included.

    Example:
        >>> {"csv", "demo", "folder", "sep"} <= set(list_adapters())
        True
    """
    return ADAPTERS.names()


def create_adapter(name: str) -> Adapter[Any]:
    """Create an adapter by its name.

    Raises:
        UnknownNameError: There is no such adapter; the message lists near names.
    """
    return ADAPTERS.get(name)()


def load_dataset_config(name: str, params_path: Path = PARAMS) -> DatasetConfig:
    """Read ``datasets.<name>`` into the adapter's own model.

    Raises:
        ConfigError: No such entry, unknown adapter, or an unknown or bad key; one line with the key's path.
    """
    name, params_path = read_text("name", name, "the name of a data set"), read_path("params_path", params_path)
    config, faults = examine_dataset(name, entry("datasets", name, params_path))
    refuse(params_path, faults)
    return cast(DatasetConfig, config)


def examine_dataset(name: str, data: object) -> tuple[DatasetConfig | None, list[Fault]]:
    """Build the adapter's own model of an entry of ``datasets``, or list all that is wrong.

    Args:
        name: Name of the data set.
        data: Its entry, plain data.
    """
    prefix = f"datasets.{name}"
    if not isinstance(data, Mapping):
        return examine(DatasetConfig, data, prefix)
    shared = {key: value for key, value in data.items() if key in DatasetConfig.model_fields}
    if not isinstance(data.get("adapter"), str):
        return None, examine(DatasetConfig, shared, prefix)[1]  # says that the key is missing or no text
    try:
        model = create_adapter(data["adapter"]).Config
    except (UnknownNameError, MissingDependencyError) as error:
        return None, [Fault(f"{prefix}.adapter", str(error)), *examine(DatasetConfig, shared, prefix)[1]]
    return examine(model, data, prefix)


def salvage_dataset(data: Mapping[str, Any]) -> DatasetConfig | None:
    """Build the adapter's own model of what is right in an entry; None where its adapter is not known."""
    try:
        model = create_adapter(str(data.get("adapter"))).Config
    except (UnknownNameError, MissingDependencyError):
        return None
    needed = {name: "" for name, field in model.model_fields.items() if field.is_required()}
    return cast(DatasetConfig | None, salvage(model, data, needed))
