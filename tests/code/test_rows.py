"""Rows of other code or other libraries are never met."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from fer_au.code import rows, software
from fer_au.code.closure import code_digest
from fer_au.code.rows import row_key
from fer_au.config.data import AlignConfig
from fer_au.faces.operation import AlignOperation
from fer_au.landmarks.extractors import create_extractor
from fer_au.landmarks.operation import ExtractOperation

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Operation:
    fingerprint: str = "ab" * 32
    modules: tuple[str, ...] = ("fer_au.faces.operation", "fer_au.faces.dlib_hog")


def test_every_operation_names_its_own_module_and_its_part() -> None:
    assert AlignOperation.of(AlignConfig(detector="whole-image")).modules == (
        "fer_au.faces.operation",
        "fer_au.faces.given_boxes",
    )
    assert ExtractOperation(create_extractor("mean-shape")).modules == (
        "fer_au.landmarks.operation",
        "fer_au.landmarks.mean_shape",
    )


def test_a_key_holds_the_operation_and_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "released_digests", dict)
    keys = {
        row_key(Operation()),
        row_key(Operation(fingerprint="cd" * 32)),
        row_key(Operation(modules=("fer_au.faces.operation",))),
        row_key(Operation(modules=("fer_au.faces.operation", "fer_au.faces.dlib_mmod"))),
    }
    assert len(keys) == 4


def test_code_as_released_goes_on_with_the_releases_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    stamp = {name: code_digest(name) for name in Operation().modules}
    monkeypatch.setattr(rows, "released_digests", lambda: stamp)
    released = row_key(Operation())
    monkeypatch.setattr(rows, "released_digests", lambda: {**stamp, "fer_au.faces.dlib_hog": "0" * 64})
    assert row_key(Operation()) != released
    # A later release whose golden outputs are the same stamps other hashes, and keeps the rows.
    monkeypatch.setattr(rows, "code_digest", lambda *names: "1" * 64)
    monkeypatch.setattr(rows, "released_digests", lambda: dict.fromkeys(stamp, "1" * 64))
    assert row_key(Operation()) == released


@pytest.mark.parametrize("library", ["cv2", "numpy", "PIL"])
def test_another_release_of_a_library_has_rows_of_its_own(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = row_key(Operation())
    known = software.library_releases
    monkeypatch.setattr(rows, "library_releases", lambda modules: {**known(modules), library: "99.0"})
    assert library in known({"cv2", "numpy", "PIL"})
    assert row_key(Operation()) != before


def test_the_stamp_is_a_mapping_of_operations() -> None:
    stamped = json.loads(rows.RELEASED.read_text())
    assert all(name.startswith("fer_au.") and len(digest) == 64 for name, digest in stamped.items())


@pytest.mark.slow
def test_an_edit_of_the_warp_meets_no_row_of_unedited_code(tmp_path: Path) -> None:
    """Two clones, one cache, one of them edited: each has its own rows, and the edit shows in its output."""
    program = (
        "from pathlib import Path\n"
        "from fer_au.config.data import AlignConfig\n"
        "from fer_au.faces.operation import AlignOperation, FacePayload\n"
        "from fer_au.code.rows import row_key\n"
        "print(row_key(AlignOperation.of(AlignConfig(detector='whole-image'))))\n"
    )
    keys = {}
    for name, edit in (("plain", ""), ("words", "\n# a comment\n"), ("edited", "\nEDITED = 1\n")):
        shutil.copytree(ROOT / "fer_au", tmp_path / name / "fer_au", ignore=shutil.ignore_patterns("__pycache__"))
        with (tmp_path / name / "fer_au/faces/warp.py").open("a") as file:
            file.write(edit)
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path / name,
            env={"PATH": "", "PYTHONPATH": str(tmp_path / name)},
            capture_output=True,
            text=True,
            check=True,
        )
        keys[name] = done.stdout.strip()
    assert keys["plain"] == keys["words"] == row_key(AlignOperation.of(AlignConfig(detector="whole-image")))
    assert keys["edited"] != keys["plain"]
