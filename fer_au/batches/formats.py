"""Write the faces of a data set in formats that others read: folders of pictures, parquet, tar files of webdataset.

Equal stores give equal bytes. What is written is a copy of pictures of persons, which ``dvc.yaml`` keeps on the machine
by ``push: false``: whoever asks for one says that the pictures may be copied. Rendered faces show nobody.
"""

from __future__ import annotations

import io
import json
import secrets
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from fer_au.atomic import AtomicFile, flush_folder
from fer_au.csv_files import harmless
from fer_au.datasets.joined import check_joined
from fer_au.datasets.manifest import ManifestRow, read_manifest
from fer_au.errors import ConfigError, DataError, MissingDependencyError, StoreError
from fer_au.expressions import EXPRESSIONS
from fer_au.gate import read_json
from fer_au.stores.reader import Store
from fer_au.stores.schemas import FaceStatus
from fer_au.yaml_files import read_yaml

Format = Literal["imagefolder", "parquet", "webdataset"]
FORMATS: tuple[str, ...] = get_args(Format)
TABLE = "faces.csv"
"""Table of a folder of pictures: which file shows which face."""

_SHARD = 10_000  # faces in a tar file
_ROWS = 1_000  # faces in a group of rows of a parquet file
_JPEG = b"\xff\xd8"


@dataclass(frozen=True)
class Face:
    """One face as it is written.

    Attributes:
        row: Its row in the stores.
        told: Its row in the manifest.
        picture: Bytes of its crop, JPEG or PNG, as faces.h5 has them.
        points: (68, 2) float32 xy pixels of the crop, NaN where none were found.
        map: (s, s) uint8 AU map, 255 = 1.0.
        valid: False where it has no map.
    """

    row: int
    told: ManifestRow
    picture: bytes
    points: NDArray[np.float32]
    map: NDArray[np.uint8]
    valid: bool

    @property
    def suffix(self) -> str:
        """Suffix of the picture's format."""
        return ".jpg" if self.picture.startswith(_JPEG) else ".png"

    def record(self) -> dict[str, Any]:
        """Tell what is known of it, in JSON's types."""
        found = bool(np.isfinite(self.points).all())
        return {
            "id": self.told.id,
            "label": self.told.label,
            "split": self.told.split,
            "fold": self.told.fold,
            "subject": self.told.subject,
            "points": self.points.tolist() if found else None,
        }


def export_faces(faces: Path, output: Path, form: Format, *, licensed: bool = False) -> int:
    """Write the faces of a prepared data set.

    Args:
        faces: ``data/<key>/faces.h5``; manifest.csv, landmarks.h5 and heatmaps.h5 lie beside it.
        output: A new folder, or a ``.parquet`` file, which is replaced.
        form: ``imagefolder``: ``<split>/<label>/<row>.jpg`` and ``faces.csv``, as torchvision's ``ImageFolder`` reads a
            split. ``parquet``: one file with the columns id, label, split, fold, subject, image, points and map.
            ``webdataset``: ``<split>-000000.tar`` of 10,000 faces each: ``jpg``, ``cls``, ``json`` and ``map.npy``.
        licensed: Whether the caller may copy the pictures of others.

    Returns:
        Number of faces.

    Raises:
        ConfigError: A name that doesn't fit the format, or pictures that may not be copied.
        DataError: Files of the data set are missing or don't fit together.
        StoreError: A store is damaged, the folder is there already, or the disk refuses.
        MissingDependencyError: pyarrow is not installed.
    """
    folder = faces.parent
    if form == "parquet" and output.suffix != ".parquet":
        raise ConfigError(f"{output}: a parquet file is named .parquet")
    if faces.name != "faces.h5":
        raise ConfigError(f"{faces}: format {form} is that of a data set; name its faces.h5")
    if not licensed and (reason := _kept_here(folder)):
        raise ConfigError(f"{faces}: {reason}; --licensed says that you may copy these pictures")
    rows = list(_usable(folder))
    if form == "parquet":
        _write_parquet(output, [row for row, _ in rows], _read(folder, rows))
        return len(rows)
    if output.exists():
        raise StoreError(f"{output}: is there already; name a new folder")
    aside = output.with_name(f".{output.name}.{secrets.token_hex(6)}.tmp")
    try:
        aside.mkdir(parents=True)
        (_write_pictures if form == "imagefolder" else _write_tars)(aside, _read(folder, rows))
        aside.rename(output)
        flush_folder(output.parent)
    except OSError as error:
        raise StoreError(f"{output}: cannot write: {error.strerror or error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return len(rows)


def _kept_here(folder: Path) -> str:
    """Say why pictures of a data set stay on this machine; empty where they show nobody, or DVC may send them."""
    try:
        rendered = read_json(folder / "rendered.json")
    except (OSError, ValueError):
        rendered = None
    if isinstance(rendered, dict) and rendered.get("sha256"):
        return ""
    pipeline = folder.resolve().parents[1] / "dvc.yaml"
    if not pipeline.is_file():
        return "its crops show persons"
    stages = read_yaml(pipeline).get("stages")
    align = stages.get("align") if isinstance(stages, dict) else None
    work = align.get("do", align) if isinstance(align, dict) else None
    outs = work.get("outs") if isinstance(work, dict) else None
    named = [item for out in outs or () if isinstance(out, dict) for item in out.items()]
    told = [one for name, one in named if name.endswith("faces.h5")]
    if told and all(isinstance(one, dict) and one.get("push", True) for one in told):
        return ""
    return "its crops stay on this machine (`push: false` in dvc.yaml)"


def _usable(folder: Path) -> Iterator[tuple[int, ManifestRow]]:
    """List the rows that have a crop."""
    manifest = read_manifest(folder / "manifest.csv")
    stores = _stores(folder)
    check_joined(manifest, *stores)
    status = np.asarray(stores[0]["status"])
    rows = [(row, told) for row, told in enumerate(manifest) if status[row] != FaceStatus.REJECTED]
    if not rows:
        raise DataError(f"{folder}: no face has a crop")
    yield from rows


def _stores(folder: Path) -> list[Store]:
    return [Store.open(folder / f"{kind}.h5", kind) for kind in ("faces", "landmarks", "heatmaps")]


def _read(folder: Path, rows: Sequence[tuple[int, ManifestRow]]) -> Iterator[Face]:
    faces, landmarks, heatmaps = _stores(folder)
    valid = np.asarray(heatmaps["valid"], bool)
    for row, told in rows:
        yield Face(
            row,
            told,
            bytes(faces.ragged(row, "data")),
            np.asarray(landmarks.rows("points", row, row + 1)[0], np.float32),
            np.asarray(heatmaps.rows("map", row, row + 1)[0], np.uint8),
            bool(valid[row]),
        )


def _write_pictures(folder: Path, faces: Iterator[Face]) -> None:
    lines = ["file,id,label,split"]
    for face in faces:
        place = f"{face.told.split}/{face.told.label}/{face.row:06d}{face.suffix}"
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(face.picture)
        lines.append(",".join((place, _quoted(harmless(face.told.id)), face.told.label, face.told.split)))
    (folder / TABLE).write_bytes("".join(f"{line}\n" for line in lines).encode())


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n\r') else text


def _write_tars(folder: Path, faces: Iterator[Face]) -> None:
    """Write the faces of each split, in their order, to tar files of so many faces."""
    files: dict[str, tarfile.TarFile] = {}
    counts: dict[str, int] = {}
    try:
        for face in faces:
            split, count = face.told.split, counts.get(face.told.split, 0)
            if count % _SHARD == 0:
                if split in files:
                    files.pop(split).close()
                path = folder / f"{split}-{count // _SHARD:06d}.tar"
                files[split] = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 (closed below)
            counts[split] = count + 1
            number = str(EXPRESSIONS.index(face.told.label)).encode()
            entries = {face.suffix: face.picture, ".cls": number, ".json": _json(face.record())}
            if face.valid:
                entries[".map.npy"] = _npy(face.map)
            for suffix, data in entries.items():
                entry = tarfile.TarInfo(f"{face.row:06d}{suffix}")
                entry.size, entry.mode = len(data), 0o644
                files[split].addfile(entry, io.BytesIO(data))
    finally:
        for file in files.values():
            file.close()


def _json(record: dict[str, Any]) -> bytes:
    return json.dumps(record, sort_keys=True, ensure_ascii=False).encode()


def _npy(values: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, values, allow_pickle=False)
    return stream.getvalue()


class _Appending:
    """A new file as pyarrow writes it, from its beginning to its end."""

    closed = False

    def __init__(self, file: AtomicFile) -> None:
        self._file, self._place = file, 0

    def write(self, data: Any) -> int:  # noqa: ANN401 (pyarrow's buffers)
        """Append bytes."""
        piece = bytes(data)
        self._file.write(self._place, piece)
        self._place += len(piece)
        return len(piece)

    def tell(self) -> int:
        """Give the place of the next byte."""
        return self._place

    def flush(self) -> None:
        """Do nothing: the file is flushed before it takes its name."""

    def writable(self) -> bool:
        """Say yes."""
        return True

    def close(self) -> None:
        """Do nothing: who opened the file closes it."""


def _write_parquet(output: Path, rows: Sequence[int], faces: Iterator[Face]) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingDependencyError("format parquet needs pyarrow; run `pip install 'fer-au[parquet]'`") from error
    schema = pa.schema(
        [
            *((name, pa.string()) for name in ("id", "label", "split", "fold", "subject")),
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("points", pa.list_(pa.list_(pa.float32()))),
            ("map", pa.list_(pa.list_(pa.uint8()))),
        ],
        metadata={"huggingface": json.dumps(_FEATURES, sort_keys=True)},
    )
    with AtomicFile(output) as file:
        sink = cast("IO[bytes]", _Appending(file))
        with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
            for start in range(0, len(rows), _ROWS):
                records = [_row(next(faces)) for _ in rows[start : start + _ROWS]]
                writer.write_table(pa.Table.from_pylist(records, schema=schema))


def _row(face: Face) -> dict[str, Any]:
    image = {"bytes": face.picture, "path": f"{face.row:06d}{face.suffix}"}
    return {**face.record(), "image": image, "map": face.map.tolist() if face.valid else None}


def _value(kind: str) -> dict[str, str]:
    return {"dtype": kind, "_type": "Value"}


# What the library `datasets` reads the columns as.
_FEATURES = {
    "info": {
        "features": {
            **{name: _value("string") for name in ("id", "label", "split", "fold", "subject")},
            "image": {"_type": "Image"},
            "points": {"feature": {"feature": _value("float32"), "_type": "List"}, "_type": "List"},
            "map": {"feature": {"feature": _value("uint8"), "_type": "List"}, "_type": "List"},
        }
    }
}
