"""Fit the maps from other detectors' boxes to the HOG detector's: ``python -m tools.fit_detector_boxes``.

dlib's predictors expect the box that the HOG detector draws, ``templates.HOG_BOX`` around the average face. Here the
detectors with other conventions look at rendered faces whose 68 points are known. The tool prints the constants of
``faces/mediapipe_face.py`` and ``faces/yunet.py`` (``MEAN_PLACES``) and ``faces/dlib_mmod.py`` (``BOX_SCALE``,
``BOX_SHIFT``), and the error that they leave. It takes about three minutes on one core.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.config.data import DemoConfig
from fer_au.datasets import ingest_dataset
from fer_au.datasets.demo import DemoAdapterConfig
from fer_au.decoding import decode_image
from fer_au.demo.generate import generate
from fer_au.faces import mediapipe_face, yunet, yunet_net
from fer_au.faces.blaze_face import KEYPOINTS
from fer_au.faces.dlib_mmod import PASSES, network_boxes
from fer_au.faces.geometry import Matrix, apply_matrix, box_iou, compose, fit_similarity, invert_matrix, map_box
from fer_au.faces.templates import HOG_BOX
from fer_au.faces.warp import warp_crop
from fer_au.ibug68 import MEAN_FACE
from fer_au.stores import Store

PEOPLE = 24
PICTURES_EACH = 10

Face = tuple[NDArray[np.uint8], Matrix]


def rendered_faces(folder: Path) -> list[Face]:
    """Render pictures, each with the similarity from ``MEAN_FACE`` to its true points."""
    generate(DemoConfig(identities=PEOPLE, images=PICTURES_EACH, test_fraction=0.3), folder / "raw")
    ingest_dataset("demo", DemoAdapterConfig(adapter="demo", root=folder / "raw"), folder)
    store = Store.open(folder / "annotations.h5", "annotations")
    return [
        (decode_image((folder / "raw" / id_).read_bytes()), fit_similarity(MEAN_FACE, points))
        for id_, points in zip(store.ids, store["points"], strict=True)
    ]


def fit_mediapipe(faces: list[Face]) -> None:
    """Print where the average face has the network's eyes and mouth."""
    seen = [(found[0], truth) for image, truth in faces if len(found := mediapipe_face.face_keypoints(image))]
    places = np.array([apply_matrix(invert_matrix(truth), points) for points, truth in seen])
    mean = places.mean(0)
    print(f"\nmediapipe-face: {len(seen)} of {len(faces)} found; mean place and deviation of each keypoint")
    for name, place, deviation in zip(KEYPOINTS, mean, places.std(0), strict=True):
        print(f"  {name:<13} {place.round(3)} {deviation.round(3)}")
    x, y = (mean[1, 0] - mean[0, 0]) / 2, mean[:2, 1].mean()
    fitted = np.array([(-x, y), (x, y), (0, mean[3, 1])])
    print(f"MEAN_PLACES = {tuple(map(tuple, fitted.round(3).tolist()))}")
    print_overlap([map_box(fit_similarity(fitted, points[[0, 1, 3]]), HOG_BOX) for points, _ in seen], seen)


def fit_yunet(faces: list[Face]) -> None:
    """Print where the average face has the network's keypoints.

    Where a point is seen depends on where the face lies on the network's grids, so every picture is moved, scaled and
    turned at random.
    """
    rng = np.random.default_rng(0)
    moved = [_moved(face, rng) for face in faces]
    seen = [(found[0], truth) for image, truth in moved if len(found := yunet.face_keypoints(image))]
    places = np.array([apply_matrix(invert_matrix(truth), points) for points, truth in seen])
    print(f"\nyunet: {len(seen)} of {len(faces)} found; mean place and deviation of each keypoint")
    mean = places.mean(0).round(3)
    for name, place, deviation in zip(yunet_net.KEYPOINTS, mean, places.std(0), strict=True):
        print(f"  {name:<18} {place} {deviation.round(3)}")
    print(f"MEAN_PLACES = {tuple(map(tuple, mean.tolist()))}")
    print_overlap([map_box(fit_similarity(mean, points), HOG_BOX) for points, _ in seen], seen)


def _moved(face: Face, rng: np.random.Generator) -> Face:
    image, truth = face
    size = image.shape[0]
    scale, angle = rng.uniform(0.6, 1.5), np.deg2rad(rng.normal(0, 10))
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = apply_matrix(truth, (0.0, 0.4)) + rng.normal(0, 0.05 * size, 2)
    move = np.concatenate([linear, (size / 2 - linear @ middle)[:, None]], axis=1)
    return warp_crop(image, move, size), compose(move, truth)


def fit_mmod(faces: list[Face]) -> None:
    """Print how the network's boxes lie to the HOG detector's."""
    seen = [(found[0][0], truth) for image, truth in faces if (found := network_boxes(image, PASSES[0]))]
    truths = np.array([map_box(truth, HOG_BOX) for _, truth in seen])
    boxes = np.array([box for box, _ in seen])
    sizes, centres = boxes[:, 2:] - boxes[:, :2], (boxes[:, 2:] + boxes[:, :2]) / 2
    ratios = np.log((truths[:, 2:] - truths[:, :2]) / sizes)
    shifts = ((truths[:, 2:] + truths[:, :2]) / 2 - centres) / sizes
    scale, shift = float(np.exp(ratios.mean())), shifts.mean(0)
    print(f"\ndlib-mmod: {len(seen)} of {len(faces)} found by the first pass")
    print(f"BOX_SCALE = {scale:.3f}  (deviation {ratios.std():.3f})")
    print(f"BOX_SHIFT = ({shift[0]:.3f}, {shift[1]:.3f})  (deviation {shifts.std(0).round(3)})")
    moved = centres + shift * sizes
    print_overlap(list(np.concatenate([moved - scale * sizes / 2, moved + scale * sizes / 2], axis=1)), seen)


def print_overlap(boxes: list[NDArray[np.float64]], seen: list[tuple[NDArray[np.float64], Matrix]]) -> None:
    """Print the overlap of translated boxes with the true ones."""
    overlaps = [box_iou(box, map_box(truth, HOG_BOX)) for box, (_, truth) in zip(boxes, seen, strict=True)]
    mean, low = np.mean(overlaps), np.percentile(overlaps, 5)
    print(f"IoU with the true box: mean {mean:.3f}, 5th percentile {low:.3f}, worst {min(overlaps):.3f}")


def main() -> None:
    """Render, look, print."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        faces = rendered_faces(Path(folder))
    fit_mediapipe(faces)
    fit_yunet(faces)
    fit_mmod(faces)


if __name__ == "__main__":
    main()
