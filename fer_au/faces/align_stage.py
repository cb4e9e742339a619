"""The ``align`` stage: every row of the manifest becomes a row of ``faces.h5``."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_au.compute import batched, log, map_ordered
from fer_au.config.data import AlignConfig
from fer_au.datasets.files import check_root, resolve_below
from fer_au.datasets.manifest import ManifestRow, read_manifest
from fer_au.errors import DataError
from fer_au.faces.align_operation import AlignOperation, FacePayload
from fer_au.rejects import Reason, Reject, check_reject_fraction, write_rejects
from fer_au.stores.build import Item, compute_rows
from fer_au.stores.format import Array
from fer_au.stores.schemas import FaceStatus
from fer_au.stores.writer import encode_ids, pack_ragged, write_store

_CHECK_BATCH = 256


def align_dataset(config: AlignConfig, dataset_dir: Path, root: Path) -> None:
    """Align the faces of a data set.

    Reads ``manifest.csv``; writes ``faces.h5`` with one row per manifest row, and ``rejects/align.csv`` with the rows
    that have no crop. A picture without a face is lost only under ``on_missing: reject``; else its status tells that
    the whole picture was taken.

    Args:
        config: Section ``align`` of the parameters.
        dataset_dir: ``data/<name>``.
        root: Folder of the pictures.

    Raises:
        DataError: No manifest or no root, or more rejects than ``max_reject_fraction`` allows.
        ConfigError: An unknown name in the configuration.
        MissingDependencyError: dlib or its weights are not installed.
    """
    rows = read_manifest(dataset_dir / "manifest.csv")
    if not rows:
        raise DataError(f"{dataset_dir / 'manifest.csv'}: no rows")
    check_root(root)
    operation = AlignOperation.of(config)
    operation.check()
    files = _check_files(rows, root)
    lost = {id_: fault for id_, fault in files.items() if isinstance(fault, Reject)}
    kept = [row for row in rows if row.id not in lost]
    items = [_item(row, files[row.id], shared) for row, shared in zip(kept, _shared(kept), strict=True)]
    computed = compute_rows(items, operation)
    columns = _spread(computed, np.flatnonzero([row.id not in lost for row in rows]), len(rows), config)
    rejects = [*lost.values(), *_faults(kept, computed)]
    if config.on_missing == "reject":
        rejects += _reject_missing(rows, columns)
    path = dataset_dir / "rejects" / "align.csv"
    write_rejects(path, rejects)
    _log_counts(columns)
    check_reject_fraction("align", rejects, len(rows), config.max_reject_fraction, path)
    columns["id"] = encode_ids([row.id for row in rows])
    write_store(
        dataset_dir / "faces.h5",
        "faces",
        columns,
        fingerprint=operation.fingerprint,
        attributes=operation.attributes,
    )


@dataclass(frozen=True)
class _FileCheck:
    """Hashes files in a worker: a changed picture must not be taken for the one that was ingested and split."""

    def __call__(self, batch: Sequence[tuple[str, str, str]]) -> list[Reject | None]:
        return [self._one(id_, Path(path), sha256) for id_, path, sha256 in batch]

    def _one(self, id_: str, path: Path, sha256: str) -> Reject | None:
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except FileNotFoundError:
            return Reject(id_, Reason.MISSING_FILE, "the manifest names it")
        except OSError as error:
            return Reject(id_, Reason.UNREADABLE, error.strerror or str(error))
        return None if digest == sha256 else Reject(id_, Reason.CHANGED, "another sha256 than in the manifest")


def _check_files(rows: Sequence[ManifestRow], root: Path) -> dict[str, Path | Reject]:
    """The picture of every row, or why it can't be used.

    This comes before the cached work: cached rows are found by the manifest's hash, whatever lies on the disk now.
    """
    base = root.resolve()
    files: dict[str, Path | Reject] = {}
    for row in rows:
        file = resolve_below(base, row.path)
        files[row.id] = Reject(row.id, file.reason, file.detail) if isinstance(file, Reject) else file
    tasks = [(row.id, str(files[row.id]), row.sha256) for row in rows if not isinstance(files[row.id], Reject)]
    batches = batched(tasks, _CHECK_BATCH)
    sizes = [len(batch) for batch in batches]
    for faults in map_ordered(_FileCheck(), batches, label="align: checking files", weights=sizes):
        files.update({fault.id: fault for fault in faults if fault is not None})
    return files


def _shared(rows: Sequence[ManifestRow]) -> list[bool]:
    """Whether the picture of each row shows faces of other rows too."""
    counts = Counter(row.path for row in rows)
    return [counts[row.path] > 1 for row in rows]


def _item(row: ManifestRow, file: Path | Reject, shared: bool) -> Item:
    box = " ".join(map(repr, row.box)) if row.box else ""
    key = hashlib.sha256(f"{row.sha256}|{box}|{int(shared)}".encode()).hexdigest()
    return Item(row.id, key, FacePayload(str(file), row.sha256, row.box, shared))


def _spread(computed: Mapping[str, Array], positions: Array, rows: int, config: AlignConfig) -> dict[str, Array]:
    """Columns of all rows of the manifest: computed ones in their places, REJECTED ones without content elsewhere."""
    columns: dict[str, Array] = {
        "matrix": np.full((rows, 2, 3), np.nan),
        "box": np.full((rows, 4), np.nan, np.float32),
        "score": np.full(rows, np.nan, np.float32),
        "detector": np.full(rows, b"none", "S16"),
        "status": np.full(rows, FaceStatus.REJECTED, np.uint8),
        "why": np.full(rows, b"", "S24"),
    }
    if computed:
        for name, column in columns.items():
            column[positions] = computed[name]
    for name, wanted in (("data", True), ("context", config.context > 0)):
        if wanted:
            columns |= _spread_ragged(computed, name, positions, rows)
    return columns


def _spread_ragged(computed: Mapping[str, Array], name: str, positions: Array, rows: int) -> dict[str, Array]:
    bounds = "offset" if name == "data" else f"{name}_offset"
    if not computed:
        return pack_ragged([b""] * rows, name)
    lengths = np.zeros(rows, np.int64)
    lengths[positions] = np.diff(np.asarray(computed[bounds], np.int64))
    return {name: computed[name], bounds: np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])}


def _faults(rows: Sequence[ManifestRow], computed: Mapping[str, Array]) -> list[Reject]:
    if not computed:
        return []
    pairs = zip(computed["reason"].tolist(), computed["detail"].tolist(), strict=True)
    return [
        Reject(row.id, Reason(reason.decode()), detail.decode("utf-8", "replace"))
        for row, (reason, detail) in zip(rows, pairs, strict=True)
        if reason
    ]


def _reject_missing(rows: Sequence[ManifestRow], columns: dict[str, Array]) -> list[Reject]:
    """Turn rows without a face into rejects and take their crops away, in place."""
    missing = columns["status"] == FaceStatus.WHOLE_IMAGE
    columns["status"] = np.where(missing, np.uint8(FaceStatus.REJECTED), columns["status"])
    for name in ("matrix", "box"):
        columns[name][missing] = np.nan
    for name, bounds in (("data", "offset"), ("context", "context_offset")):
        if name in columns:
            lengths = np.diff(columns[bounds].astype(np.int64)).astype(np.int64)
            columns[name] = columns[name][~np.repeat(missing, lengths)]
            columns[bounds] = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.where(missing, 0, lengths))])
    return [
        Reject(rows[index].id, Reason.NO_FACE, "no face was found and align.on_missing is reject")
        for index in np.flatnonzero(missing).tolist()
    ]


def _log_counts(columns: Mapping[str, Array]) -> None:
    counts = Counter(columns["status"].tolist())
    why = Counter(text.decode() for text in columns["why"].tolist() if text)
    passes = ", ".join(f"{count} {name}" for name, count in sorted(why.items(), key=lambda pair: (-pair[1], pair[0])))
    log(
        f"align: {counts[FaceStatus.OK]} faces, {counts[FaceStatus.WHOLE_IMAGE]} whole pictures, "
        f"{counts[FaceStatus.REJECTED]} rejected ({passes})"
    )
