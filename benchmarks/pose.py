"""Measure head poses from 68 points on rendered heads: ``python -m benchmarks.pose`` from the repository's root.

A part of the heads has the demo's poses, the others are turned by up to 75 degrees. Pictures are aligned as the stage
``align`` does, points found by each extractor, and poses estimated of different sets of points. Errors are means of the
absolute difference from the true angle, in degrees. The truth is relative to the line from the camera to the face, as
the estimate is. The average head that is fitted is the mean of the population that the people come from: a friendly
test for the shape of heads, and a fair one for points, poses and expressions.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from benchmarks.landmarks.pairs import box_in_crop
from fer_au.demo.asset import load_asset
from fer_au.demo.camera import Pose
from fer_au.demo.expressions import RECIPES
from fer_au.demo.identity import sample_identities
from fer_au.demo.render import PersonModel, render
from fer_au.demo.scene import Scene, sample_scene
from fer_au.faces.alignment import Aligner
from fer_au.faces.crops import decode_crop_bytes, encode_crop
from fer_au.ibug68 import CHIN, LEFT_EYE_OUTER, LEFT_MOUTH_CORNER, MOUTH, NOSE_TIP, RIGHT_EYE_OUTER, RIGHT_MOUTH_CORNER
from fer_au.landmarks import create_extractor
from fer_au.landmarks.head_pose import RIGID, average_head, estimate_pose, euler_angles, fit_head, unwarp
from fer_au.machine import cpu_name
from fer_au.stores.schemas import FaceStatus

PICTURE, OF_DEMO = 256, 3  # of each person's pictures, so many have the demo's own poses
YAW, PITCH = 75.0, 30.0
RANGES = ((0, 15), (15, 30), (30, 45), (45, 90))
SIX = (NOSE_TIP, CHIN, RIGHT_EYE_OUTER, LEFT_EYE_OUTER, RIGHT_MOUTH_CORNER, LEFT_MOUTH_CORNER)

Points = NDArray[np.float64]
Estimate = Callable[[Points], tuple[NDArray[np.float64], float] | None]

METHODS: dict[str, Estimate] = {
    "as the stage does": estimate_pose,
    "six points": lambda points: fit_head(points, SIX),
    "all 68": lambda points: fit_head(points, tuple(range(68))),
    "17-47": lambda points: fit_head(points, RIGID),
    "17-47, refined": lambda points: fit_head(points, RIGID, refine=True),
    "17-67": lambda points: fit_head(points, RIGID + MOUTH),
    "17-47, from 0.4 m": lambda points: fit_head(points, RIGID, 400.0),
    "17-47, from 2.5 m": lambda points: fit_head(points, RIGID, 2500.0),
}


@dataclass(frozen=True)
class Heads:
    """N rendered heads.

    Attributes:
        angles: (N, 3) true yaw, pitch, roll in degrees, relative to the line from the camera to the face.
        demo: (N,) whether the pose is one of the demo's.
        points: Extractor, or ``truth`` -> (N, 68, 2) points in the pictures; NaN where there are none.
        lost: Pictures without a found face, which are left out.
        seconds: Processor time of each extractor per face.
    """

    angles: NDArray[np.float64]
    demo: NDArray[np.bool_]
    points: dict[str, Points]
    lost: int
    seconds: dict[str, float]


def seen_angles(pose: Pose, distance: float) -> NDArray[np.float64]:
    """Turn a pose of the renderer, which counts from the camera's axis, into the one that the picture shows.

    Args:
        pose: Pose of the head, which turns about its neck and so leaves the axis.
        distance: Distance from the camera to the head frame's origin, metres.
    """
    neck = np.array([0.0, -0.06, -0.085])  # as in ``demo.camera``
    rotation = pose.matrix()
    face = neck + rotation @ (average_head()[list(RIGID)].mean(axis=0) / 1000 - neck)
    towards = np.array([0.0, 0.0, distance]) - face
    towards /= np.linalg.norm(towards)
    axis = np.cross(towards, [0.0, 0.0, 1.0])
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return euler_angles((np.eye(3) + cross + cross @ cross / (1 + towards[2])) @ rotation)


def turned_scene(expression: str, number: int, rng: np.random.Generator) -> Scene:
    """Draw a scene: of the demo, or of a head that is turned further."""
    scene = sample_scene(expression, rng)
    if number < OF_DEMO:
        return scene
    return replace(scene, pose=Pose(rng.uniform(-YAW, YAW), rng.uniform(-PITCH, PITCH), scene.pose.roll))


def rendered_heads(people: int, pictures: int, extractors: Sequence[str]) -> Heads:
    """Render heads, and find their points."""
    names, aligner = tuple(RECIPES), Aligner(size=PICTURE)
    found = {name: create_extractor(name) for name in extractors}
    seconds = dict.fromkeys(extractors, 0.0)
    angles: list[NDArray[np.float64]] = []
    demo: list[bool] = []
    points: dict[str, list[Points]] = {name: [] for name in ("truth", *extractors)}
    for person, identity in enumerate(sample_identities(load_asset(), people, 0)):
        model = PersonModel.build(identity)
        for number in range(pictures):
            rng = np.random.default_rng([11, person, number])
            scene = turned_scene(names[(person * pictures + number) % len(names)], number, rng)
            drawn = render(model, scene, PICTURE, rng)
            face = aligner(drawn.picture)
            if face.status != FaceStatus.OK:
                continue
            crop, box = decode_crop_bytes(encode_crop(face.crop)), box_in_crop(aligner, face)
            angles.append(seen_angles(scene.pose, scene.camera.distance))
            demo.append(number < OF_DEMO)
            points["truth"].append(drawn.points.astype(np.float64))
            for name, extractor in found.items():
                start = time.process_time()
                own = extractor.extract(crop[None], box[None])[0]
                seconds[name] += time.process_time() - start
                points[name].append(unwarp(own, face.matrix[None])[0])
    count = len(angles)
    return Heads(
        np.array(angles),
        np.array(demo),
        {name: np.array(own) for name, own in points.items()},
        people * pictures - count,
        {name: spent / count for name, spent in seconds.items()},
    )


def estimate_all(estimate: Estimate, points: Points) -> NDArray[np.float64]:
    """Estimate the angles (N, 3) of N heads; NaN where there are none."""
    found = [estimate(own) for own in points]
    return np.array([np.full(3, np.nan) if one is None else one[0] for one in found])


def error_line(name: str, angles: NDArray[np.float64], heads: Heads) -> str:
    """Tabulate mean errors: on the demo's poses, and by true yaw."""
    errors, yaw = np.abs(angles - heads.angles), np.abs(heads.angles[:, 0])
    groups = [heads.demo, *((~heads.demo) & (yaw >= low) & (yaw < high) for low, high in RANGES)]
    cells = []
    for rows in groups:
        own = errors[rows & np.isfinite(angles[:, 0])]
        cells.append(" ".join(f"{value:5.1f}" for value in own.mean(axis=0)) if len(own) else "    -     -     -")
    return f"{name:30}" + "".join(f"{cell:>20}" for cell in cells) + f"{int(np.isnan(angles[:, 0]).sum()):8}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--pictures", type=int, default=10, help="of each person")
    parser.add_argument("--extractors", default="dlib68,mediapipe,faceapi68", help="comma-separated")
    args = parser.parse_args()
    heads = rendered_heads(args.people, args.pictures, args.extractors.split(","))
    print(f"{cpu_name()}; Python {platform.python_version()}, numpy {version('numpy')}, {version('opencv-python')}")
    print(f"{len(heads.angles)} rendered heads, {heads.lost} more without a found face; mean error of yaw, pitch, roll")
    titles = ["demo's poses", *(f"turned {low}-{high}" for low, high in RANGES)]
    print(f"{'':30}" + "".join(f"{title:>20}" for title in titles) + f"{'no pose':>8}")
    for name, points in heads.points.items():
        for method, estimate in METHODS.items():
            print(error_line(f"{name}, {method}", estimate_all(estimate, points), heads))
    rng, truth = np.random.default_rng(0), heads.points["truth"]
    for noise in (0.02, 0.05, 0.1):
        eyes = np.linalg.norm(truth[:, LEFT_EYE_OUTER] - truth[:, RIGHT_EYE_OUTER], axis=1)
        moved = truth + rng.normal(0, noise, truth.shape) * eyes[:, None, None]
        print(error_line(f"truth, moved by {noise:g}", estimate_all(estimate_pose, moved), heads))
    spent = {}
    for method in ("as the stage does", "17-47", "17-47, refined"):
        start = time.process_time()
        estimate_all(METHODS[method], truth)
        spent[method] = (time.process_time() - start) / len(truth)
    print("\nmicroseconds of processor time per face: " + ", ".join(f"{n} {t * 1e6:.0f}" for n, t in spent.items()))
    own = spent["as the stage does"]
    print("share of an extraction's time: " + ", ".join(f"{n} {own / t:.3f}" for n, t in heads.seconds.items()))


if __name__ == "__main__":
    main()
