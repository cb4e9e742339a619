"""Faces of known motion: the demo's people showing one action unit at a time, or whole expressions.

Even people are those that geometry ``corrected`` was fitted on; odd ones are held back, and scores are theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fer_au.demo.action_units import AU_NAMES
from fer_au.demo.asset import load_asset
from fer_au.demo.expressions import RECIPES, Activation
from fer_au.demo.identity import sample_identities
from fer_au.demo.render import PersonModel, render, trace
from fer_au.demo.scene import Scene, sample_scene
from fer_au.evaluation.truth import motion_in_crop
from fer_au.expressions import NEUTRAL
from fer_au.faces.geometry import apply_matrix, fit_similarity
from fer_au.faces.templates import five_points, get_template
from fer_au.faces.warp import warp_crop

PICTURE, CROP, MAP = 256, 224, 28
EXPRESSIONS = tuple(name for name in RECIPES if name != NEUTRAL)
UNITS = tuple(int(name.removeprefix("AU")) for name in AU_NAMES)


@dataclass(frozen=True)
class MovedFaces:
    """N faces in the aligned crop, with the true motion of their skin.

    Attributes:
        names: N expressions, or action units such as ``AU12``.
        people: (N,) number of the person.
        points: (N, 68, 2) true points, xy in pixels of the 224 px crop.
        motion: (N, 28, 28) share of the largest motion, in [0, 1].
        crops: (N, 224, 224, 3) uint8 RGB; none where pictures were not asked for.
    """

    names: NDArray[np.str_]
    people: NDArray[np.int64]
    points: NDArray[np.float32]
    motion: NDArray[np.float64]
    crops: NDArray[np.uint8]

    @property
    def held_back(self) -> NDArray[np.bool_]:
        """Faces of people that nothing was fitted on, (N,)."""
        return np.asarray(self.people % 2 == 1)


def single_unit_scene(unit: int, rng: np.random.Generator, intensity: float) -> Scene:
    """Draw a scene whose face shows one action unit on both sides, and nothing else."""
    shown = {f"AU{unit}": intensity}
    return replace(sample_scene(NEUTRAL, rng), activation=Activation(shown, shown))


def faces_of_single_units(people: Sequence[int], *, template: str = "loose") -> MovedFaces:
    """Show every action unit of the demo on every person, with an intensity of .5 to 1."""

    def scene(name: str, rng: np.random.Generator) -> Scene:
        return single_unit_scene(int(name.removeprefix("AU")), rng, rng.uniform(0.5, 1.0))

    return _moved_faces(people, AU_NAMES, scene, template=template, seed=1, pictures=False)


def faces_of_expressions(people: Sequence[int], *, template: str = "loose", pictures: bool = False) -> MovedFaces:
    """Show every expression with a codebook entry on every person, drawn as the demo draws it."""
    return _moved_faces(people, EXPRESSIONS, sample_scene, template=template, seed=2, pictures=pictures)


def _moved_faces(
    people: Sequence[int],
    names: Sequence[str],
    scene_of: Callable[[str, np.random.Generator], Scene],
    *,
    template: str,
    seed: int,
    pictures: bool,
) -> MovedFaces:
    identities = sample_identities(load_asset(), max(people) + 1, 0)
    points, motion, matrices, crops = [], [], [], []
    for person in people:
        model = PersonModel.build(identities[person])
        for number, name in enumerate(names):
            rng = np.random.default_rng([seed, person, number])
            scene = scene_of(name, rng)
            truth = trace(model, scene, PICTURE)
            matrix = fit_similarity(five_points(truth.points), get_template(template).five(CROP))
            points.append(apply_matrix(matrix, truth.points))
            motion.append(truth.motion / 255)
            matrices.append(matrix)
            if pictures:
                crops.append(warp_crop(render(model, scene, PICTURE, rng).picture, matrix, CROP))
    sizes = np.full((len(motion), 2), float(PICTURE))
    return MovedFaces(
        names=np.array([name for _ in people for name in names]),
        people=np.repeat(np.array(people), len(names)),
        points=np.array(points, np.float32),
        motion=motion_in_crop(np.array(motion), sizes, np.array(matrices), CROP, (MAP, MAP)),
        crops=np.array(crops, np.uint8).reshape(-1, CROP, CROP, 3),
    )
