"""Fit the 68 iBUG points to MediaPipe's 468: write ``fer_au/landmarks/mediapipe68.csv``.

Renders people with all expressions, runs the mesh network on each picture, and finds for each iBUG point the convex
combination of a few mesh points that stays nearest to the true point over all pictures. Convex and near, so that the
map can't lean on a correlation that rendered faces have and photographs don't; left and right are fitted together, so
that it is exactly symmetric. People of the demo set take no part, and a quarter of the others is held out for the
figures that are printed.

    python tools/fit_mediapipe_map.py fer_au/landmarks/mediapipe68.csv
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment, nnls

from fer_au.config.data import DemoConfig
from fer_au.demo.asset import load_asset
from fer_au.demo.expressions import RECIPES
from fer_au.demo.identity import sample_identities
from fer_au.demo.render import PersonModel, render
from fer_au.demo.scene import sample_scene
from fer_au.ibug68 import BROWS, EYES, JAW, MIRROR, MOUTH, N_POINTS, NOSE, inter_ocular_distance
from fer_au.landmarks.mediapipe_mesh import EYE_CORNERS, N_MESH, find_mesh, region_of_mesh, square_region

Array = NDArray[np.float64]
SIZE = 256
LOOKS = 3  # from a region made of the true points to the one that MediaPipe settles on
NEAREST = 30  # mesh points that a point may lie between
KEPT = 4  # of them, those with the largest weights
HELD_OUT = 4  # every fourth person
SUM_WEIGHT = 100.0  # makes the weights' sum 1 as good as exact in the least squares; they are normalised after


@dataclass(frozen=True)
class Sample:
    """Points of pictures in the eye frame: the mesh's outer eye corners are at (-0.5, 0) and (0.5, 0).

    Attributes:
        mesh: Mesh points (F, 468, 2) xy.
        truth: True points (F, 68, 2) xy.
        unit: Inter-ocular distance (F,) of the true points in that frame.
        person: Number (F,) of each picture's person.
    """

    mesh: Array
    truth: Array
    unit: Array
    person: NDArray[np.int64]

    def chosen(self, rows: NDArray[np.bool_]) -> Sample:
        """Select some of the pictures."""
        return Sample(self.mesh[rows], self.truth[rows], self.unit[rows], self.person[rows])

    def with_mirrored(self, mirror: NDArray[np.int64]) -> Sample:
        """Add the pictures' mirror images."""
        flip = np.array([-1.0, 1.0])
        return Sample(
            np.concatenate([self.mesh, self.mesh[:, mirror] * flip]),
            np.concatenate([self.truth, self.truth[:, MIRROR] * flip]),
            np.concatenate([self.unit, self.unit]),
            np.concatenate([self.person, self.person]),
        )


def observe(people: int, seed: int) -> Sample:
    """Render people who are not in the default demo set, and find their meshes."""
    asset, default = load_asset(), DemoConfig()
    known = {identity.person for identity in sample_identities(asset, default.identities, default.seed)}
    others = [person for person in sample_identities(asset, 120, seed) if person.person not in known][:people]
    meshes, truths, persons = [], [], []
    for number, identity in enumerate(others):
        model = PersonModel.build(identity)
        for column, expression in enumerate(RECIPES):
            rng = np.random.default_rng([seed, number, column])
            result = render(model, sample_scene(expression, rng), SIZE, rng)
            truth = result.points.astype(np.float64)
            low, high = truth.min(0), truth.max(0)
            region = square_region((low + high) / 2, 2 * float((high - low).max()))
            for _ in range(LOOKS):
                mesh = find_mesh(result.picture, region).points
                region = region_of_mesh(mesh)
            meshes.append(mesh)
            truths.append(truth)
            persons.append(number)
    mesh, truth = np.array(meshes), np.array(truths)
    truth = to_eye_frame(truth, mesh)
    return Sample(
        to_eye_frame(mesh, mesh), truth, np.asarray(inter_ocular_distance(truth), np.float64), np.array(persons)
    )


def to_eye_frame(points: Array, mesh: Array) -> Array:
    """Map points (F, K, 2) to the frame of the meshes' (F, 468, 2) outer eye corners."""
    right, left = mesh[:, EYE_CORNERS[0]], mesh[:, EYE_CORNERS[1]]
    across = left - right
    down = np.stack([-across[:, 1], across[:, 0]], axis=1)
    axes = np.stack([across, down], axis=1) / (across**2).sum(-1)[:, None, None]
    moved: Array = np.einsum("fac,fkc->fka", axes, points - ((right + left) / 2)[:, None])
    return moved


def mesh_mirror(mesh: Array) -> NDArray[np.int64]:
    """Find the mirror partner (468,) of each mesh point, from the average mesh in the eye frame.

    Raises:
        ValueError: The pairing is not mutual.
    """
    mean = mesh.mean(0)
    distance = np.linalg.norm(mean[:, None] - mean[None] * [-1, 1], axis=-1)
    _, partner = linear_sum_assignment(distance)
    if (partner[partner] != np.arange(N_MESH)).any():
        raise ValueError("the mesh's points don't pair up")
    return partner.astype(np.int64)


def fit_point(sample: Sample, point: int) -> dict[int, float]:
    """Fit the convex combination of mesh points for an iBUG point: mesh point -> weight."""
    distance = np.linalg.norm(sample.mesh.mean(0) - sample.truth.mean(0)[point], axis=-1)
    near = np.argsort(distance, kind="stable")[:NEAREST]
    weights = _convex(sample, point, near)
    kept = near[np.argsort(-weights, kind="stable")[:KEPT]]
    return {int(m): float(w) for m, w in zip(kept, _convex(sample, point, kept), strict=True) if w > 1e-3}


def _convex(sample: Sample, point: int, mesh_points: NDArray[np.int64]) -> Array:
    """Find the weights >= 0 of sum 1 that bring the mesh points nearest to the true point."""
    offset = (sample.mesh[:, mesh_points] - sample.truth[:, point, None]).transpose(0, 2, 1)
    rows = offset.reshape(-1, len(mesh_points)) / np.sqrt(len(offset))
    system = np.concatenate([rows, np.full((1, len(mesh_points)), SUM_WEIGHT)])
    weights, _ = nnls(system, np.concatenate([np.zeros(len(rows)), [SUM_WEIGHT]]))
    return np.asarray(weights / weights.sum(), np.float64)


def fit(sample: Sample, mirror: NDArray[np.int64]) -> dict[int, list[tuple[int, float]]]:
    """Fit mesh points and weights of each iBUG point; those of a pair of points stand in the same order."""
    table: dict[int, list[tuple[int, float]]] = {}
    for point in range(N_POINTS):
        partner = int(MIRROR[point])
        if partner < point:
            table[point] = [(int(mirror[m]), w) for m, w in table[partner]]
            continue
        weights = fit_point(sample, point)
        if partner == point:
            weights = _symmetric(weights, mirror)
        total = sum(weights.values())
        # Six decimals are exact enough; the reader divides by their sum.
        rounded = [(m, round(w / total, 6)) for m, w in sorted(weights.items(), key=lambda item: (-item[1], item[0]))]
        table[point] = rounded
    return table


def _symmetric(weights: Mapping[int, float], mirror: NDArray[np.int64]) -> dict[int, float]:
    """Average a combination and its mirror image."""
    both: dict[int, float] = {}
    for m, w in weights.items():
        for end in (m, int(mirror[m])):
            both[end] = both.get(end, 0.0) + w / 2
    return both


def errors(table: Mapping[int, list[tuple[int, float]]], sample: Sample) -> Array:
    """Compute the distances (F, 68) from the truth, in inter-ocular distances."""
    found = np.stack(
        [sum((w * sample.mesh[:, m] for m, w in row), np.zeros((len(sample.mesh), 2))) for row in table.values()], 1
    )
    distance: Array = np.linalg.norm(found - sample.truth, axis=-1) / sample.unit[:, None]
    return distance


def main(output: Path, people: int, seed: int) -> None:
    """Fit, write the table, print the errors of people who were not in the fit."""
    sample = observe(people, seed)
    mirror = mesh_mirror(sample.mesh)
    held = sample.person % HELD_OUT == 0
    table = fit(sample.chosen(~held).with_mirrored(mirror), mirror)
    with output.open("w", encoding="ascii", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["point", "mesh_point", "weight"])
        writer.writerows((point, m, f"{w:.6f}") for point, row in table.items() for m, w in row)
    for name, rows in (("fitted", ~held), ("held out", held)):
        error = errors(table, sample.chosen(rows))
        parts = {"jaw": JAW, "brows": BROWS, "nose": NOSE, "eyes": EYES, "mouth": MOUTH, "all": range(N_POINTS)}
        text = ", ".join(f"{part} {error[:, list(points)].mean():.4f}" for part, points in parts.items())
        print(f"{name}: {len(error)} pictures of {len(set(sample.person[rows].tolist()))} people: {text}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output", type=Path, help="where to write mediapipe68.csv")
    parser.add_argument("--people", type=int, default=64)
    parser.add_argument("--seed", type=int, default=101)
    arguments = parser.parse_args()
    main(arguments.output, arguments.people, arguments.seed)
