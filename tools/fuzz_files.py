"""Mutate files of every kind that others may hand over, and read them: each is taken, or refused in one line.

python tools/fuzz_files.py [N]    # N mutations of each kind, 5000 unless it is given; ends with a table
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fer_au.config.lock import read_lock
from fer_au.cues.codebook import create_codebook
from fer_au.datasets.manifest import ManifestRow, read_manifest, write_manifest
from fer_au.datasets.points_files import _read_arrays
from fer_au.datasets.tables import read_table
from fer_au.decoding import decode_image
from fer_au.errors import FerAuError
from fer_au.evaluation.metrics_file import detail_path, read_metrics, write_metrics
from fer_au.models import create_model
from fer_au.models.config_file import CONFIG, WEIGHTS
from fer_au.models.files import load_model, save_model
from fer_au.rejects import Reason, Reject, read_rejects, write_rejects
from fer_au.shards.finished import FinishedWork
from fer_au.stores.columns import Array, encode_ids
from fer_au.stores.reader import Store
from fer_au.stores.schemas import SCHEMAS
from fer_au.stores.seal import USER_BLOCK, seal
from fer_au.stores.verify import verify_store
from fer_au.stores.writer import store_bytes, write_store
from fer_au.training.checkpoint import Checkpoint, TrainingState
from fer_au.training.history import HistoryRow, read_history, write_history
from fer_au.yaml_files import read_yaml

SEED = 20_240_501
MOST_SECONDS = 150.0  # of one file; a store that leads HDF5 on and on takes five of work, on a busy machine many more
_DIGEST = re.compile(rb'"sha256": ?"([0-9a-f]{64})"')
_INDEX = b"index of the rows"
ROOT = Path(__file__).resolve().parents[1]

_WORDS = (b"nan", b"-1", b"1e999", b"99999999999", b"[", b"{", b'"', b"\n", b",", b"\x1b[2J", b"null", b"../")

Read = Callable[[Path], object]


@dataclass
class Kind:
    """A kind of file.

    Attributes:
        name: Its name, which is that of the file, too.
        good: Bytes of a good one.
        read: Reads the file, or raises.
        finish: Makes mutated bytes pass what a forger can make them pass, such as a seal.
    """

    name: str
    good: bytes
    read: Read
    finish: Callable[[bytes], bytes] = field(default=lambda data: data)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """End what takes longer by a ``TimeoutError``."""

    def late(*_: object) -> None:
        raise TimeoutError("hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def mutate(data: bytes, dice: random.Random) -> bytes:
    """Change a file at random: bits, bytes, pieces that are lost, doubled or moved, and numbers at their ends."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 4, 16))):
        place = dice.randrange(len(changed) or 1)
        length = dice.choice((1, 1, 2, 4, 8, 64))
        kind = dice.randrange(7)
        if kind == 0 and changed:
            changed[place] ^= 1 << dice.randrange(8)
        elif kind == 1:
            changed[place : place + length] = dice.randbytes(length)
        elif kind == 2:
            changed[place : place + length] = dice.choice((b"\0", b"\xff", b"\x7f", b"9", b"-")) * length
        elif kind == 3:
            del changed[place : place + length]
        elif kind == 4:
            changed[place:place] = changed[place : place + length]
        elif kind == 5:
            changed[place : place + dice.randrange(3)] = dice.choice(_WORDS)
        elif dice.random() < 0.2:
            del changed[place:]
    return bytes(changed)


def resealed(data: bytes, index: int = 0) -> bytes:
    """Seal mutated bytes of a store anew, as whoever wants it opened would; ``index`` bytes lie behind the seal."""
    body = data[USER_BLOCK:]
    return seal(hashlib.sha256(body).hexdigest(), index) + body


def redigested(data: bytes) -> bytes:
    """Write the digest of mutated bytes into a checkpoint, or into sealed JSON, as whoever wants it read would."""
    found = _DIGEST.search(data)
    if found is None:
        return data
    blank = data[: found.start(1)] + b"0" * 64 + data[found.end(1) :]
    return data[: found.start(1)] + hashlib.sha256(blank).hexdigest().encode() + data[found.end(1) :]


def _refused_unless(taken: object, what: str) -> None:
    """Count as refused what is taken for absent, and made anew."""
    if not taken:
        raise FerAuError(f"{what} counts as absent")


def make_kinds_of_work(folder: Path) -> list[Kind]:
    """Make good files of what stages keep for themselves: finished work, checkpoints, metrics, tables, DVC's lock."""
    rows = [HistoryRow(0, 0.1, 1.0, 1.0, {"loss_au": 0.5}, 0.5, 0.5, 0.5, 1.0, 100.0)]
    write_history(folder / "history.csv", rows)
    write_rejects(folder / "rejects.csv", [Reject("a.png", Reason.TRUNCATED, "cut"), Reject("b.png", Reason.NO_FACE)])
    write_metrics(folder / "metrics/au.json", {"accuracy": 0.5, "n": 2, "other": "text"}, None, "e" * 64, "f" * 64)
    details, metrics = detail_path(folder / "metrics/au.json").read_bytes(), folder / "metrics/au.json"
    work = FinishedWork("training", {"seed": 0, "model": {"backbone": "test_resnet"}}, folder / "cache")
    work.keep({"history.csv": folder / "history.csv"})
    checkpoint = Checkpoint({"seed": 0}, folder / "checkpoints")
    tensors = {"weight": torch.arange(6.0).reshape(2, 3)}
    state = TrainingState(1, tensors, {0: {"step": torch.tensor(2.0)}}, {}, tensors, rows, {})
    checkpoint.save(state)
    lock = b"schema: '2.0'\nstages:\n  train@au:\n    cmd: python stages/train.py\n    deps:\n    - path: data/a.h5\n"
    lock += b"      hash: md5\n      md5: 0123\n    params:\n      params.yaml:\n        train: {epochs: 8}\n"

    def finished(name: str, path: Path) -> None:
        work.keep({"history.csv": folder / "history.csv"})
        (work.folder / name).chmod(0o600)
        (work.folder / name).write_bytes(path.read_bytes())
        with redirect_stderr(io.StringIO()):
            _refused_unless(work.take({"history.csv": folder / "taken.csv"}), "finished work")

    def resumed(path: Path) -> None:
        checkpoint.folder.mkdir(parents=True, exist_ok=True)
        checkpoint.path.write_bytes(path.read_bytes())
        with redirect_stderr(io.StringIO()):
            found = checkpoint.load(TrainingState(model=tensors), [tensors["weight"]])
        _refused_unless(found, "a checkpoint")

    def read_details(path: Path) -> None:
        read_metrics(metrics, path, "e" * 64, "f" * 64)

    whole = checkpoint.path.read_bytes()
    return [
        Kind(
            "finished.json",
            (work.folder / "finished.json").read_bytes(),
            partial(finished, "finished.json"),
            redigested,
        ),
        Kind("finished.csv", (work.folder / "history.csv").read_bytes(), partial(finished, "history.csv")),
        Kind("checkpoint.safetensors", whole, resumed, redigested),
        Kind("details.json", details, read_details, redigested),
        Kind("metrics.json", metrics.read_bytes(), lambda path: read_metrics(path, detail_path(metrics))),
        Kind("history.csv", (folder / "history.csv").read_bytes(), read_history),
        Kind("rejects.csv", (folder / "rejects.csv").read_bytes(), read_rejects),
        Kind("dvc.lock", lock, read_lock),
    ]


def make_kinds(folder: Path) -> list[Kind]:
    """Make a good file of every kind, with its reader."""
    ids = encode_ids([f"happy/{number}.png" for number in range(5)])
    write_store(
        folder / "landmarks.h5",
        "landmarks",
        {
            "id": ids,
            "points": np.zeros((5, 68, 2), np.float32),
            "score": np.zeros(5, np.float32),
            "status": np.zeros(5, np.uint8),
        },
        fingerprint="f" * 64,
        attributes={"extractor": "dlib68"},
    )
    answers = {"id": ids, "label": encode_ids(["happiness"] * 5), "probabilities": np.full((5, 3), 1 / 3, np.float32)}
    write_store(folder / "evaluation.h5", "evaluation", answers, fingerprint="f" * 64, attributes={"n": 5})
    shard: dict[str, Array] = {"key": np.zeros((3, 32), np.uint8), "points": np.zeros((3, 68, 2), np.float32)}
    shard_bytes = bytes(store_bytes(SCHEMAS["shard"], shard, "f" * 64, {}, _INDEX))
    row = ManifestRow("a.png", "a.png", "0" * 64, "train", None, "happiness", "s1", 48, 48, (0.0, 0.0, 9.0, 9.0))
    write_manifest(folder / "manifest.csv", [row, replace(row, id="b.png", path="b.png")])
    model = create_model({"backbone": "test_resnet", "head": "gap"}, ["happiness", "sadness"], seed=0)
    meta = {
        "preprocessing": {"image_size": 48, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3},
        "seed": 0,
        "selected_epoch": 1,
    }
    save_model(folder / "model", model, meta)
    # The form of earlier releases: without a digest, which would refuse all mutations before anything reads them.
    earlier = json.loads((folder / "model" / CONFIG).read_text()) | {"schema": "fer_au.model/1"}
    del earlier["sha256"]
    (folder / "model" / CONFIG).write_text(json.dumps(earlier, indent=2))
    points = io.BytesIO()
    np.savez(points, id=np.array(["a.png", "b.png"]), points=np.zeros((2, 68, 2), np.float32))
    noise = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)
    pictures = {}
    for form in ("JPEG", "PNG", "WEBP", "BMP"):
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, form)
        pictures[form] = buffer.getvalue()

    def store(path: Path) -> None:
        found = Store.open_any(path)
        for name in found.columns:
            found.rows(name, 0, 2)

    def verified(path: Path) -> None:
        if faults := verify_store(path):
            raise FerAuError(faults[0])

    def weights(path: Path) -> None:
        record = json.loads((folder / "model" / CONFIG).read_text())
        record["weights_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        _load(folder, json.dumps(record).encode(), path.read_bytes())

    def config(path: Path) -> None:
        _load(folder, path.read_bytes(), (folder / "model" / WEIGHTS).read_bytes())

    def labels(path: Path) -> None:
        read_table(path, {"image": "image", "label": "label"})

    table = b"image,label,subject\n" + b"".join(b"%d.png,happy,s%d\n" % (n, n % 3) for n in range(20))
    codebook = (ROOT / "fer_au/cues/codebooks/paper.yaml").read_bytes()
    return [
        Kind("store.h5", (folder / "landmarks.h5").read_bytes(), store, resealed),
        Kind("verified.h5", (folder / "landmarks.h5").read_bytes(), verified, resealed),
        Kind("evaluation.h5", (folder / "evaluation.h5").read_bytes(), store, resealed),
        Kind("shard.h5", shard_bytes, store, partial(resealed, index=len(_INDEX))),
        Kind("config.json", (folder / "model" / CONFIG).read_bytes(), config),
        Kind("model.safetensors", (folder / "model" / WEIGHTS).read_bytes(), weights),
        Kind("params.yaml", (ROOT / "params.yaml").read_bytes(), read_yaml),
        Kind("codebook.yaml", codebook, create_codebook),
        Kind("manifest.csv", (folder / "manifest.csv").read_bytes(), read_manifest),
        Kind("labels.csv", table, labels),
        Kind("points.npz", points.getvalue(), lambda path: list(_read_arrays(path).rows)),
        *(Kind(f"picture.{form.lower()}", data, decode_image) for form, data in pictures.items()),
        *make_kinds_of_work(folder / "work"),
    ]


def _load(folder: Path, config: bytes, weights: bytes) -> None:
    place = folder / "mutated"
    place.mkdir(exist_ok=True)
    (place / CONFIG).write_bytes(config)
    (place / WEIGHTS).write_bytes(weights)
    load_model(place)


def try_kind(kind: Kind, count: int, folder: Path, seed: int = SEED, first: int = 0) -> tuple[Counter[str], list[str]]:
    """Read mutations of a file.

    Args:
        kind: The kind of file.
        count: Number of mutations.
        folder: Folder for the file.
        seed: Seed of all mutations.
        first: Number of the first mutation: each has a seed of its own, made of kind, seed and number.

    Returns:
        How many were ``accepted`` and ``refused``, and how many were a ``trace`` or ``hang``; and those, described.
    """
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    path = folder / kind.name
    for number in range(first, first + count):
        dice = random.Random(f"{kind.name} {seed} {number}")
        path.write_bytes(kind.finish(mutate(kind.good, dice)))
        try:
            with limited(MOST_SECONDS):
                kind.read(path)
            counts["accepted"] += 1
        except FerAuError as error:
            counts["refused"] += 1
            if "\n" in str(error):
                wrong.append(f"{kind.name} {number}: several lines: {error}")
        except TimeoutError:
            counts["hang"] += 1
            wrong.append(f"{kind.name} {number}: hangs")
        except Exception:
            counts["trace"] += 1
            wrong.append(f"{kind.name} {number}: {traceback.format_exc()}")
    return counts, wrong


def main(count: int) -> int:
    """Try all kinds, print a table, and tell whether all went well."""
    faults = 0
    with tempfile.TemporaryDirectory() as place:
        for kind in make_kinds(Path(place)):
            start = time.monotonic()
            counts, wrong = try_kind(kind, count, Path(place))
            faults += len(wrong)
            told = ", ".join(f"{counts[word]} {word}" for word in ("refused", "accepted", "trace", "hang"))
            sys.stdout.write(f"{kind.name}: {count} mutations: {told}; {time.monotonic() - start:.0f} s\n")
            for text in wrong[:5]:
                sys.stdout.write(f"  {text}\n")
            sys.stdout.flush()
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000))
