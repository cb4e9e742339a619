"""Kinds of input of public functions, right values of each, and what a case of a function is."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shared.blobs import CENTRES, many, write_dataset
from fer_au.batches.preprocess import Preprocessing
from fer_au.ibug68 import MEAN_FACE
from fer_au.models import create_model, save_model
from tests.arguments.forms import (
    AS_IT_IS,
    FLAGS,
    FLOAT_TENSORS,
    LABELS,
    MAPPINGS,
    NO_COUNTS,
    NO_FLAGS,
    NO_LABELS,
    NO_NUMBERS,
    NO_PATHS,
    NO_SIZES,
    NO_TEXTS,
    NO_WORDS,
    NUMBERS,
    PATHS,
    PICTURES,
    SIZES,
    TENSORS,
    WORDS,
    Kind,
    no_pictures,
)

CLASSES = ["happiness", "anger"]


TENSOR_FORMS = frozenset(TENSORS) | frozenset(FLOAT_TENSORS)


FOLDER_OF_WORLD: list[Path] = []


@cache
def model() -> Any:
    return create_model({"backbone": "test_resnet"}, CLASSES, seed=0).eval()


@cache
def world() -> dict[str, Path]:
    """Files of every kind that public functions read, made once, in the folder that a fixture names."""
    from fer_au.datasets import read_manifest
    from fer_au.evaluation import write_metrics

    root = FOLDER_OF_WORLD[0]
    save_model(root / "model", model(), {"preprocessing": Preprocessing(image_size=64).to_meta()})
    data = write_dataset(root / "data", [blob for label in CENTRES for blob in many(label, 2)])
    write_metrics(root / "metrics/au.json", {"accuracy": 0.5, "n": 2, "other": "text"})
    assert read_manifest(data / "manifest.csv")
    (root / "params.yaml").write_text("datasets: {mine: {adapter: folder, root: pictures}}\n")
    (root / "out").mkdir()
    return {
        "model": root / "model",
        "data": data,
        "store": data / "landmarks.h5",
        "metrics": root / "metrics/au.json",
        "params": root / "params.yaml",
        "out": root / "out/file",
    }


def faces(count: int) -> np.ndarray:
    """Points on whole pixels from 0 to 255, which every type of numbers holds."""
    shifts = np.arange(count)[:, None, None] - 4
    return np.asarray(np.round(112 + 64 * MEAN_FACE)[None] + shifts, np.float64)


def maps(count: int, phase: int = 0) -> np.ndarray:
    """Maps in eighths, which every type of floats holds."""
    cells = np.arange(count * 49).reshape(count, 7, 7) * 5 + phase
    return np.asarray(cells % 9 / 8, np.float64)


def crops(count: int, side: int = 48) -> np.ndarray:
    return (np.arange(count * side * side * 3).reshape(count, side, side, 3) * 7 % 251).astype(np.uint8)


def labels(count: int) -> list[str]:
    return [CLASSES[place % 2] for place in range(count)]


POINTS = Kind(NUMBERS, lambda p: [*NO_NUMBERS, p[:, :60], p.reshape(len(p), -1), p.astype(str)], (), TENSOR_FORMS)


MAPS = Kind(NUMBERS, lambda m: [*NO_NUMBERS, m[:, :0, 0], m.astype(str), m * 1j], (), TENSOR_FORMS)


LABEL = Kind(LABELS, NO_LABELS, ("labels", "classes"))


KNOWN = replace(LABEL, good={**LABELS, "None for neutral": lambda v: list(v)})


SIZE, COUNT, FLAG = Kind(SIZES, NO_SIZES), Kind(SIZES, NO_COUNTS), Kind(FLAGS, NO_FLAGS)


SEED = Kind(SIZES, [one for one in NO_COUNTS if type(one) is not int or one < 0] + [2**64])


PATH = Kind(PATHS, NO_PATHS)


FOLDER = PATH


CODEBOOK = Kind(WORDS, [one for one in NO_WORDS if not isinstance(one, Path)], ("codebook", "preset"))


TEXT = Kind(WORDS, NO_TEXTS)


MAPPING = Kind(MAPPINGS, [None, 3, "word", ["a"], {3: 1}, {None: 1}])


CROP = Kind(PICTURES, no_pictures)


def part(word: str) -> Kind:
    """A name of a registry, whose kind the refusal names."""
    return Kind(WORDS, NO_WORDS, (word,))


def one_of(*words: str) -> Kind:
    return Kind(WORDS, [*NO_WORDS, *(word.upper() for word in words)])


@dataclass(frozen=True)
class Case:
    """A public function.

    Attributes:
        place: ``module:name`` under which people find it.
        make: Function from a number of items to right arguments.
        kinds: Argument -> kind of input. Every parameter has one.
        call: What is called; default the function of that place.
        leads: Argument that decides whether the answer is a tensor; empty if none does.
        examples: Numbers of items that are tried; fewer for slow functions.
    """

    place: str
    make: Callable[[int], dict[str, Any]]
    kinds: dict[str, Kind]
    call: Callable[..., Any] | None = None
    leads: str = ""
    counts: tuple[int, ...] = (0, 1, 3)

    def function(self) -> Callable[..., Any]:
        module, _, name = self.place.partition(":")
        found: Any = importlib.import_module(module)
        for step in name.split("."):
            found = getattr(found, step)
        return found  # type: ignore[no-any-return]

    def __call__(self, arguments: dict[str, Any]) -> Any:
        return (self.call or self.function())(**arguments)


def _written(room: str, name: str) -> Callable[..., Any]:
    def call(**arguments: Any) -> Any:
        getattr(importlib.import_module(room), name)(**arguments)
        path = Path(arguments.get("path") or arguments["output"])
        return path.read_bytes()

    return call


_ANY = Kind(AS_IT_IS, [])
