"""Stages as their scripts run them, with small shards, and a diary of every row that is begun.

    python -m tests.reliability.observed NAME SETTINGS STAGE...

SETTINGS is JSON: ``diary`` (a file that rows are appended to), ``shard_rows``, ``pause`` (seconds per row, so that a
run is long enough to be disturbed; the environment's ``OBSERVED_PAUSE`` comes first), ``die_in`` (the main process
kills itself in the midst of its n-th write).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import fer_au.faces.stage
import fer_au.landmarks.stage
from fer_au.command import run_stage
from fer_au.config.data import AlignConfig, HeatmapsConfig, LandmarksConfig
from fer_au.config.reading import entry, load_section
from fer_au.cues import render_dataset
from fer_au.faces import align_dataset
from fer_au.faces.operation import AlignOperation, FacePayload
from fer_au.landmarks import extract_dataset
from fer_au.landmarks.operation import CropPayload, ExtractOperation, crop_key

ROOT = Path(__file__).parents[2]
INTERRUPTED = "rows that were computed are kept"
DIARY, PAUSE = "OBSERVED_DIARY", "OBSERVED_PAUSE"


def note(kind: str, rows: Sequence[str]) -> None:
    """Append one line to the diary: process, kind and the rows that are begun. One write, so that lines stay whole."""
    descriptor = os.open(os.environ[DIARY], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{os.getpid()} {kind} {' '.join(rows)}\n".encode())
    os.close(descriptor)
    time.sleep(len(rows) * float(os.environ.get(PAUSE, "0")))


class ObservedAlign(AlignOperation):
    """Notes the pictures of a shard before it aligns them."""

    def __call__(self, payloads: Sequence[FacePayload]) -> dict[str, Any]:
        note("align", [payload.sha256 for payload in payloads])
        return super().__call__(payloads)


class ObservedExtract(ExtractOperation):
    """Notes the crops of a shard before it looks at them."""

    def __call__(self, payloads: Sequence[CropPayload]) -> dict[str, Any]:
        note("landmarks", [crop_key(payload.data, payload.box, payload.sure).hex() for payload in payloads])
        return super().__call__(payloads)


def run(stage: str, name: str) -> None:
    """What stages/STAGE.py does."""
    folder = Path("data") / name
    if stage == "align":
        align_dataset(load_section("align", AlignConfig), folder, Path(str(entry("datasets", name).get("root", ""))))
    elif stage == "landmarks":
        extract_dataset(load_section("landmarks", LandmarksConfig), folder)
    else:
        render_dataset(load_section("heatmaps", HeatmapsConfig), folder)


def observe(shard_rows: int) -> None:
    """Let the stages use the observed operations."""
    ObservedAlign.shard_rows = ObservedExtract.shard_rows = shard_rows
    fer_au.faces.stage.AlignOperation = ObservedAlign  # type: ignore[misc]
    fer_au.landmarks.stage.ExtractOperation = ObservedExtract  # type: ignore[misc]


def die_in_write(number: int) -> None:
    """Kill this process, as kill -9 does, when the half of its n-th ``pwrite`` is on the disk."""
    write, made = os.pwrite, 0

    def counted(descriptor: int, data: Any, position: int) -> int:
        nonlocal made
        made += 1
        if made == number:
            write(descriptor, data[: len(data) // 2], position)
            os.kill(os.getpid(), signal.SIGKILL)
        return write(descriptor, data, position)

    os.pwrite = counted


def main() -> NoReturn:
    name, text, *stages = sys.argv[1:]
    settings = json.loads(text)
    os.environ[DIARY] = settings["diary"]
    os.environ.setdefault(PAUSE, str(settings.get("pause", 0)))
    observe(settings["shard_rows"])
    if settings.get("die_in"):
        die_in_write(settings["die_in"])

    def call(name: str) -> None:
        for stage in stages:
            run(stage, name)

    sys.argv[1:] = [name]
    run_stage(call, __doc__, INTERRUPTED)


if __name__ == "__main__":
    # Not from __main__: workers find the observed operations by the module's name.
    from tests.reliability import observed

    observed.main()
