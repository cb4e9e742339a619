"""Gather everything that a project knows of one face: its row, what each stage made of it, and every model's answer."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from fer_au.config.data import load_root
from fer_au.config.reading import read_params
from fer_au.datasets import ManifestRow, read_manifest
from fer_au.datasets.leaks import LEAKS, LeakRow, read_leaks
from fer_au.errors import ConfigError, DataError
from fer_au.registry import near_names
from fer_au.rejects import REJECT_STAGES, Reject, read_rejects
from fer_au.report.collect import MappedResult
from fer_au.results.reading import Entry, read_results
from fer_au.results.status import OUTPUTS
from fer_au.stores import Store

STORES = {"annotations": "annotations.h5"} | {
    kind: OUTPUTS[stage] for stage, kind in (("align", "faces"), ("landmarks", "landmarks"), ("heatmaps", "heatmaps"))
}
"""Kind of a data set's store -> its file."""

_NEAR = 100  # ids on each side of a mistyped one's place in the list, among which a near one is sought
_MOST = 5  # ids that a message names


@dataclass(frozen=True)
class FaceAnswer:
    """Answer of one model to the face.

    Attributes:
        result: Results of the experiment, or of its model on this data set, which is named ``cross.NAME``.
        row: Row of the face in them.
        note: What is to know of the results, such as settings that have changed since; empty if nothing.
    """

    result: MappedResult
    row: int
    note: str = ""

    @property
    def predicted(self) -> str:
        """The expression that the model names."""
        return self.result.predictions[self.row]

    @property
    def probabilities(self) -> dict[str, float]:
        """Class -> its probability."""
        values = self.result.results.rows("probabilities", self.row, self.row + 1)[0]
        return dict(zip(self.result.classes, map(float, values), strict=True))


@dataclass(frozen=True)
class FaceRecord:
    """Everything that is known of one face.

    Attributes:
        dataset: Key of the data set.
        folder: Folder ``data/NAME``.
        root: Folder of the data set's pictures; None where ``params.yaml`` names none.
        row: Row of the manifest.
        place: Number of that row, which is the row of every store.
        stores: Kind of a store -> the store, of the stages that have run.
        rejects: Stage -> its reject of the face or its picture.
        leaks: Rows of ``leaks.csv`` of the face's groups, its own included.
        answers: Answers of the models that scored the face: experiments, then entries of ``cross``, in the order of
            ``params.yaml``.
        silent: Those that are to score the data set and have no answer -> the reason.
    """

    dataset: str
    folder: Path
    root: Path | None
    row: ManifestRow
    place: int
    stores: Mapping[str, Store]
    rejects: Mapping[str, Reject]
    leaks: Sequence[LeakRow]
    answers: Sequence[FaceAnswer]
    silent: Mapping[str, str]

    def value(self, kind: str, column: str) -> Any:  # noqa: ANN401 (any type that a column has)
        """Read the face's entry of a column; None where the stage has not run or the store has no such column."""
        store = self.stores.get(kind)
        if store is None or column not in store:
            return None
        return store.rows(column, self.place, self.place + 1)[0]


def read_face(params_path: Path, root: Path, dataset: str, id_: str) -> FaceRecord:
    """Read what is known of one face, as far as the stages have run.

    Args:
        params_path: Path of ``params.yaml``.
        root: Project folder.
        dataset: Key of ``datasets``.
        id_: Id of the manifest, or the end of one from a slash on, if no other ends so.

    Raises:
        ConfigError: ``params.yaml`` is wrong or names no such data set.
        DataError: There is no such face, or it was rejected before it had a row; or a file is damaged.
    """
    params = read_params(params_path)
    datasets = params.get("datasets") or {}
    if dataset not in datasets:
        raise ConfigError(f"{params_path}: datasets has no {dataset!r}; {near_names(dataset, datasets)}")
    folder = root / "data" / dataset
    if not (folder / OUTPUTS["ingest"]).exists():
        raise DataError(f"{folder / OUTPUTS['ingest']}: not there yet; run `dvc repro ingest@{dataset}`")
    manifest = read_manifest(folder / OUTPUTS["ingest"])
    rejects = _read_rejects(folder)
    place = _find(id_, manifest, rejects, folder)
    row = manifest[place]
    answers, silent = _read_answers(params, params_path, root, dataset, row)
    entry = datasets[dataset]
    rooted = isinstance(entry, dict) and "root" in entry
    return FaceRecord(
        dataset,
        folder,
        root / load_root(dataset, params_path) if rooted else None,
        row,
        place,
        _open_stores(folder, manifest),
        {stage: reject for stage, rows in rejects.items() for reject in rows if reject.id in (row.id, row.path)},
        _leaks_of(row, folder),
        answers,
        silent,
    )


def _read_rejects(folder: Path) -> dict[str, list[Reject]]:
    tables = {stage: folder / "rejects" / f"{stage}.csv" for stage in REJECT_STAGES}
    return {stage: read_rejects(table) for stage, table in tables.items() if table.exists()}


def _find(id_: str, manifest: Sequence[ManifestRow], rejects: Mapping[str, Sequence[Reject]], folder: Path) -> int:
    """Find the row of a face.

    Raises:
        DataError: There is none, or an ending fits several; the message says which are near, or why it was rejected.
    """
    ids = [row.id for row in manifest]
    place = bisect_left(ids, id_)  # a manifest is sorted by id
    if place < len(ids) and ids[place] == id_:
        return place
    ending = "/" + id_.removeprefix("./").lstrip("/")
    fitting = [number for number, own in enumerate(ids) if own.endswith(ending)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise DataError(f"{id_}: {len(fitting)} ids of {folder} end so: {_listed([ids[one] for one in fitting])}")
    for stage, rows in rejects.items():
        for reject in rows:
            if reject.id == id_ or f"/{reject.id}".endswith(ending):
                why = f"{reject.reason.value}: {reject.detail}" if reject.detail else reject.reason.value
                table = folder / "rejects" / f"{stage}.csv"
                raise DataError(f"{reject.id}: no face of {folder}; {stage} rejected it ({why}); see {table}")
    name = PurePosixPath(id_).name
    near = [*ids[max(0, place - _NEAR) : place + _NEAR], *(own for own in ids if PurePosixPath(own).name == name)]
    raise DataError(f"{folder / OUTPUTS['ingest']}: no face {id_!r}; {near_names(id_, dict.fromkeys(near))}")


def _listed(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_MOST]) + (", ..." if len(ids) > _MOST else "")


def _open_stores(folder: Path, manifest: Sequence[ManifestRow]) -> dict[str, Store]:
    """Open the stores of the stages that have run; raises ``StoreError`` for one with other rows, or a damaged one."""
    stores = {}
    for kind, file in STORES.items():
        if (folder / file).exists():
            stores[kind] = Store.open(folder / file, kind)
            stores[kind].check_ids([row.id for row in manifest], "manifest.csv")
    return stores


def _leaks_of(row: ManifestRow, folder: Path) -> list[LeakRow]:
    table = folder / "rejects" / LEAKS
    rows = read_leaks(table) if table.exists() else []
    groups = {leak.group for leak in rows if leak.id == row.id}
    return [leak for leak in rows if leak.group in groups]


def _read_answers(
    params: Mapping[str, Any], params_path: Path, root: Path, dataset: str, row: ManifestRow
) -> tuple[list[FaceAnswer], dict[str, str]]:
    entries = params.get("experiments") or {}
    if not any(isinstance(own, dict) and own.get("target") != "subject" for own in entries.values()):
        return [], {}
    answers: list[FaceAnswer] = []
    silent: dict[str, str] = {}
    results = read_results(params_path, root)
    scored = [(one, one.name, "evaluate") for one in results.experiments]
    scored += [(one, f"cross.{one.name}", f"cross@{one.name}") for one in results.cross]
    for entry, name, stage in scored:
        if entry.dataset != dataset:
            continue
        found = _answer(entry, name, stage, row)
        if isinstance(found, FaceAnswer):
            answers.append(found)
        else:
            silent[name] = found
    return answers, silent


def _answer(entry: Entry, name: str, stage: str, row: ManifestRow) -> FaceAnswer | str:
    """Give the answer of an experiment's model, or the reason why there is none."""
    result = entry.result
    if entry.fault:
        return entry.fault
    if result is None:
        return f"not evaluated yet; run `dvc repro {stage}`"
    if row.id not in result.results.index:
        split = result.results.attributes.get("split", "test")
        if split != row.split:
            return f"scored split {split}, and the face is in {row.split}"
        return f"has no label {row.label} or was evaluated before the face was there"
    mapped = MappedResult(name, result.config, result.metrics, result.results, result.classes)
    note = f"not up to date; {entry.change.text()}" if entry.change else ""
    return FaceAnswer(mapped, result.results.index[row.id], note)


def other_faces(record: FaceRecord) -> Iterator[tuple[LeakRow, list[str]]]:
    """Give the face's groups of ``leaks.csv``: its own row, and the ids of the others."""
    for own in (leak for leak in record.leaks if leak.id == record.row.id):
        yield own, [leak.id for leak in record.leaks if leak.group == own.group and leak.id != own.id]
