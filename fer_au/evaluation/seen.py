"""Whether a model is scored on pictures that it was trained on: another data set may hold the same files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_au.batches.faces import FaceDataset
from fer_au.batches.fraction import draw_fraction
from fer_au.compute import log
from fer_au.datasets.files import printable
from fer_au.datasets.manifest import read_manifest
from fer_au.datasets.spelling import code
from fer_au.errors import DataError
from fer_au.fingerprints import file_digest

_MANIFEST = "manifest.csv"


@dataclass(frozen=True)
class Seen:
    """What is known of scored pictures.

    Attributes:
        number: Number of scored images whose file was trained or selected on; None if that can't be told.
        total: Number of scored images.
        dataset: Data set that the model was trained on.
        example: Ids of one such picture in both sets; why it can't be told, if it can't.
    """

    number: int | None
    total: int
    dataset: str
    example: str = ""


def find_seen(
    ids: Sequence[str],
    dataset_dir: Path,
    experiment: Mapping[str, Any],
    recorded: Mapping[str, Any],
    fraction: float = 1.0,
) -> Seen:
    """Compare the files of scored pictures with those that a model was trained or selected on, by their sha256.

    Args:
        ids: Ids of the scored images.
        dataset_dir: Folder of their data set; that of the training lies beside it.
        experiment: Entry of the experiment that trained the model.
        recorded: File of its data set -> hash at that time.
        fraction: Share of the training faces that it was trained on.
    """
    name = str(experiment.get("dataset"))
    manifest = dataset_dir.with_name(name) / _MANIFEST
    if not manifest.is_file():
        return Seen(None, len(ids), name, f"{manifest} is not here")
    if file_digest(manifest) != recorded.get(_MANIFEST):
        return Seen(None, len(ids), name, f"{manifest} is not the one that the model was trained with")
    fold = experiment.get("fold")
    try:
        left_out = _left_out(manifest.parent, experiment, fraction)
    except DataError as error:
        return Seen(None, len(ids), name, str(error))
    trained = {
        row.sha256: row.id
        for row in read_manifest(manifest)
        if row.id not in left_out
        and (row.split != "test" if fold is None else row.fold is None or code(row.fold) != code(str(fold)))
    }
    scored = {row.id: row.sha256 for row in read_manifest(dataset_dir / _MANIFEST)}
    found = [id_ for id_ in ids if scored.get(id_) in trained]
    example = printable(f"{found[0]} = {trained[scored[found[0]]]}") if found else ""
    return Seen(len(found), len(ids), name, example)


def _left_out(dataset_dir: Path, experiment: Mapping[str, Any], fraction: float) -> set[str]:
    """List the training faces that a share of them leaves out.

    Raises:
        DataError: The crops of the data set are not here, which decide what could be drawn.
    """
    if fraction == 1:
        return set()
    faces = FaceDataset(
        dataset_dir, "train", fold=experiment.get("fold"), target=experiment.get("target", "expression")
    )
    return {*faces.ids} - {*draw_fraction(faces, fraction, int(experiment.get("seed", 0))).ids}


def log_seen(title: str, seen: Seen) -> None:
    """Say how many scored pictures were trained on; nothing if none was.

    Args:
        title: Beginning of the line.
        seen: What is known.
    """
    if seen.number is None:
        log(f"{title}: whether its pictures were trained on can't be told: {seen.example}")
    elif seen.number:
        are = "face shows" if seen.number == 1 else "faces show"
        text = f"{seen.number} of {seen.total} {are} a picture that training on {seen.dataset} has seen (same bytes)"
        log(f"{title}: {text}, such as {seen.example}: scores on them are no test")
