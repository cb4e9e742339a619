"""Shards that are sealed well and hold what no operation of ours writes: never used, never in anybody's way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_au.config.data import AlignConfig, LandmarksConfig
from fer_au.datasets.manifest import read_manifest, write_manifest
from fer_au.faces import align_dataset
from fer_au.landmarks import extract_dataset
from fer_au.shards.cache import Shard
from fer_au.stores import Store
from tests.reliability.workspace import PARAMS, Workspace

FEW = 5
Columns = dict[str, Any]


def change(name: str, value: Callable[[Any], Any]) -> Callable[[Columns], None]:
    def edit(columns: Columns) -> None:
        columns[name] = value(columns[name])

    return edit


def drop(name: str) -> Callable[[Columns], None]:
    def edit(columns: Columns) -> None:
        del columns[name]

    return edit


def fill(value: object) -> Callable[[Any], Any]:
    return lambda array: np.full_like(array, value)


BOTH: dict[str, Callable[[Columns], None]] = {
    "no status": drop("status"),
    "status 77": change("status", fill(77)),
    "status text": change("status", lambda a: a.astype("S3")),
    "status cut": change("status", lambda a: a[:, None]),
    "score infinite": change("score", fill(np.inf)),
    "score double": change("score", lambda a: a.astype(np.float64)),
    "detail no UTF-8": change("detail", fill(b"\xff\xfe")),
    "detail longer": change("detail", lambda a: a.astype("S300")),
    "one more column": lambda columns: columns.update(more=columns["status"]),
}
FACES = BOTH | {
    "matrix infinite": change("matrix", fill(np.inf)),
    "box infinite": change("box", fill(np.nan)),
    "box integers": change("box", lambda a: a.astype(np.int64)),
    "reason unknown": change("reason", fill(b"because")),
    "reason of a face": change("reason", fill(b"too_small")),
    "rejected with a crop": change("status", fill(2)),
    "no bytes": lambda columns: columns.update(data=columns["data"][:0], offset=columns["offset"] * 0),
    "bounds fall": lambda columns: columns["offset"].__setitem__(1, columns["offset"][2] + 1),
    "detector no UTF-8": change("detector", fill(b"\xff")),
}
POINTS = BOTH | {
    "points integers": change("points", lambda a: a.astype(np.int64)),
    "points infinite": change("points", fill(np.inf)),
    "points NaN": change("points", fill(np.nan)),
    "points of a rejected crop": change("status", fill(1)),
    "points 67": change("points", lambda a: a[:, :67]),
}
CASES = [("align", name) for name in FACES] + [("landmarks", name) for name in POINTS]
PLACES = ["another name", "keys of another", "another operation"]


@pytest.fixture(scope="module")
def made(ingested: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace of five pictures whose two stages have run: one shard each."""
    workspace = Workspace(tmp_path_factory.mktemp("made") / "lab", ingested)
    (workspace.data / "annotations.h5").unlink()
    rows = read_manifest(workspace.data / "manifest.csv")
    write_manifest(workspace.data / "manifest.csv", rows[:: len(rows) // FEW][:FEW])
    return workspace


@pytest.fixture
def here(made: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(made.folder)
    monkeypatch.setenv("FER_AU_WORKERS", "1")
    monkeypatch.setenv("FER_AU_CACHE", str(made.cache))
    return made


def run(stage: str) -> bytes:
    folder = Path("data/tiny")
    if stage == "align":
        align_dataset(AlignConfig(**PARAMS["align"]), folder, Path("pictures"))
        return (folder / "faces.h5").read_bytes()
    extract_dataset(LandmarksConfig(**PARAMS["landmarks"]), folder)
    return (folder / "landmarks.h5").read_bytes()


def shard_of(workspace: Workspace, stage: str) -> Path:
    (path,) = (one for one in workspace.shards() if Store.open(one, "shard").attributes["operation"] == stage)
    return path


def replace(path: Path, edit: Callable[[Columns], None], *, name: str = "", fingerprint: str = "") -> Path:
    """Put a sealed shard of edited columns in the place of another."""
    store = Store.open(path, "shard")
    columns = {name: store[name].copy() for name in store.columns}
    keys = columns.pop("key")
    edit(columns)
    shard = Shard.of(fingerprint or store.fingerprint, str(store.attributes["operation"]), keys, columns)
    path.unlink()
    new = path.with_name(name or f"{shard.digest}.h5")
    new.write_bytes(shard.data)
    return new


@pytest.mark.parametrize(("stage", "case"), CASES)
def test_a_sealed_shard_that_no_operation_writes_is_set_aside_and_computed_anew(
    here: Workspace, stage: str, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    run("align")
    whole = run(stage)
    path = replace(shard_of(here, stage), (FACES if stage == "align" else POINTS)[case])
    capfd.readouterr()
    assert run(stage) == whole
    said = [line for line in capfd.readouterr().err.splitlines() if str(path) in line]
    assert len(said) == 1, said
    assert "its rows are computed again" in said[0]
    assert not path.exists()
    assert run(stage) == whole
    assert str(path) not in capfd.readouterr().err


@pytest.mark.parametrize("place", PLACES)
def test_a_sound_shard_in_a_wrong_place_is_not_used(
    here: Workspace, place: str, capfd: pytest.CaptureFixture[str]
) -> None:
    run("align")
    whole = run("landmarks")
    sound = shard_of(here, "landmarks")
    before = sound.read_bytes()
    if place == "another name":
        path = replace(sound, change("points", lambda a: a + 1), name=sound.name)
    elif place == "another operation":
        path = replace(sound, change("points", lambda a: a + 1), fingerprint="ab" * 32)
    else:
        store = Store.open(sound, "shard")
        head = before[512:1024].replace(store["key"].tobytes(), store["key"][::-1].tobytes())
        sound.write_bytes(before[:512] + head + before[1024:])
        path = sound
    capfd.readouterr()
    assert run("landmarks") == whole
    assert f"{path}: " in capfd.readouterr().err
    assert shard_of(here, "landmarks").read_bytes() == before
