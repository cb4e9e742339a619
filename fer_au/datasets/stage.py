"""The ``ingest`` stage: scan a data set, open every picture once, and write its manifest, annotations and rejects."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fer_au.compute import batched, log, map_ordered
from fer_au.config.data import DatasetConfig
from fer_au.datasets.base import Annotations, Record, create_adapter
from fer_au.datasets.files import check_root, printable, resolve_below
from fer_au.datasets.labels import LabelRow, merge_rows
from fer_au.datasets.manifest import ManifestRow, write_manifest
from fer_au.datasets.splits import Member, assign_splits
from fer_au.datasets.summary import count_line, empty_split_lines, reject_lines
from fer_au.decoding import ImageRejected, decode_image
from fer_au.errors import DataError
from fer_au.fingerprints import file_digest, fingerprint
from fer_au.rejects import Reason, Reject, check_reject_fraction, write_rejects
from fer_au.stores.columns import encode_ids
from fer_au.stores.writer import write_store

MIN_SIDE = 16
MAX_BYTES = 512 * 2**20
_BATCH = 32


@dataclass(frozen=True)
class Picture:
    """A readable picture.

    Attributes:
        path: POSIX path below the root.
        sha256: sha256 of the file's bytes, hexadecimal.
        width: Width of the upright picture in pixels.
        height: Height of the upright picture in pixels.
    """

    path: str
    sha256: str
    width: int
    height: int


def ingest_dataset(name: str, config: DatasetConfig, out_dir: Path) -> None:
    """Turn a data set of any layout into ``manifest.csv``, ``annotations.h5`` and ``rejects/ingest.csv``.

    Every picture is read and decoded once. Items that can't be used become rejects; a picture without a label is
    listed there too, but doesn't count towards ``max_reject_fraction``: a label file that covers a part of a folder is
    no damage.

    Args:
        name: Key of the data set in ``params.yaml``.
        config: Entry of the data set, of the adapter's own model.
        out_dir: Folder of the three files.

    Raises:
        DataError: Missing or empty root, unusable layout or label file, no usable picture, or too many rejects (their
            table is written first).
    """
    label = f"ingest {name}"
    survey = survey_dataset(label, config)
    rejects_path = out_dir / "rejects" / "ingest.csv"
    write_rejects(rejects_path, survey.rejects)
    for line in (*survey.notes, *reject_lines(survey.rejects, config), *empty_split_lines(survey.rows, config)):
        log(f"{label}: {line}")
    survey.check_losses(label, config, rejects_path)

    manifest_path = out_dir / "manifest.csv"
    write_manifest(manifest_path, survey.rows)
    _write_annotations(out_dir / "annotations.h5", [row.id for row in survey.rows], survey.annotations, manifest_path)
    log(f"{label}: {count_line(survey.rows)}; {manifest_path}")


@dataclass(frozen=True)
class Survey:
    """What a data set holds.

    Attributes:
        rows: Rows of the manifest: every usable face with its split.
        rejects: Items that can't be used.
        annotations: Annotations besides labels.
        notes: Lines for people about files passed over and choices made.
    """

    rows: tuple[ManifestRow, ...]
    rejects: tuple[Reject, ...]
    annotations: Annotations
    notes: tuple[str, ...]

    def check_losses(self, label: str, config: DatasetConfig, table: Path) -> None:
        """Check that something is left, and that no more was lost than ``max_reject_fraction`` allows.

        Args:
            label: Name of the data set, used in messages.
            config: Entry of the data set.
            table: Place where the rejects are named, used in messages.

        Raises:
            DataError: No usable picture, or too many rejects.
        """
        counted = [reject for reject in self.rejects if reject.reason is not Reason.UNLABELLED]
        if not self.rows and not counted:
            unlabelled = f" ({len(self.rejects)} without a label, see {table})" if self.rejects else ""
            raise DataError(f"{label}: no labelled picture below {config.root}{unlabelled}")
        check_reject_fraction(label, counted, len(self.rows) + len(counted), config.max_reject_fraction, table)


def survey_dataset(label: str, config: DatasetConfig) -> Survey:
    """Scan a data set, open every picture once and split the faces; nothing is written.

    Args:
        label: Name of the data set, used in messages.
        config: Entry of the data set, of the adapter's own model.

    Raises:
        DataError: Missing or empty root, or unusable layout or label file.
    """
    check_root(config.root)
    scan = create_adapter(config.adapter).scan(config)
    records, rejects = merge_rows(LabelRow(record) for record in scan.records)
    accepted, refused = _inspect(label, config.root, records)
    rows, notes = _split_rows(accepted, config)
    found = (
        replace(item, id=printable(item.id), detail=printable(item.detail))
        for item in (*scan.rejects, *rejects, *refused)
    )
    return Survey(tuple(rows), tuple(found), scan.annotations, (*scan.notes, *notes))


@dataclass(frozen=True)
class _InspectBatch:
    """Inspects pictures in a worker process."""

    root: Path

    def __call__(self, paths: Sequence[str]) -> list[Picture | Reject]:
        return [inspect_picture(self.root, path) for path in paths]


def inspect_pictures(root: Path, paths: Sequence[str], label: str) -> list[Picture | Reject]:
    """Inspect pictures in parallel, in the order of ``paths``."""
    batches = batched(paths, _BATCH)
    weights = [len(batch) for batch in batches]
    results = map_ordered(_InspectBatch(root.resolve()), batches, label=label, weights=weights)
    return [result for batch in results for result in batch]


def inspect_picture(root: Path, path: str) -> Picture | Reject:
    """Read and fully decode one picture.

    Args:
        root: Root of the data set, resolved.
        path: POSIX path below the root.
    """
    file = resolve_below(root, path)
    if isinstance(file, Reject):
        return file
    try:
        if (size := file.stat().st_size) > MAX_BYTES:
            return Reject(path, Reason.TOO_LARGE, f"{size} bytes")
        data = file.read_bytes()
    except OSError as error:
        return Reject(path, Reason.UNREADABLE, error.strerror or str(error))
    try:
        height, width = decode_image(data).shape[:2]
    except ImageRejected as rejected:
        return Reject(path, rejected.reason, rejected.detail)
    if min(width, height) < MIN_SIDE:
        return Reject(path, Reason.TOO_SMALL, f"{width}x{height}: a side below {MIN_SIDE} pixels")
    return Picture(path, hashlib.sha256(data).hexdigest(), width, height)


def _inspect(label: str, root: Path, records: Sequence[Record]) -> tuple[list[tuple[Record, Picture]], list[Reject]]:
    """Open the pictures of all records, each once however many faces it has."""
    paths = sorted({record.path for record in records})
    results = dict(zip(paths, inspect_pictures(root, paths, label), strict=True))
    accepted: list[tuple[Record, Picture]] = []
    rejects: list[Reject] = []
    for record in sorted(records, key=lambda record: record.id):
        result = results[record.path]
        if isinstance(result, Reject):
            rejects.append(replace(result, id=record.id))
        elif record.box and not _touches(record, result):
            detail = f"box {record.box} lies outside the {result.width}x{result.height} picture"
            rejects.append(Reject(record.id, Reason.BAD_ROW, detail))
        else:
            accepted.append((record, result))
    return accepted, rejects


def _touches(record: Record, picture: Picture) -> bool:
    """Tell whether the record's box and the picture overlap."""
    left, top, right, bottom = record.box or (0.0, 0.0, 0.0, 0.0)
    return left < picture.width and top < picture.height and right > 0 and bottom > 0


def _split_rows(
    accepted: Sequence[tuple[Record, Picture]], config: DatasetConfig
) -> tuple[list[ManifestRow], list[str]]:
    members = [
        # Without a known person the bytes stand for one, so that copies of a file don't fall on both sides of a split.
        Member(record.label, f"subject {record.subject}" if record.subject else picture.sha256, record.split)
        for record, picture in accepted
    ]
    splits, notes = assign_splits(
        members, valid_fraction=config.valid_fraction, test_fraction=config.test_fraction, seed=config.seed
    )
    unknown = sum(record.subject is None for record, _ in accepted)
    if 0 < unknown < len(accepted):
        notes.append(f"{unknown} of {len(accepted)} faces have no known subject; each is split on its own")
    rows = [
        ManifestRow(
            id=record.id,
            path=record.path,
            sha256=picture.sha256,
            split=split,
            fold=record.fold,
            label=record.label,
            subject=record.subject,
            width=picture.width,
            height=picture.height,
            box=record.box,
        )
        for (record, picture), split in zip(accepted, splits, strict=True)
    ]
    return rows, notes


def _write_annotations(path: Path, ids: Sequence[str], annotations: Annotations, manifest: Path) -> None:
    """Write one row per row of the manifest, with whatever columns the data set has."""
    write_store(
        path,
        "annotations",
        {"id": encode_ids(ids), **annotations.align(ids)},
        fingerprint=fingerprint("annotations", 1, {"manifest": file_digest(manifest)}),
        attributes=annotations.attributes,
    )
