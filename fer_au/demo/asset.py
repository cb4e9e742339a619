"""The bundled head: a mesh with face units, a population of identities, and masks (see HEAD_ASSET.md).

Head frame: x to the person's left (right in a frontal picture), y up, z out of the face; metres; origin between the
eyeballs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

ASSET = Path(__file__).with_name("head.npz")


@dataclass(frozen=True)
class FaceUnit:
    """One ARKit face unit as a sparse displacement.

    Attributes:
        index: Vertices that the unit moves.
        offset: Displacement of these vertices at full activation, (len(index), 3) metres.
    """

    index: Ints
    offset: Floats


@dataclass(frozen=True)
class HeadAsset:
    """The head mesh and everything that deforms it.

    Attributes:
        mean: (V,3) vertices of the population's mean, neutral.
        triangles: (T,3) vertex indices.
        part: (V,) index into ``part_names``.
        part_names: ``skin eye_left eye_right teeth_upper teeth_lower tongue lashes``.
        mirror: (V,) the vertex at the mirrored place of the symmetric template.
        units: Face units by ARKit name.
        components: (K,V,3) identity components, metres per unit of ``population``.
        population: (P,K) coefficients of the identities.
        phenotypes: (P,6) sex (0 male, 1 female), age (.45 teenager, .67 young adult, 1 old), weight, and the shares of
            African, Asian and European ancestry.
        occlusion: (V,) share of the front half-space that sees the vertex, 0..1.
        masks: ``lips``, ``eyelids``, ``inside_mouth``, ``ears``: (V,) 0..1.
    """

    mean: Floats
    triangles: Ints
    part: NDArray[np.uint8]
    part_names: tuple[str, ...]
    mirror: Ints
    units: dict[str, FaceUnit]
    components: Floats
    population: Floats
    phenotypes: Floats
    occlusion: Floats
    masks: dict[str, Floats]

    def is_part(self, *names: str) -> NDArray[np.bool_]:
        """Find the vertices that belong to any of the named parts, (V,) bool."""
        return np.isin(self.part, [self.part_names.index(name) for name in names])

    def identity_shape(self, person: int) -> Floats:
        """Compute the neutral vertices (V,3) of one identity of the population."""
        # Summed in a fixed order: a threaded matrix product could differ in the last bit with the number of threads.
        shape = self.mean.astype(np.float64)
        for weight, component in zip(self.population[person].tolist(), self.components, strict=True):
            shape += weight * component
        return shape.astype(np.float32)


@lru_cache(maxsize=1)
def load_asset() -> HeadAsset:
    """Read the bundled file (once per process)."""
    with np.load(ASSET, allow_pickle=False) as data:
        dense = data["units"].astype(np.float32) * data["unit_scale"][:, None, None]
        units = {}
        for name, offsets in zip(data["unit_names"].tolist(), dense, strict=True):
            index = np.flatnonzero(np.abs(offsets).max(axis=1) > 1e-6).astype(np.int32)
            units[name] = FaceUnit(index, offsets[index])
        return HeadAsset(
            mean=data["mean"],
            triangles=data["triangles"].astype(np.int32),
            part=data["part"],
            part_names=tuple(data["part_names"].tolist()),
            mirror=data["mirror"].astype(np.int32),
            units=units,
            components=data["components"].astype(np.float32) * data["component_scale"][:, None, None],
            population=data["population"],
            phenotypes=data["phenotypes"],
            occlusion=data["occlusion"].astype(np.float32) / 255,
            masks={
                name: data[f"mask_{name}"].astype(np.float32) / 255
                for name in ("lips", "eyelids", "inside_mouth", "ears")
            },
        )
