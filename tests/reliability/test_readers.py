"""Eight processes read while new versions of the stores are assembled."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fer_au.datasets.manifest import ManifestRow, write_manifest
from fer_au.faces.crops import encode_crop
from fer_au.stores import encode_ids, pack_ragged, write_store
from tests.reliability.reader import ENOUGH, LARGEST, READY
from tests.reliability.workspace import ROOT, show

ROWS = 40
SLOW = ("fork", "spawn")  # they start for seconds: the others needn't read for so long
READERS = (*SLOW, "open", "open", "open", "kept", "kept", "pickled")
IDS = [f"{row:03d}.jpg" for row in range(ROWS)]


def write_version(folder: Path, version: int) -> None:
    """All stores of one version: every value is its number. Files differ in length, too."""
    fields: dict[str, object] = {"fingerprint": f"{version:064d}", "attributes": {"version": version, "image_size": 32}}
    # The colour of the crop is the version; what follows the picture names it for readers that decode none.
    crop = encode_crop(np.full((32, 32, 3), version, np.uint8)) + b"." * version + b" %d " % version
    numbers = np.full(ROWS, version, np.float32)
    write_store(
        folder / "faces.h5",
        "faces",
        {
            "id": encode_ids(IDS),
            "matrix": np.zeros((ROWS, 2, 3)),
            "box": np.full((ROWS, 4), version, np.float32),
            "score": numbers,
            "detector": np.array([b"none"] * ROWS),
            "status": np.zeros(ROWS, np.uint8),
            **pack_ragged([crop] * ROWS),
        },
        **fields,  # type: ignore[arg-type]
    )
    points = np.full((ROWS, 68, 2), version, np.float32)
    write_store(
        folder / "landmarks.h5",
        "landmarks",
        {"id": encode_ids(IDS), "points": points, "score": numbers, "status": np.zeros(ROWS, np.uint8)},
        **fields,  # type: ignore[arg-type]
    )
    write_store(
        folder / "heatmaps.h5",
        "heatmaps",
        {"id": encode_ids(IDS), "map": np.full((ROWS, 7, 7), version, np.uint8), "valid": np.ones(ROWS, bool)},
        **fields,  # type: ignore[arg-type]
    )


@pytest.mark.slow
def test_eight_processes_read_while_new_versions_are_assembled(tmp_path: Path) -> None:
    label = "neutral"
    rows = [ManifestRow(id_, id_, "0" * 64, "train", None, label, None, 32, 32, None) for id_ in IDS]
    write_manifest(tmp_path / "manifest.csv", rows)
    write_version(tmp_path, 1)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    readers: list[subprocess.Popen[bytes]] = []

    def ready() -> int:
        return len(list(tmp_path.glob("ready-*")))

    start = time.monotonic()
    written, rest = 1, 40  # so many more once each reader has met enough
    while rest and time.monotonic() - start < 300 and all(reader.poll() is None for reader in readers):
        if ready() == len(readers) < len(READERS):
            for number in range(len(readers), len(SLOW) if not readers else len(READERS)):
                command = [
                    sys.executable,
                    "-m",
                    "tests.reliability.reader",
                    str(tmp_path),
                    READERS[number],
                    str(number),
                ]
                with (tmp_path / f"{number}.out").open("wb") as out, (tmp_path / f"{number}.err").open("wb") as err:
                    readers.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=err))
        written += 1
        write_version(tmp_path, written % LARGEST + 1)
        rest -= ready() == len(READERS)
        time.sleep(0.05)
    (tmp_path / "stop").touch()
    faults = [(reader.wait(timeout=60), (tmp_path / f"{n}.err").read_text()) for n, reader in enumerate(readers)]
    assert faults == [(0, "")] * len(READERS)
    for number, how in enumerate(READERS):
        times, versions = map(int, (tmp_path / f"{number}.out").read_text().split())
        assert times >= READY, how
        assert versions >= ENOUGH[how], (how, versions)
        show(f"{how}: {times} reads, {versions} versions seen")
    assert rest == 0
    show(f"{written} versions were written")
