"""Factories of the public models, as ``model.factory`` of an experiment names them.

The archives of their packages lie in the folder that the environment variable ``FER_AU_PUBLIC_MODELS`` names.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from torch import nn

from benchmarks.public_models.catalogue import find_model
from benchmarks.public_models.graph import GraphNetwork, grey_thrice
from benchmarks.public_models.keras_file import read_keras
from benchmarks.public_models.packages import read_files
from benchmarks.public_models.state_dicts import read_four_reflected, read_three_tanh
from benchmarks.public_models.tfjs import read_face_api, read_graph
from benchmarks.public_models.tflite import read_tflite
from fer_au.errors import DataError

FOLDER = "FER_AU_PUBLIC_MODELS"
"""Environment variable: folder of the packages' archives."""

READERS: dict[str, Callable[..., GraphNetwork]] = {
    "fer": read_keras,
    "fer-tflite": read_tflite,
    "human": read_graph,
    "face-api": read_face_api,
    "facex": lambda data: grey_thrice(read_tflite(data)),
    "what-the-face": read_three_tanh,
    "facial-emotion": read_four_reflected,
}


def open_network(name: str, folder: Path) -> nn.Module:
    """Read a public model.

    Args:
        name: Its name in the catalogue.
        folder: Folder of the packages' archives.

    Raises:
        MissingDependencyError: Its package isn't there.
        DataError: Its file is another one, or can't be read.
        UnknownNameError: There is no such model.
    """
    model = find_model(name)
    files = read_files(model, folder)
    try:
        return READERS[name](*files).eval()
    except DataError as error:
        raise DataError(f"{folder / model.package.archive}: {error}") from error


def _create(name: str) -> nn.Module:
    return open_network(name, Path(os.environ.get(FOLDER, ".")))


def fer() -> nn.Module:
    """Make the network of ``fer`` from the file of Keras."""
    return _create("fer")


def fer_tflite() -> nn.Module:
    """Make the network of ``fer`` from the file of TFLite."""
    return _create("fer-tflite")


def human() -> nn.Module:
    """Make the network of ``@vladmandic/human``."""
    return _create("human")


def face_api() -> nn.Module:
    """Make the network of ``@vladmandic/face-api``."""
    return _create("face-api")


def facex() -> nn.Module:
    """Make the network of ``facex``, which takes grey pictures as its package gives them."""
    return _create("facex")


def what_the_face() -> nn.Module:
    """Make the network of ``what-the-face-classification``."""
    return _create("what-the-face")


def facial_emotion() -> nn.Module:
    """Make the network of ``facial-emotion-recognition``."""
    return _create("facial-emotion")
