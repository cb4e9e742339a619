"""Candidates of networks that answer at many places of a picture, and their merging into faces.

Merging is MediaPipe's weighted variant of non-maximum suppression (Bazarevsky et al. 2019), which keeps boxes from
jumping between frames, and steadies keypoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_au.faces.geometry import box_area

MERGE_IOU = 0.3
"""Intersection over union above which boxes show one face, the default of MediaPipe and of YuNet."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Candidates:
    """Boxes whose score is above the threshold, all in one coordinate frame.

    Attributes:
        boxes: Boxes (K, 4) xyxy.
        keypoints: Keypoints (K, P, 2) xy, in the network's order.
        scores: Probabilities (K,) of a face.
    """

    boxes: FloatArray
    keypoints: FloatArray
    scores: FloatArray


def merge(candidates: Candidates, overlap: float = MERGE_IOU) -> Candidates:
    """Merge boxes by weighted non-maximum suppression: a cluster's mean, weighted by score, gets its best score.

    As in MediaPipe, a box belongs to the cluster whose best box it overlaps.

    Args:
        candidates: Boxes of one picture.
        overlap: Intersection over union above which boxes show one face.
    """
    boxes, keypoints, scores = candidates.boxes, candidates.keypoints, candidates.scores
    left = np.argsort(-scores, kind="stable")
    merged: list[tuple[FloatArray, FloatArray, float]] = []
    while len(left):
        near = overlaps(boxes[left[0]], boxes[left]) > overlap
        near[0] = True
        group = left[near]
        weights = scores[group] / scores[group].sum()
        points = np.einsum("k,kij->ij", weights, keypoints[group])
        merged.append((weights @ boxes[group], points, float(scores[left[0]])))
        left = left[~near]
    return Candidates(
        np.array([box for box, _, _ in merged]).reshape(-1, 4),
        np.array([points for _, points, _ in merged]).reshape(-1, candidates.keypoints.shape[1], 2),
        np.array([score for _, _, score in merged], np.float64),
    )


def overlaps(box: FloatArray, boxes: FloatArray) -> FloatArray:
    """Compute the intersection over union (K,) of a box (4,) with each of some boxes (K, 4)."""
    shared = shared_area(box, boxes)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return np.asarray(shared / (areas + box_area(box) - shared), np.float64)


def shared_area(box: FloatArray, boxes: FloatArray) -> FloatArray:
    """Compute the area (K,) that a box (4,) shares with each of some boxes (K, 4)."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    return np.asarray(np.clip(sides, 0, None).prod(axis=1), np.float64)


def joined(parts: Sequence[Candidates]) -> Candidates:
    """Join the candidates of all parts, at least one, in their order."""
    return Candidates(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.keypoints for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )


def without_faces(keypoints: int) -> Candidates:
    """Return no candidates, of a network that gives a number of keypoints."""
    return Candidates(np.empty((0, 4)), np.empty((0, keypoints, 2)), np.empty(0))
