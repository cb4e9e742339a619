"""A disk that is full, from each call on that writes; and a real one."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fer_au.config.data import AlignConfig, HeatmapsConfig, LandmarksConfig
from fer_au.cues import render_dataset
from fer_au.datasets.manifest import read_manifest, write_manifest
from fer_au.errors import StoreError
from fer_au.faces import align_dataset
from fer_au.faces.operation import AlignOperation
from fer_au.landmarks import extract_dataset
from fer_au.landmarks.operation import ExtractOperation
from tests.reliability.workspace import PARAMS, REMEDY, Workspace, errors, show, temporaries

STAGES = {"align": "faces.h5", "landmarks": "landmarks.h5", "heatmaps": "heatmaps.h5"}
FEW = 5
WRITING_CALLS = ("open", "pwrite", "fsync", "replace", "mkdir")


class Disk:
    """Counts the calls that write, and refuses them once ``space`` of them were made, until it is freed.

    A refused ``pwrite`` first writes a part of what it should, as a disk does that gets full.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.space: int | None = None
        for name in WRITING_CALLS:
            patch.setattr(os, name, self._limited(name, getattr(os, name)))

    def _limited(self, name: str, call: Any) -> Any:
        def limited(*args: Any, **options: Any) -> Any:
            if name == "open" and not args[1] & os.O_CREAT:
                return call(*args, **options)
            self.calls += 1
            if self.space is not None and self.calls > self.space:
                if name == "pwrite" and self.calls == self.space + 1 and len(args[1]) > 1:
                    return call(args[0], args[1][: len(args[1]) // 2], args[2])
                if name == "mkdir" and Path(args[0]).is_dir():
                    return call(*args, **options)  # nothing to make: no disk says that it is full
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            # What this test asks is not whether the disk is flushed, and that takes long.
            return None if name == "fsync" else call(*args, **options)

        return limited


@pytest.fixture
def few(ingested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace of five pictures, two shards, worked on in this process."""
    workspace = Workspace(tmp_path / "lab", ingested)
    rows = read_manifest(workspace.data / "manifest.csv")
    (workspace.data / "annotations.h5").unlink()  # it keeps the digest of the manifest that ingest wrote
    write_manifest(workspace.data / "manifest.csv", rows[:: len(rows) // FEW][:FEW])
    monkeypatch.chdir(workspace.folder)
    monkeypatch.setenv("FER_AU_WORKERS", "1")
    monkeypatch.setenv("FER_AU_CACHE", str(workspace.cache))
    monkeypatch.setattr(AlignOperation, "shard_rows", 3)
    monkeypatch.setattr(ExtractOperation, "shard_rows", 3)
    return workspace


def run(stage: str) -> None:
    folder = Path("data/tiny")
    if stage == "align":
        align_dataset(AlignConfig(**PARAMS["align"]), folder, Path("pictures"))
    elif stage == "landmarks":
        extract_dataset(LandmarksConfig(**PARAMS["landmarks"]), folder)
    else:
        render_dataset(HeatmapsConfig(**PARAMS["heatmaps"]), folder)


def reset(few: Workspace, stage: str, keep: dict[str, bytes]) -> None:
    """Back to before a stage: its inputs, an output of an older time, no cache, no locks."""
    for path in (few.folder / ".fer_au", few.data / "rejects"):
        shutil.rmtree(path, ignore_errors=True)
    for name, data in keep.items():
        (few.data / name).write_bytes(data)
    (few.data / STAGES[stage]).write_bytes(b"older")


def test_a_full_disk_at_every_call_is_one_line_and_no_harm(few: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    done: dict[str, bytes] = {}
    tried = {}
    for stage, output in STAGES.items():
        reset(few, stage, done)
        before = disk.calls
        run(stage)
        whole = (few.data / output).read_bytes()
        calls = disk.calls - before
        for space in range(calls):
            reset(few, stage, done)
            disk.calls, disk.space = 0, space
            with pytest.raises(StoreError) as caught:
                run(stage)
            line = str(caught.value)
            found = re.fullmatch(r"(\S+): cannot (?:write|lock: \S+): No space left on device(; .*)?", line)
            assert found, line
            assert (few.folder / found[1]).is_relative_to(few.folder)
            kept_in_cache = (few.folder / found[1]).is_relative_to(few.cache)
            assert found[2] == (f"; {REMEDY}" if kept_in_cache else None)
            assert not found[1].endswith(".tmp")
            assert (few.data / output).read_bytes() in (b"older", whole)
            assert temporaries(few.folder) == []
            kept = few.rows_kept()
            assert kept in (0, 3, FEW)
            disk.space = None
            disk.calls = 0
            run(stage)
            assert (few.data / output).read_bytes() == whole
            assert few.rows_kept() == (0 if stage == "heatmaps" else FEW)
        done[output] = whole
        tried[stage] = calls
    show(f"a full disk was met at every one of {tried} calls")


def test_a_file_in_the_place_of_a_folder_is_one_line(few: Workspace) -> None:
    (few.data / "rejects").rename(few.data / "kept")
    (few.data / "rejects").write_bytes(b"")
    with pytest.raises(
        StoreError, match=r"^data/tiny/rejects/align\.csv: cannot write: (File exists|Not a directory)$"
    ):
        run("align")
    (few.data / "rejects").unlink()
    for stage in ("align", "landmarks"):
        few.forget()
        few.cache.parent.mkdir(exist_ok=True)
        few.cache.write_bytes(b"")
        with pytest.raises(StoreError, match=rf"cache/\S+: cannot write: (File exists|Not a directory); {REMEDY}$"):
            run(stage)
        few.cache.unlink()
        run(stage)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 kB."""
    folder = tmp_path / "small disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def grow(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)


@pytest.mark.slow
def test_a_full_cache_stops_the_run_and_it_goes_on_when_there_is_space(
    ingested: Path, undisturbed: dict[str, bytes], small_disk: Path, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path / "lab", ingested, cache=small_disk / "cache")
    (line,) = errors(workspace.run("align", code=2))
    place = re.escape(str(small_disk))
    assert re.fullmatch(rf"error: {place}/\S+: cannot write: No space left on device; {REMEDY}", line), line
    assert temporaries(small_disk, workspace.folder) == []
    kept, begun = workspace.rows_kept(), len(workspace.started())
    assert 0 < kept < begun
    assert not (workspace.data / "faces.h5").exists()
    grow(small_disk)
    workspace.run("align")
    assert workspace.bytes_of("faces.h5") == [undisturbed["faces.h5"]]
    assert len(workspace.started()) - begun == len(read_manifest(workspace.data / "manifest.csv")) - kept


@pytest.mark.slow
def test_a_full_workspace_keeps_the_rows_and_the_older_output(
    ingested: Path, undisturbed: dict[str, bytes], small_disk: Path, tmp_path: Path
) -> None:
    workspace = Workspace(small_disk / "lab", ingested, cache=tmp_path / "cache")
    workspace.diary = tmp_path / "diary.txt"
    (workspace.data / "faces.h5").write_bytes(b"older")
    (line,) = errors(workspace.run("align", code=2))
    assert line == "error: data/tiny/faces.h5: cannot write: No space left on device"
    assert temporaries(small_disk) == []
    assert workspace.bytes_of("faces.h5") == [b"older"]
    begun = len(workspace.started())
    grow(small_disk)
    said = workspace.run("align", "landmarks", "heatmaps")
    assert workspace.bytes_of(*undisturbed) == list(undisturbed.values())
    assert "align: all 120 rows were cached" in said
    assert len(workspace.started()) == begun + 120
