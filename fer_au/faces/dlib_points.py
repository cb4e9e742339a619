"""Run dlib's regression-tree landmark predictors (Kazemi and Sullivan 2014), in the project's coordinate frame."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_au.assets import Weights, find_weights
from fer_au.errors import MissingDependencyError


class _Point(Protocol):
    x: int
    y: int


class _Shape(Protocol):
    def parts(self) -> list[_Point]: ...


class ShapePredictor(Protocol):
    """Call of dlib's predictors that the project uses."""

    def __call__(self, image: NDArray[np.uint8], box: object) -> _Shape:
        """Find the landmarks of the face in a dlib rectangle."""
        ...


@lru_cache(maxsize=2)
def load_predictor(weights: Weights) -> ShapePredictor:
    """Load the predictor of some weights, once per process (0.6 s for the 68 points).

    Raises:
        MissingDependencyError: dlib or the weights are not installed.
    """
    predictor: ShapePredictor = import_dlib().shape_predictor(str(find_weights(weights)))
    return predictor


def import_dlib() -> ModuleType:
    """Import dlib.

    Raises:
        MissingDependencyError: dlib is not installed.
    """
    try:
        return import_module("dlib")
    except ImportError as error:
        raise MissingDependencyError("dlib is not installed; run `pip install dlib-bin`") from error


def predict_points(weights: Weights, image: NDArray[np.uint8], box: ArrayLike) -> NDArray[np.float32]:
    """Find the landmarks of the face in a box.

    Args:
        weights: Weights of the predictor.
        image: Picture (H, W) or (H, W, 3) uint8.
        box: Face box (x0, y0, x1, y1) as the HOG detector draws it; it is rounded to whole pixels, as dlib demands.

    Returns:
        Points (K, 2) float32 xy of the picture: dlib's pixel indices plus 0.5, the centres of those pixels.

    Raises:
        MissingDependencyError: dlib or the weights are not installed.
    """
    x0, y0, x1, y1 = np.round(np.asarray(box, np.float64)).astype(int).tolist()
    # dlib's rectangles include their last pixel.
    shape = load_predictor(weights)(np.ascontiguousarray(image), import_dlib().rectangle(x0, y0, x1 - 1, y1 - 1))
    return np.array([(part.x, part.y) for part in shape.parts()], np.float32) + np.float32(0.5)
