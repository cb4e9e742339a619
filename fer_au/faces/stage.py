"""The ``align`` stage: every row of the manifest becomes a row of ``faces.h5``."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.compute import batched, log, map_ordered
from fer_au.config.data import AlignConfig
from fer_au.datasets.files import check_root
from fer_au.datasets.inside import PictureFiles
from fer_au.datasets.manifest import ManifestRow, pictures_digest, read_manifest
from fer_au.errors import DataError
from fer_au.faces.operation import FIELDS, AlignOperation, FacePayload
from fer_au.faces.outside import Outside, outside_shares
from fer_au.faces.placing import Place, usual_place
from fer_au.gate import PICTURES as MOST_BYTES
from fer_au.gate import read_bytes
from fer_au.rejects import Reason, Reject, check_reject_fraction, write_rejects
from fer_au.shards.assemble import CachedRows, assemble_store
from fer_au.shards.cache import KEY_BYTES
from fer_au.shards.compute import compute_rows, warm_up
from fer_au.shards.pictures import is_picture
from fer_au.stores.columns import encode_ids
from fer_au.stores.layout import Attribute
from fer_au.stores.locks import output_lock
from fer_au.stores.schemas import FaceStatus
from fer_au.stores.sources import PICTURES

_CHECK_BATCH = 256


def align_dataset(
    config: AlignConfig, dataset_dir: Path, root: Path, restore: Callable[[], None] | None = None
) -> None:
    """Align the faces of a data set.

    It reads ``manifest.csv``, and writes ``faces.h5`` with one row per manifest row and ``rejects/align.csv`` with the
    rows that have no crop. A picture without a face is lost only under ``on_missing: reject``; otherwise its status
    tells that it was cut where the set's found faces lie, or taken whole.

    Args:
        config: Section ``align`` of the parameters.
        dataset_dir: Folder ``data/<name>``.
        root: Folder of the pictures.
        restore: Makes pictures that lie inside other files once more, where the cache lost them.

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
        if config.choose == "best-iou" and not any(row.box for row in rows):
            text = "best-iou compares with the data set's boxes, and it has none: the best score is taken"
            log(f"align {dataset_dir.name}: align.choose: {text}")
        operation = AlignOperation.of(config)
        warm_up(operation, len(rows))
        operation.check()
        lost = _find_lost(rows, root, restore)
        at = np.flatnonzero([row.id not in lost for row in rows]).astype(np.int64)
        computed, places = _compute([rows[index] for index in at.tolist()], root, operation, config)
        kept, faults, found = _judge(rows, at, computed, config)
        outside = _outside(rows, at, computed, kept, config.size)
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
            columns={"id": encode_ids([row.id for row in rows]), "outside": outside},
            fingerprint=operation.fingerprint,
            attributes=operation.attributes | places,
            beside=["rejects/align.csv"],
            sources={PICTURES: pictures_digest(rows)},
        )
        lost_text = f"{len(rejects)} rejected, see {path}" if rejects else "none rejected"
        shares, name = Outside.of(outside), dataset_dir.name
        if advice := shares.advice(name, config.template):
            log(f"align {name}: {advice}")
        log(f"align {name}: {found}, {shares.text}, {lost_text}; {output}")


@dataclass(frozen=True)
class _FileCheck:
    """Check of files by their hashes: a changed picture must not be taken for the ingested one."""

    files: PictureFiles

    def __call__(self, batch: Sequence[tuple[str, str, str]]) -> list[Reject | None]:
        return [self._one(id_, path, sha256) for id_, path, sha256 in batch]

    def _one(self, id_: str, path: str, sha256: str) -> Reject | None:
        file = self.files.find(path, sha256)
        if isinstance(file, Reject):
            return Reject(id_, file.reason, file.detail)
        try:
            whole = is_picture(file, read_bytes(file, MOST_BYTES), sha256)
        except OSError as error:
            return Reject(id_, Reason.UNREADABLE, error.strerror or str(error))
        return None if whole else Reject(id_, Reason.CHANGED, "another sha256 than in the manifest")


def _find_lost(rows: Sequence[ManifestRow], root: Path, restore: Callable[[], None] | None) -> dict[str, Reject]:
    """Find the rows whose picture can't be used, once those inside other files are made again; see ``_check_files``."""
    lost, files = _check_files(rows, root), PictureFiles(root.resolve())
    if restore is None or not any(row.id in lost and files.is_inside(row.path) for row in rows):
        return lost
    restore()
    return _check_files(rows, root)


def _check_files(rows: Sequence[ManifestRow], root: Path) -> dict[str, Reject]:
    """Find the rows whose picture can't be used; return id -> reject.

    This precedes the cached work, because cached rows are found by the manifest's hash, whatever lies on the disk now.
    """
    batches = batched([(row.id, row.path, row.sha256) for row in rows], _CHECK_BATCH)
    sizes = [len(batch) for batch in batches]
    results = map_ordered(
        _FileCheck(PictureFiles(root.resolve())), batches, label="align: checking files", weights=sizes, threads=True
    )
    return {fault.id: fault for faults in results for fault in faults if fault is not None}


def _compute(
    rows: Sequence[ManifestRow], root: Path, operation: AlignOperation, config: AlignConfig
) -> tuple[CachedRows, dict[str, Attribute]]:
    """Compute the rows, at first of found faces, then of the others; result as of ``_place_missing``."""
    files = PictureFiles(root.resolve())
    # A picture that shows the faces of several rows is searched around each row's box only.
    counts = Counter(row.path for row in rows)

    def task(row: ManifestRow) -> FacePayload:
        return FacePayload(str(files.path(row.path, row.sha256)), row.sha256, row.box, counts[row.path] > 1)

    return _place_missing(rows, root, operation, _rows_of(rows, task, operation), config)


def _rows_of(
    rows: Sequence[ManifestRow], task: Callable[[ManifestRow], FacePayload], operation: AlignOperation
) -> CachedRows:
    keys = np.frombuffer(b"".join(_key(task(row)) for row in rows), np.uint8).reshape(-1, KEY_BYTES)
    return compute_rows(keys, lambda positions: [task(rows[index]) for index in positions], operation)


def _key(task: FacePayload) -> bytes:
    box = " ".join(map(repr, task.box)) if task.box else ""
    place = f"|{task.place.text()}" if task.place else ""
    return hashlib.sha256(f"{task.sha256}|{box}|{int(task.shared)}{place}".encode()).digest()


def _place_missing(
    rows: Sequence[ManifestRow], root: Path, operation: AlignOperation, computed: CachedRows, config: AlignConfig
) -> tuple[CachedRows, dict[str, Attribute]]:
    """Cut pictures without a found face where the set's faces usually lie, once all others are known.

    Rows with a box of the data set's have a usual place of their own, relative to that box.

    Returns:
        The rows, and what ``faces.h5`` says of the usual place in a picture, where a crop was cut there.
    """
    size, files = config.size, PictureFiles(root.resolve())
    if config.on_missing == "reject" or not operation.aligner.target.aligned:
        return computed, {}
    status, matrices = np.full(len(rows), int(FaceStatus.REJECTED)), np.full((len(rows), 2, 3), np.nan)
    for items, columns in computed.pieces("status", "matrix"):
        status[items], matrices[items] = columns["status"], columns["matrix"]
    boxed = np.array([row.box is not None for row in rows], np.bool_)
    frames = np.array([row.box or (0, 0, row.width, row.height) for row in rows], np.float64).reshape(-1, 4)
    attributes: dict[str, Attribute] = {}
    for own in (boxed, ~boxed):
        found, missing = own & (status == FaceStatus.OK), np.flatnonzero(own & (status == FaceStatus.WHOLE_IMAGE))
        place = usual_place(matrices[found], frames[found], size) if len(missing) else None
        if place is None:
            continue

        def task(row: ManifestRow, place: Place = place) -> FacePayload:
            return FacePayload(str(files.path(row.path, row.sha256)), row.sha256, row.box, False, place)

        lost = [rows[index] for index in missing.tolist()]
        computed = computed.replaced(missing, _rows_of(lost, task, operation))
        if own is not boxed:
            attributes["place"] = place.text()
    return computed, attributes


def _outside(
    rows: Sequence[ManifestRow], at: NDArray[np.int64], computed: CachedRows, kept: NDArray[np.bool_], size: int
) -> NDArray[np.float32]:
    """Measure the share of each row's crop that lies outside its picture, (len(rows),); NaN without a crop.

    The crop's place and the picture's size tell it, so that no cached row is computed for it.
    """
    shares = np.full(len(rows), np.nan, np.float32)
    for items, columns in computed.pieces("matrix"):
        sizes = np.array([(rows[index].width, rows[index].height) for index in at[items].tolist()], np.float64)
        matrices = np.where(kept[items, None, None], columns["matrix"], np.nan)
        shares[at[items]] = outside_shares(matrices, sizes.reshape(-1, 2), size)
    return shares


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
    if placed := statuses[FaceStatus.PLACED]:
        text += f", {placed} not found and cut where the others lie"
    if whole := statuses[FaceStatus.WHOLE_IMAGE]:
        text += f", {whole} not found and the whole picture taken"
    return kept, rejects, text
