"""Scene of one picture: all random settings, from the picture's own seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_au.demo.camera import Camera, Pose
from fer_au.demo.degradation import Degradation, sample_degradation
from fer_au.demo.expressions import Activation, sample_activation
from fer_au.demo.lighting import Light, sample_light

MAX_YAW, MAX_PITCH, MAX_ROLL = 25.0, 12.0, 12.0
# Metres from brows to chin on the mean head: what a face detector's box is about as high as.
FACE_HEIGHT = 0.135


@dataclass(frozen=True)
class Scene:
    """Settings of one picture, without the person.

    Attributes:
        expression: Canonical label.
        activation: AU intensities.
        blink: Closure of the lids at rest, negative for wide eyes; no part of the expression.
        gaze: Eye direction, degrees to the right of the picture and up.
        pose: Pose of the head.
        camera: Camera.
        light: Light.
        degradation: Faults of the picture.
    """

    expression: str
    activation: Activation
    blink: float
    gaze: tuple[float, float]
    pose: Pose
    camera: Camera
    light: Light
    degradation: Degradation


def _bounded(rng: np.random.Generator, deviation: float, limit: float) -> float:
    return float(np.clip(rng.normal(0, deviation), -limit, limit))


def sample_scene(expression: str, rng: np.random.Generator) -> Scene:
    """Draw the scene of one picture."""
    activation = sample_activation(expression, rng)
    pose = Pose(_bounded(rng, 11, MAX_YAW), _bounded(rng, 5, MAX_PITCH), _bounded(rng, 4.5, MAX_ROLL))
    distance = float(rng.uniform(0.7, 1.6))
    share = rng.uniform(0.47, 0.60)  # of the picture's height
    camera = Camera(
        distance=distance,
        focal=float(share * distance / FACE_HEIGHT),
        # The head frame's origin is between the eyes; the face's middle is a third of its height below.
        offset=(_bounded(rng, 0.025, 0.06), float(-0.20 * share + np.clip(rng.normal(0, 0.02), -0.05, 0.05))),
    )
    return Scene(
        expression=expression,
        activation=activation,
        blink=float(rng.uniform(-0.12, 0.10)),
        gaze=(_bounded(rng, 7, 18), _bounded(rng, 4, 10)),
        pose=pose,
        camera=camera,
        light=sample_light(rng),
        degradation=sample_degradation(rng),
    )
