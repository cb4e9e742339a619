"""The ``align`` stage: every row of the manifest becomes a row of ``faces.h5``."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.compute import batched, log, map_ordered
from fer_au.config.data import AlignConfig
from fer_au.datasets.files import check_root, resolve_below
from fer_au.datasets.manifest import ManifestRow, read_manifest
from fer_au.errors import DataError
from fer_au.faces.operation import FIELDS, AlignOperation, FacePayload
from fer_au.rejects import Reason, Reject, check_reject_fraction, write_rejects
from fer_au.shards.assemble import CachedRows, assemble_store
from fer_au.shards.cache import KEY_BYTES
from fer_au.shards.compute import compute_rows, warm_up
from fer_au.stores.columns import encode_ids
from fer_au.stores.locks import output_lock
from fer_au.stores.schemas import FaceStatus

_CHECK_BATCH = 256


def align_dataset(config: AlignConfig, dataset_dir: Path, root: Path) -> None:
    """Align the faces of a data set.

    It reads ``manifest.csv``, and writes ``faces.h5`` with one row per manifest row and ``rejects/align.csv`` with the
    rows that have no crop. A picture without a face is lost only under ``on_missing: reject``; otherwise its status
    tells that the whole picture was taken.

    Args:
        config: Section ``align`` of the parameters.
        dataset_dir: Folder ``data/<name>``.
        root: Folder of the pictures.

    Raises:
        DataError: The manifest or the root is missing, or more rows are rejected than ``max_reject_fraction`` allows.
        ConfigError: A name in the configuration is unknown.
        MissingDependencyError: dlib or its weights are not installed.
    """
    output = dataset_dir / "faces.h5"
    with output_lock(output):
        rows = read_manifest(dataset_dir / "manifest.csv")
        if not rows:
            raise DataError(f"{dataset_dir / 'manifest.csv'}: no rows")
        check_root(root)
        operation = AlignOperation.of(config)
        warm_up(operation, len(rows))
        operation.check()
        lost = _check_files(rows, root)
        at = np.flatnonzero([row.id not in lost for row in rows]).astype(np.int64)
        computed = _compute([rows[index] for index in at.tolist()], root, operation)
        kept, faults, found = _judge(rows, at, computed, config)
        rejects = [*lost.values(), *faults]
        path = dataset_dir / "rejects" / "align.csv"
        write_rejects(path, rejects)
        check_reject_fraction("align", rejects, len(rows), config.max_reject_fraction, path)
        assemble_store(
            output,
            "faces",
            rows=len(rows),
            source=computed.select(kept),
            at=at[kept],
            fields=FIELDS,
            ragged=("data", "context") if config.context else ("data",),
            columns={"id": encode_ids([row.id for row in rows])},
            fingerprint=operation.fingerprint,
            attributes=operation.attributes,
        )
        lost_text = f"{len(rejects)} rejected, see {path}" if rejects else "none rejected"
        log(f"align {dataset_dir.name}: {found}, {lost_text}; {output}")


@dataclass(frozen=True)
class _FileCheck:
    """Check of files by their hashes: a changed picture must not be taken for the ingested one."""

    base: Path

    def __call__(self, batch: Sequence[tuple[str, str, str]]) -> list[Reject | None]:
        return [self._one(id_, path, sha256) for id_, path, sha256 in batch]

    def _one(self, id_: str, path: str, sha256: str) -> Reject | None:
        file = resolve_below(self.base, path)
        if isinstance(file, Reject):
            return Reject(id_, file.reason, file.detail)
        try:
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError as error:
            return Reject(id_, Reason.UNREADABLE, error.strerror or str(error))
        return None if digest == sha256 else Reject(id_, Reason.CHANGED, "another sha256 than in the manifest")


def _check_files(rows: Sequence[ManifestRow], root: Path) -> dict[str, Reject]:
    """Find the rows whose picture can't be used; return id -> reject.

    This precedes the cached work, because cached rows are found by the manifest's hash, whatever lies on the disk now.
    """
    batches = batched([(row.id, row.path, row.sha256) for row in rows], _CHECK_BATCH)
    sizes = [len(batch) for batch in batches]
    results = map_ordered(
        _FileCheck(root.resolve()), batches, label="align: checking files", weights=sizes, threads=True
    )
    return {fault.id: fault for faults in results for fault in faults if fault is not None}


def _compute(rows: Sequence[ManifestRow], root: Path, operation: AlignOperation) -> CachedRows:
    base = root.resolve()
    # A picture that shows the faces of several rows is searched around each row's box only.
    counts = Counter(row.path for row in rows)

    def payloads(positions: Sequence[int]) -> list[FacePayload]:
        chosen = [rows[index] for index in positions]
        return [FacePayload(str(base / row.path), row.sha256, row.box, counts[row.path] > 1) for row in chosen]

    keys = b"".join(_key(row, counts[row.path] > 1) for row in rows)
    return compute_rows(np.frombuffer(keys, np.uint8).reshape(-1, KEY_BYTES), payloads, operation)


def _key(row: ManifestRow, shared: bool) -> bytes:
    box = " ".join(map(repr, row.box)) if row.box else ""
    return hashlib.sha256(f"{row.sha256}|{box}|{int(shared)}".encode()).digest()


def _judge(
    rows: Sequence[ManifestRow], at: NDArray[np.int64], computed: CachedRows, config: AlignConfig
) -> tuple[NDArray[np.bool_], list[Reject], str]:
    """Decide which computed rows are kept, (len(computed),) bool; reject the others; say what was found how."""
    kept = np.ones(len(computed), np.bool_)
    rejects: list[Reject] = []
    statuses: Counter[int] = Counter()
    passes: Counter[str] = Counter()
    for items, columns in computed.pieces("status", "reason", "detail", "why"):
        values = (columns[name].tolist() for name in ("status", "reason", "detail", "why"))
        for item, status, reason, detail, why in zip(items.tolist(), *values, strict=True):
            id_ = rows[int(at[item])].id
            if reason:
                rejects.append(Reject(id_, Reason(reason.decode()), detail.decode("utf-8", "replace")))
            elif status == FaceStatus.WHOLE_IMAGE and config.on_missing == "reject":
                rejects.append(Reject(id_, Reason.NO_FACE, "no face was found and align.on_missing is reject"))
            else:
                statuses[status] += 1
                if status == FaceStatus.OK:
                    passes[why.decode()] += 1
                continue
            kept[item] = False
    text = f"{statuses[FaceStatus.OK]} of {len(rows)} faces found"
    if len(passes) > 1:  # docs/landmarks.md says what each of them is
        order = sorted(passes.items(), key=lambda pair: (-pair[1], pair[0]))
        text += f" (by search: {', '.join(f'{name} {count}' for name, count in order)})"
    if whole := statuses[FaceStatus.WHOLE_IMAGE]:
        text += f", {whole} not found and the whole picture taken"
    return kept, rejects, text
