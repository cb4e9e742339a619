"""Fit the 68 iBUG points to the demo's head mesh: write ``fer_au/demo/landmarks68.csv``.

Renders people with all expressions, lets dlib find its 68 points, and picks for each point the place on the skin whose
projection stays nearest to dlib's over all pictures, left and right together. Lid and lip points may only lie on lids
and lips, so that a systematic error of dlib can't pull them off.

    python tools/fit_demo_landmarks.py shape_predictor_68_face_landmarks.dat fer_au/demo/landmarks68.csv
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import dlib
import numpy as np
from numpy.typing import NDArray

from fer_au.demo.asset import HeadAsset, load_asset
from fer_au.demo.camera import Pose
from fer_au.demo.degradation import Degradation
from fer_au.demo.expressions import RECIPES
from fer_au.demo.identity import sample_identities
from fer_au.demo.render import PersonModel, render
from fer_au.demo.scene import sample_scene
from fer_au.ibug68 import MIRROR

Array = NDArray[np.float64]
CLEAN = Degradation(blur=0.0, noise=1.0, contrast=1.0, cast=(1.0, 1.0, 1.0), grey=False, quality=95)
SIZE = 384
STEPS = 6  # grid inside a triangle


def observe(people: int, predictor: str) -> tuple[Array, Array]:
    """Render faces and find dlib's points: vertices (F,V,2) and points (F,68,2) in inter-ocular distances."""
    detector, shape = dlib.get_frontal_face_detector(), dlib.shape_predictor(predictor)
    asset = load_asset()
    vertices, points = [], []
    for number, identity in enumerate(sample_identities(asset, people, seed=1)):
        model = PersonModel.build(identity)
        for column, expression in enumerate(RECIPES):
            rng = np.random.default_rng([7, number, column])
            scene = sample_scene(expression, rng)
            pose = Pose(0.35 * scene.pose.yaw, 0.4 * scene.pose.pitch, 0.5 * scene.pose.roll)
            scene = replace(scene, pose=pose, degradation=CLEAN, blink=0.05)
            picture = render(model, scene, SIZE, rng).picture
            boxes = detector(picture, 0)
            if len(boxes) != 1:
                continue
            found = shape(picture, boxes[0])
            marks = np.array([(found.part(k).x + 0.5, found.part(k).y + 0.5) for k in range(68)])
            head = scene.camera.project(model.posed(model.vertices(scene), scene), SIZE)
            middle, distance = (marks[36] + marks[45]) / 2, np.linalg.norm(marks[45] - marks[36])
            vertices.append((head - middle) / distance)
            points.append((marks - middle) / distance)
    print(f"{len(points)} of {people * len(RECIPES)} pictures used")
    return np.array(vertices), np.array(points)


def candidates(asset: HeadAsset, point: int) -> NDArray[np.bool_]:
    """List the vertices where an iBUG point may lie."""
    x, y, z = asset.mean.T
    front = asset.is_part("skin") & (asset.occlusion > 0.10) & (asset.masks["inside_mouth"] < 0.5)
    if point <= 16:
        return np.asarray(front & (y < 0.02) & (y > -0.14) & (z > -0.09) & (asset.masks["ears"] < 0.2))
    if point <= 26:
        return np.asarray(front & (y > 0.008) & (y < 0.035))
    if point <= 35:
        return np.asarray(front & (y > -0.055) & (y < 0.012) & (np.abs(x) < 0.03))
    if point <= 47:
        return np.asarray(
            asset.is_part("skin") & (np.abs(y) < 0.014) & (np.abs(x) > 0.012) & (np.abs(x) < 0.052) & (z > 0.004)
        )
    lips = asset.is_part("skin") & (y > -0.095) & (y < -0.055) & (np.abs(x) < 0.034) & (z > 0.008)
    if point <= 59:
        return np.asarray(lips & (asset.masks["lips"] > 0.02) & (asset.masks["inside_mouth"] < 0.3))
    return np.asarray(lips & (asset.masks["lips"] > 0.3))


def fit_point(
    asset: HeadAsset, point: int, vertices: Array, marks: Array
) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    """Find the best place for a point and its mirror image together: vertices (3,), weights (3,), mean error."""
    partner = int(MIRROR[point])
    allowed = np.flatnonzero(candidates(asset, point))
    if point == partner:
        allowed = allowed[np.abs(asset.mean[allowed, 0]) < 0.0015]
    own = np.linalg.norm(vertices[:, allowed] - marks[:, point, None], axis=2).mean(axis=0)
    other = np.linalg.norm(vertices[:, asset.mirror[allowed]] - marks[:, partner, None], axis=2).mean(axis=0)
    nearest = int(allowed[np.argmin(own + other)])
    best = (np.repeat(nearest, 3), np.array([1.0, 0.0, 0.0]), float((own + other).min() / 2))
    if point == partner:
        return best
    for triangle in asset.triangles[(asset.triangles == nearest).any(axis=1)]:
        for i in range(STEPS + 1):
            for j in range(STEPS + 1 - i):
                weights = np.array([i, j, STEPS - i - j]) / STEPS
                here = np.einsum("fkc,k->fc", vertices[:, triangle], weights) - marks[:, point]
                there = np.einsum("fkc,k->fc", vertices[:, asset.mirror[triangle]], weights) - marks[:, partner]
                error = float(np.linalg.norm(here, axis=1).mean() + np.linalg.norm(there, axis=1).mean()) / 2
                if error < best[2]:
                    best = (triangle.astype(np.int64), weights, error)
    return best


def main(predictor: str, output: Path, people: int) -> None:
    """Fit and write the table."""
    asset = load_asset()
    vertices, marks = observe(people, predictor)
    rows: dict[int, tuple[NDArray[np.int64], NDArray[np.float64], float]] = {}
    for point in range(68):
        partner = int(MIRROR[point])
        if partner in rows and partner != point:
            triangle, weights, error = rows[partner]
            rows[point] = (asset.mirror[triangle].astype(np.int64), weights, error)
        else:
            rows[point] = fit_point(asset, point, vertices, marks)
    with output.open("w", encoding="ascii", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["point", *(f"vertex_{k}" for k in "abc"), *(f"weight_{k}" for k in "abc")])
        for point in range(68):
            triangle, weights, _ = rows[point]
            writer.writerow([point, *triangle.tolist(), *(f"{weight:.6f}" for weight in weights)])
    errors = np.array([rows[point][2] for point in range(68)])
    for name, part in (
        ("jaw", slice(0, 17)),
        ("brows", slice(17, 27)),
        ("nose", slice(27, 36)),
        ("eyes", slice(36, 48)),
        ("mouth", slice(48, 68)),
    ):
        print(f"{name}: mean distance to dlib {errors[part].mean():.3f} of the inter-ocular distance")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("predictor", help="dlib's shape_predictor_68_face_landmarks.dat")
    parser.add_argument("output", type=Path, help="where to write landmarks68.csv")
    parser.add_argument("--people", type=int, default=40)
    arguments = parser.parse_args()
    main(arguments.predictor, arguments.output, arguments.people)
