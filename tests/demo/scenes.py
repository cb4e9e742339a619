"""Scenes of known settings."""

from __future__ import annotations

from fer_au.demo.camera import Camera, Pose
from fer_au.demo.degradation import Degradation
from fer_au.demo.expressions import Activation
from fer_au.demo.lighting import Light
from fer_au.demo.scene import Scene


def plain_scene(**units: float) -> Scene:
    """A frontal, evenly lit scene with symmetric AU intensities."""
    return Scene(
        expression="neutral",
        activation=Activation(dict(units), dict(units)),
        blink=0.0,
        gaze=(0.0, 0.0),
        pose=Pose(),
        camera=Camera(distance=1.0, focal=4.0, offset=(0.0, -0.1)),
        light=Light((0.0, 0.5, 0.866), (0.6, 0.6, 0.6), (0.5, 0.5, 0.5), 0.3, 0.03, 0.9),
        degradation=Degradation(0.0, 0.0, 1.0, (1.0, 1.0, 1.0), False, 90),
    )
