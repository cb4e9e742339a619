"""Light on the head: three numbers per vertex, colours per picture.

Ambient light reaches a vertex by its baked occlusion and by how far it looks up; the key light is a wrapped cosine,
which imitates light scattered below the skin; the sheen is a Blinn-Phong lobe. No shadow is cast.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fer_au.demo.asset import Floats


@dataclass(frozen=True)
class Light:
    """One lighting of a scene; colours are linear RGB factors.

    Attributes:
        direction: Unit vector towards the key light, camera axes.
        key: Colour and strength of the key light.
        ambient: Colour and strength of the ambient light.
        wrap: Share of the far side that the key light still reaches, 0..1.
        sheen: Strength of the sheen.
        exposure: Factor on all light.
    """

    direction: tuple[float, float, float]
    key: tuple[float, float, float]
    ambient: tuple[float, float, float]
    wrap: float
    sheen: float
    exposure: float

    def exposed_for(self, darkness: float) -> Light:
        """Expose the light for a camera that opens up somewhat for darker skin (0 lightest, 1 darkest)."""
        return replace(self, exposure=self.exposure * (0.9 + 0.7 * darkness), sheen=self.sheen * (1 - 0.65 * darkness))


def sample_light(rng: np.random.Generator) -> Light:
    """Draw a random light: mostly soft front and side light from above, of changing warmth."""
    azimuth = np.radians(np.clip(rng.normal(0, 32), -75, 75))
    height = np.radians(rng.uniform(-5, 55))
    direction = (
        float(np.sin(azimuth) * np.cos(height)),
        float(np.sin(height)),
        float(np.cos(azimuth) * np.cos(height)),
    )
    warmth = rng.normal(0.015, 0.045)
    share = rng.uniform(0.45, 0.8)
    key = share * 1.15
    ambient = (1 - share) * 1.25
    return Light(
        direction=direction,
        key=(key * (1 + warmth), key, key * (1 - warmth)),
        ambient=(ambient * (1 - 0.5 * warmth), ambient, ambient * (1 + 0.5 * warmth)),
        wrap=float(rng.uniform(0.15, 0.4)),
        sheen=float(rng.uniform(0.01, 0.08)),
        exposure=float(rng.uniform(0.62, 0.95)),
    )


def light_vertices(normals: Floats, points: Floats, openness: Floats, light: Light) -> Floats:
    """Compute the amounts of ambient light, key light and sheen of each vertex.

    Args:
        normals: Unit normals (N,3), camera axes.
        points: Vertices (N,3), camera space.
        openness: Share (N,) of the surroundings that each vertex sees, 0..1.
        light: Light of the scene.

    Returns:
        Amounts (N,3) in [0, 1].
    """
    x, y, z = light.direction
    cosine = normals[:, 0] * x + normals[:, 1] * y + normals[:, 2] * z
    key = np.clip((cosine + light.wrap) / (1 + light.wrap), 0, 1) ** 1.2
    view = -points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
    half = view + np.asarray(light.direction, np.float32)
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    sheen = np.clip(np.einsum("ij,ij->i", normals, half), 0, 1) ** 24
    ambient = openness * (0.75 + 0.25 * normals[:, 1])
    return np.stack([ambient, key * np.clip(0.15 + 1.3 * openness, 0, 1), sheen * openness], axis=1).astype(np.float32)
