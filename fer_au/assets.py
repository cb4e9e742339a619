"""Finding model weights that ship in other packages, by sha256, without importing those packages.

The 68-point predictor is a 100 MB file that several packages carry byte for byte; which of them is installed does not
matter. A file counts only if its hash is the pinned one. Every process that loads a file hashes it itself, which takes
a sixth of the time of loading it: what another process noted about the file would vouch for damaged bytes, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from fer_au.errors import ConfigError, MissingDependencyError
from fer_au.fingerprints import file_digest
from fer_au.home import at_home

ENVIRONMENT = "FER_AU_WEIGHTS"
_BUNDLED = Path(__file__).parent / "bundled"
_SYSTEM_FOLDERS = (_BUNDLED, Path("/usr/share/dlib"))


@dataclass(frozen=True)
class Weights:
    """A weights file that the project locates.

    Attributes:
        file_name: Usual name of the file; only files of that name are considered.
        sha256: sha256 of the one accepted content.
        size: Length in bytes, the cheap check before hashing.
        install: Command that installs the file.
    """

    file_name: str
    sha256: str
    size: int
    install: str


_PIP = "pip install face-recognition-models"

DLIB68 = Weights(
    "shape_predictor_68_face_landmarks.dat",
    "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
    99_693_937,
    _PIP,
)
DLIB5 = Weights(
    "shape_predictor_5_face_landmarks.dat",
    "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
    9_150_489,
    _PIP,
)
_BUNDLED_FILES = "pip install --force-reinstall fer-au"

FACE_MESH = Weights(
    "face_landmark.tflite",
    "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    1_242_398,
    _BUNDLED_FILES,
)
BLAZE_FACE = Weights(
    "face_detection_short_range.tflite",
    "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    229_714,
    _BUNDLED_FILES,
)
YUNET = Weights(
    "face_detection_yunet_2023mar_int8bq.onnx",
    "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
    122_489,
    _BUNDLED_FILES,
)
FACE_API_68 = Weights(
    "face_landmark_68_model.bin",
    "4611ef65c87d836d03d684b30eec4d195d8b219fa1dd58fc58945831c6b9299b",
    356_840,
    _BUNDLED_FILES,
)
FACE_API_68_TABLE = Weights(
    "face_landmark_68_model.json",
    "ca4886639f86e99b39fed0c155f81b63317225773bd9616716e887b0153389c9",
    8_485,
    _BUNDLED_FILES,
)
MMOD = Weights(
    "mmod_human_face_detector.dat",
    "4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6",
    729_940,
    _PIP,
)


def find_weights(weights: Weights) -> Path:
    """Find a verified copy: in ``FER_AU_WEIGHTS`` (a file or folder), in an installed package, or in the system.

    Raises:
        ConfigError: ``FER_AU_WEIGHTS`` names no file or folder, or a file of the right name and the wrong content.
        MissingDependencyError: There is no copy; the message tells how to get one.
    """
    if chosen := os.environ.get(ENVIRONMENT):
        path = _in_chosen_place(weights, at_home(chosen, ENVIRONMENT))
        if path is not None:
            return path
    refused = []
    for path in _candidates(weights):
        if is_verified(path, weights):
            return path
        refused.append(path)
    also = f" ({refused[0]} has another sha256)" if refused else ""
    raise MissingDependencyError(
        f"{weights.file_name} (sha256 {weights.sha256[:8]}...) is not installed{also}; "
        f"run `{weights.install}`, or set {ENVIRONMENT} to a folder that has it"
    )


def _in_chosen_place(weights: Weights, chosen: Path) -> Path | None:
    """Find the copy in the user's place; None if that is a folder without such a file, or another model's file."""
    path = chosen / weights.file_name if chosen.is_dir() else chosen
    if not path.is_file():
        if chosen.is_dir():
            return None
        raise ConfigError(f"{ENVIRONMENT}: no such file or folder: {chosen}")
    if path.name != weights.file_name:
        # One file is meant for one model: it says nothing about the others, unless it is a renamed copy.
        return path if is_verified(path, weights) else None
    if not is_verified(path, weights):
        raise ConfigError(f"{ENVIRONMENT}: {path} is not the expected file (its sha256 is not {weights.sha256[:8]}...)")
    return path


def _candidates(weights: Weights) -> Iterator[Path]:
    yield from _packaged(weights.file_name)
    for folder in _SYSTEM_FOLDERS:
        if (folder / weights.file_name).is_file():
            yield folder / weights.file_name


@cache
def _packaged(file_name: str) -> tuple[Path, ...]:
    """List files of a name in installed distributions, sorted so that the search order is the same everywhere."""
    found = {
        Path(str(file.locate()))
        for distribution in distributions()
        if file_name in (distribution.read_text("RECORD") or file_name)  # parsing all lists takes every worker 0.5 s
        for file in distribution.files or ()
        if file.name == file_name
    }
    return tuple(sorted(path for path in found if path.is_file()))


def is_verified(path: Path, weights: Weights) -> bool:
    """Tell whether a file has the pinned content; a process hashes a file once, until it is another one."""
    state = path.stat()
    if state.st_size != weights.size:
        return False
    return _digest(path, state.st_ino, state.st_mtime_ns, state.st_ctime_ns) == weights.sha256


@cache
def _digest(path: Path, *_: int) -> str:
    """Hash a file; further arguments tell it from another file that had its path before."""
    return file_digest(path)
