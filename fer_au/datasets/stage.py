"""The ``ingest`` stage: scan a data set, open every picture once, and write its manifest, annotations and rejects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from fer_au.compute import log
from fer_au.config.data import DatasetConfig
from fer_au.config.unread import no_effect
from fer_au.datasets.base import Annotations, Record, Scan, create_adapter, list_records
from fer_au.datasets.files import check_root, printable
from fer_au.datasets.frames import clips_of, list_frames, name_groups
from fer_au.datasets.inside import Inside, PictureFiles
from fer_au.datasets.inspection import Picture, inspect_pictures, make_inside
from fer_au.datasets.labels import LabelRow, merge_rows
from fer_au.datasets.leaks import LEAKS, Leaks, drop_leaks, find_leaks, leak_fault, write_leaks
from fer_au.datasets.looks import MOST_PAIRS
from fer_au.datasets.manifest import Box, ManifestRow, write_manifest
from fer_au.datasets.photographs import Photographs, find_photographs
from fer_au.datasets.point_faults import blame_points, judge_points
from fer_au.datasets.recognition import fitting_text
from fer_au.datasets.spelling import compose
from fer_au.datasets.splits import Member, assign_splits, unread_split_keys
from fer_au.datasets.summary import count_line, survey_lines
from fer_au.errors import DataError
from fer_au.fingerprints import file_digest, fingerprint
from fer_au.rejects import Reason, Reject, check_reject_fraction, write_rejects
from fer_au.stores.beside import KEEPERS
from fer_au.stores.columns import encode_ids
from fer_au.stores.writer import write_store

_UNIT = 2.0  # pixels: boxes that end before are shares of a picture, also as middle and size
_NOT_LOST = (Reason.UNLABELLED, Reason.BAD_POINTS, Reason.LEAK)


def ingest_dataset(name: str, config: DatasetConfig, out_dir: Path) -> None:
    """Turn a data set of any layout into ``manifest.csv``, ``annotations.h5`` and two tables, below ``rejects/``.

    Every picture is read and decoded once. Items that can't be used become rejects. Listed there, too, but no loss that
    ``max_reject_fraction`` limits, are pictures without a label, because a label file that covers a part of a folder is
    no damage, and faces whose own points can't be used, which stay without them.

    Args:
        name: Key of the data set in ``params.yaml``.
        config: Entry of the data set, of the adapter's own model.
        out_dir: Folder of the files.

    Raises:
        DataError: Missing or empty root, unusable layout or label file, no usable picture, or too many rejects or
            faulty points, or leaks under ``on_leak: fail`` (their tables are written first).
    """
    label = f"ingest {name}"
    survey = survey_dataset(label, config)
    rejects_path = out_dir / "rejects" / "ingest.csv"
    write_rejects(rejects_path, survey.rejects)
    write_leaks(rejects_path.with_name(LEAKS), survey.leaks)
    for line in survey_lines(survey.notes, survey.rows, survey.rejects, survey.leaks.told, config):
        log(f"{label}: {line}")
    survey.check_losses(label, config, rejects_path)
    survey.check_leaks(label, config, rejects_path.with_name(LEAKS))

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
        leaks: Photographs and persons in two splits or folds, or under two labels, as they were before any was dropped.
    """

    rows: tuple[ManifestRow, ...]
    rejects: tuple[Reject, ...]
    annotations: Annotations
    notes: tuple[str, ...]
    leaks: Leaks = field(default_factory=Leaks)

    def check_leaks(self, label: str, config: DatasetConfig, table: Path | str) -> None:
        """Check that nothing leaks, if the entry says ``on_leak: fail``; arguments as of ``check_losses``.

        Raises:
            DataError: A photograph or a person lies in two splits or folds.
        """
        if config.on_leak == "fail" and (fault := leak_fault(self.leaks.groups)):
            raise DataError(f"{label}: {fault}; see {table}")

    def check_losses(self, label: str, config: DatasetConfig, table: Path | str) -> None:
        """Check that something is left, no more was lost than ``max_reject_fraction`` allows, and most points hold.

        Args:
            label: Name of the data set, used in messages.
            config: Entry of the data set.
            table: Place where the rejects are named, used in messages.

        Raises:
            DataError: No usable picture, too many rejects, or points of which most can't be used.
        """
        counted = [reject for reject in self.rejects if reject.reason not in _NOT_LOST]
        if not self.rows and not counted:
            unlabelled = f" ({len(self.rejects)} without a label, see {table})" if self.rejects else ""
            fitting = fitting_text(config.root, config.adapter)
            raise DataError(f"{label}: no labelled picture below {config.root}{unlabelled}{fitting}")
        check_reject_fraction(label, counted, len(self.rows) + len(counted), config.max_reject_fraction, table)
        if fault := blame_points(self.annotations, self.rows, self.rejects):
            raise DataError(f"{label}: {fault}; see {table}")


def survey_dataset(label: str, config: DatasetConfig) -> Survey:
    """Scan a data set, open every picture once and split the faces; nothing is written.

    Args:
        label: Name of the data set, used in messages.
        config: Entry of the data set, of the adapter's own model.

    Raises:
        DataError: Missing or empty root, or unusable layout or label file.
    """
    check_root(config.root)
    return survey_scan(label, config, list_records(create_adapter(config.adapter), config))


def survey_scan(
    label: str,
    config: DatasetConfig,
    scan: Scan,
    *,
    known: Mapping[str, Picture | Reject] = MappingProxyType({}),
    most_pairs: int = MOST_PAIRS,
) -> Survey:
    """Open every picture that an adapter has listed once, and split the faces; nothing is written.

    Args:
        label: Name of the data set, used in messages.
        config: Entry of the data set, of the adapter's own model.
        scan: What the adapter has listed.
        known: Path of a picture that isn't opened -> what is known of it.
        most_pairs: Most pairs of pictures whose pixels are compared.

    Raises:
        DataError: A key of the entry has no effect.
    """
    records, rejects = merge_rows(LabelRow(record) for record in scan.records)
    records, clashing = _part_forms(records)
    splits = {record.split for record in records}
    for key, why in unread_split_keys(splits, config).items() if splits else ():  # else what was lost says more
        raise DataError(f"{label}: {key}: {no_effect(why)}")
    accepted, refused = _inspect(label, config, records, scan.inside, known)
    photographs = _find_photographs(label, config, accepted, most_pairs)
    rows, notes = _split_rows(accepted, photographs, config)
    clips = {record.id: record.clip for record, _ in accepted}
    groups, dropped = find_leaks(rows, photographs, scan.sets, clips), list[Reject]()
    if config.on_leak == "drop-from-train":
        rows, dropped = drop_leaks(rows, groups)
    leaks = Leaks(groups, photographs, frozenset(reject.id for reject in dropped))
    notes += photographs.notes
    annotations, faulty = judge_points(scan.annotations, rows)
    kept = {row.id for row in rows}
    listed = (one for one in scan.rejects if one.reason is not Reason.BAD_POINTS or one.id in kept)
    found = (
        replace(item, id=printable(item.id), detail=printable(item.detail))
        for item in (*listed, *rejects, *clashing, *refused, *faulty, *dropped)
    )
    return Survey(tuple(rows), tuple(found), annotations, (*scan.notes, *notes), leaks)


def _inspect(
    label: str,
    config: DatasetConfig,
    records: Sequence[Record],
    inside: Sequence[Inside],
    known: Mapping[str, Picture | Reject],
) -> tuple[list[tuple[Record, Picture]], list[Reject]]:
    """Open the pictures of all records, each once however many faces it has; frames of a clip become records."""
    results = {**known, **make_inside(config.root, inside, label, follow_links=config.follow_links)}
    records, rejects = list_frames(records, inside, results)
    paths = sorted({record.path for record in records} - results.keys())
    pictures = inspect_pictures(config.root, paths, label, follow_links=config.follow_links)
    results |= zip(paths, pictures, strict=True)
    accepted: list[tuple[Record, Picture]] = []
    for record in sorted(records, key=lambda record: record.id):
        result = results[record.path]
        if isinstance(result, Reject):
            rejects.append(replace(result, id=record.id))
        elif record.box and (fault := _box_fault(record.box, result)):
            rejects.append(Reject(record.id, Reason.BAD_ROW, f"box {record.box} {fault}"))
        else:
            accepted.append((record, result))
    return accepted, rejects


def _find_photographs(
    label: str, config: DatasetConfig, accepted: Sequence[tuple[Record, Picture]], most_pairs: int
) -> Photographs:
    """Find the pictures that show one photograph, however they are encoded."""
    by_hash = {picture.sha256: picture for _, picture in accepted}
    clips = clips_of([(picture.sha256, record.clip) for record, picture in accepted])
    files = PictureFiles(config.root.resolve())

    def locate(sha256: str) -> Path | None:
        file = files.find(by_hash[sha256].path, sha256)
        return file if isinstance(file, Path) else None

    looks = {sha256: picture.look for sha256, picture in by_hash.items()}
    return find_photographs(looks, locate, f"{label}: comparing pictures that look alike", most_pairs, clips)


def _part_forms(records: Sequence[Record]) -> tuple[list[Record], list[Reject]]:
    """Reject faces whose ids differ in their Unicode form alone: a Mac has one file of such names."""
    forms = Counter(compose(record.id) for record in records)
    detail = "another name differs from it in its Unicode form alone; rename one"
    rejects = [Reject(one.id, Reason.DUPLICATE_ID, detail) for one in records if forms[compose(one.id)] > 1]
    return [record for record in records if forms[compose(record.id)] == 1], rejects


def _box_fault(box: Box, picture: Picture) -> str:
    """Say what is wrong with a face's box in its picture; empty if nothing is."""
    left, top, right, bottom = box
    if min(left, top) >= -1 and max(right, bottom) <= _UNIT:
        return "looks normalised to [0, 1]; multiply x by the picture's width and y by its height"
    if left >= picture.width or top >= picture.height or right <= 0 or bottom <= 0:
        return f"lies outside the {picture.width}x{picture.height} picture"
    return ""


def _split_rows(
    accepted: Sequence[tuple[Record, Picture]], photographs: Photographs, config: DatasetConfig
) -> tuple[list[ManifestRow], list[str]]:
    accepted = [(replace(one, subject=one.subject and compose(one.subject)), picture) for one, picture in accepted]
    # Without a known person the clip or the photograph stands for one: copies don't fall on both sides of a split.
    groups = name_groups([(one.subject, one.clip, photographs.name(picture.sha256)) for one, picture in accepted])
    members = [Member(one.label, group, one.split) for (one, _), group in zip(accepted, groups, strict=True)]
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
        beside=[name for name, kind in KEEPERS.items() if kind == "annotations" and (path.parent / name).exists()],
    )
