"""Accept points on a face that no detector vouches for, if the extractor gives nearly the same from shifted boxes.

A regression-tree or CNN extractor gives 68 points for a wall, too. On a face its points hardly depend on the box that
it starts from; on anything else the points follow the box. So such a crop is looked at from several boxes, shifted and
scaled, and the spread of the points, in inter-ocular distances, tells faces from the rest. This works for any
extractor that takes boxes, and needs no model.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_au.ibug68 import inter_ocular_distance
from fer_au.landmarks.extractors import Extractor, FloatArray, Images, extract_points

VERSION = 1

# Shift to the right, shift down (both in box sides) and scale of each look's box.
_LOOKS = ((0.0, 0.0, 1.0), (-0.08, 0.04, 0.92), (0.08, 0.04, 0.92), (0.0, -0.08, 1.0), (0.0, 0.02, 1.14))

MAX_SPREAD = 0.06
"""Largest accepted mean distance of the looks from their median, in inter-ocular distances.

One limit serves every extractor, as ``tools/measure_agreement.py`` shows on the demo and on mixed photographs: 99 % of
detected faces stay below 0.059 with dlib68, 0.031 with mediapipe and 0.056 with faceapi68, while noise and empty
backgrounds start at 0.077 with dlib68 and 0.117 with faceapi68; mediapipe rejects all of them by its face presence.
"""


def jittered_boxes(boxes: FloatArray) -> NDArray[np.float64]:
    """Shift and scale boxes (N, 4) xyxy for all looks, (looks, N, 4)."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    side = boxes[:, 2:] - boxes[:, :2]
    looks = []
    for right, down, scale in _LOOKS:
        middle = centre + side * (right, down)
        looks.append(np.concatenate([middle - side * scale / 2, middle + side * scale / 2], axis=1))
    return np.stack(looks).astype(np.float64)


def extract_if_agreed(
    extractor: Extractor, images: Images, boxes: FloatArray
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Extract landmarks from several boxes per crop and keep the faces whose points agree.

    Args:
        extractor: Extractor that looks at pixels.
        images: Crops (N, H, W, 3) uint8 RGB.
        boxes: Assumed face boxes (N, 4) xyxy, pixels of the crops.

    Returns:
        Median points (N, 68, 2) xy of the crops, NaN where the looks disagree; the extractor's scores (N,) for the
        given boxes, NaN likewise; and the spreads (N,) in inter-ocular distances.
    """
    answers = [extract_points(extractor, images, look) for look in jittered_boxes(boxes)]
    looks = np.stack([points for points, _ in answers])
    points = np.median(looks, axis=0).astype(np.float32)
    distance = np.sqrt(((looks - points) ** 2).sum(-1)).mean(axis=(0, 2))
    spread = (distance / np.maximum(inter_ocular_distance(points), 1e-6)).astype(np.float32)
    agreed = spread <= MAX_SPREAD  # False for NaN, too
    points[~agreed] = np.nan
    return points, np.where(agreed, answers[0][1], np.float32(np.nan)), spread
