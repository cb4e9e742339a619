"""Render a picture of a person in a scene, with its exact truth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.demo.action_units import add_unit, displace
from fer_au.demo.asset import Floats, HeadAsset, Ints, load_asset
from fer_au.demo.background import sample_background
from fer_au.demo.camera import Camera, apply_pose
from fer_au.demo.chart import ATLAS, EYE_SLOT, load_chart, texel_maps
from fer_au.demo.degradation import degrade
from fer_au.demo.hair import Overlay, build_overlay
from fer_au.demo.identity import Identity
from fer_au.demo.landmarks68 import landmark_points, load_landmarks
from fer_au.demo.lighting import Light, light_vertices
from fer_au.demo.raster import Surface, draw, empty_depth
from fer_au.demo.scene import Scene
from fer_au.demo.skin import paint_atlas
from fer_au.demo.wrinkles import crease_shade, crease_weights

MOTION_SIZE = 64
# Pictures are drawn this much larger and averaged down: edges and brow hairs would flicker otherwise.
_SUPERSAMPLING = 1.5
# Distance of the corneal reflection from the eye's centre, and its radius; metres.
_CORNEA, _GLINT = 0.0105, 0.0010
# Motions below this (metres) are no motion.
_STILL = 2e-4


@dataclass(frozen=True)
class Truth:
    """What is known of a picture without looking at it.

    Attributes:
        points: (68,2) float32 xy of the iBUG points, whether visible or not.
        motion: (64,64) uint8: motion by the expression of the skin that each pixel shows; 255 is the largest.
    """

    points: Floats
    motion: NDArray[np.uint8]


@dataclass(frozen=True)
class Rendering(Truth):
    """A picture and its truth.

    Attributes:
        picture: (S,S,3) uint8 RGB, before JPEG.
    """

    picture: NDArray[np.uint8]


@dataclass(frozen=True)
class PersonModel:
    """Data that all pictures of a person share, made once."""

    identity: Identity
    asset: HeadAsset
    shape: Floats
    atlas: NDArray[np.uint8]
    surface: Surface
    solid: NDArray[np.bool_]
    overlay: Overlay
    openness: Floats
    overlay_openness: Floats

    @classmethod
    def build(cls, identity: Identity) -> PersonModel:
        """Paint and shape a person (about 0.4 s)."""
        asset, chart = load_asset(), load_chart()
        shape = asset.identity_shape(identity.person)
        overlay = build_overlay(asset, shape, identity, chart)
        openness = _openness(asset)
        riding = np.where(overlay.base >= 0, openness[overlay.base], 0.5)
        return cls(
            identity=identity,
            asset=asset,
            shape=shape,
            atlas=paint_atlas(identity, chart),
            surface=Surface.of(asset.triangles, len(asset.mean)),
            solid=~asset.is_part("lashes")[asset.triangles[:, 0]],  # lashes belong to the overlay
            overlay=overlay,
            openness=openness,
            overlay_openness=riding.astype(np.float32),
        )

    def vertices(self, scene: Scene, *, expressive: bool = True) -> Floats:
        """Compute unposed vertices (V,3) with the scene's gaze and lids, and its expression if ``expressive``."""
        points = self.shape.copy()
        _look(points, self.asset, scene)
        if expressive:
            points += displace(self.asset, scene.activation.left, scene.activation.right)
        return points

    def posed(self, points: Floats, scene: Scene) -> Floats:
        """Pose vertices (V,3) and map them to camera space."""
        return scene.camera.place(apply_pose(points, self.asset.mean, scene.pose))


def _openness(asset: HeadAsset) -> Floats:
    """Turn baked occlusion into openness; eyes and teeth, baked behind closed lids and lips, get their own."""
    openness = np.clip(asset.occlusion * 1.25, 0.04, 1).astype(np.float32)
    openness[asset.is_part("eye_left", "eye_right")] = 0.5
    depth = asset.mean[:, 2]
    openness[asset.is_part("teeth_upper", "teeth_lower")] = 0.72
    openness[asset.is_part("tongue")] = 0.22
    cavity = asset.masks["inside_mouth"] * np.clip((0.024 - depth) / 0.012, 0, 1)
    return np.asarray(openness * (1 - 0.97 * cavity), np.float32)


def _look(points: Floats, asset: HeadAsset, scene: Scene) -> None:
    """Turn the eyes and lower the lids, in place; ARKit's look units reach 1 at about 30 degrees."""
    right, up = scene.gaze[0] / 30, scene.gaze[1] / 30
    add_unit(points, asset, "eyeLookOutLeft" if right > 0 else "eyeLookInLeft", abs(right))
    add_unit(points, asset, "eyeLookInRight" if right > 0 else "eyeLookOutRight", abs(right))
    for side in ("Left", "Right"):
        add_unit(points, asset, f"eyeLook{'Up' if up > 0 else 'Down'}{side}", abs(up))
        add_unit(points, asset, f"eyeBlink{side}", scene.blink)


def render(model: PersonModel, scene: Scene, size: int, rng: np.random.Generator) -> Rendering:
    """Draw one picture.

    Args:
        model: Person to draw.
        scene: Scene of the picture.
        size: Side of the picture, pixels.
        rng: Random generator for background and noise.
    """
    posed, truth = _trace(model, scene, size)
    behind = sample_background(rng, round(size * _SUPERSAMPLING))
    picture = cv2.resize(_draw_picture(model, scene, posed, behind), (size, size), interpolation=cv2.INTER_AREA)
    shown = degrade(np.asarray(picture, np.float32), scene.degradation, rng)
    return Rendering(picture=shown, points=truth.points, motion=truth.motion)


def trace(model: PersonModel, scene: Scene, size: int) -> Truth:
    """Compute the truth of a picture without drawing it; the same as that of ``render``.

    Args:
        model: Person in the picture.
        scene: Scene of the picture.
        size: Side of the picture, pixels.
    """
    return _trace(model, scene, size)[1]


def _trace(model: PersonModel, scene: Scene, size: int) -> tuple[Posed, Truth]:
    rest = model.vertices(scene, expressive=False)
    moved = model.vertices(scene)
    posed = _pose(model, moved, scene)
    points = landmark_points(load_landmarks(), posed.head)
    return posed, Truth(
        points=scene.camera.project(points, size).astype(np.float32),
        motion=_motion_map(model, scene.camera, posed, np.linalg.norm(moved - rest, axis=1)),
    )


@dataclass(frozen=True)
class Posed:
    """A head and its overlay in camera space: vertices, normals, and the head's triangles that face the camera."""

    head: Floats
    normals: Floats
    visible: Ints
    overlay: Floats


def _pose(model: PersonModel, moved: Floats, scene: Scene) -> Posed:
    surface, overlay = model.surface, model.overlay
    head = model.posed(moved, scene)
    faces = surface.face_normals(head)
    normals = surface.normals(faces)
    free = scene.camera.place(apply_pose(overlay.free, overlay.rest, scene.pose))
    return Posed(
        head=head,
        normals=normals,
        visible=surface.triangles[surface.facing(head, faces) & model.solid],
        overlay=overlay.place(head, normals, free),
    )


def _draw_picture(model: PersonModel, scene: Scene, posed: Posed, behind: Floats) -> Floats:
    """Draw head and hair over the background ``behind`` (S,S,3), which is changed in place."""
    size, camera = len(behind), scene.camera
    light = scene.light.exposed_for(model.identity.darkness)
    head, visible = posed.head, posed.visible
    depth = empty_depth(size)
    texels = draw(head, visible, _atlas_attributes(load_chart().texels), camera, depth)
    lit = light_vertices(posed.normals, head, model.openness, light)
    amounts = draw(head, visible, lit, camera, empty_depth(size))
    at = np.flatnonzero(texels[..., 2] > 0.5)
    creases = crease_shade(texels, crease_weights(scene.activation, model.identity.age))
    albedo = _sample(model.atlas, texels)
    pixels = behind.reshape(-1, 3)
    pixels[at] = shade(albedo.reshape(-1, 3)[at], amounts.reshape(-1, 3)[at], light, creases.reshape(-1, 1)[at])
    _add_eye_lights(behind, texels, model, scene, head)
    _draw_overlay(pixels, model, scene, posed.overlay, light, depth)
    return behind


def _draw_overlay(pixels: Floats, model: PersonModel, scene: Scene, hair: Floats, light: Light, depth: Floats) -> None:
    """Blend hair and lashes over the pixels (S*S,3) where they are in front of the head's ``depth``."""
    overlay, camera = model.overlay, scene.camera
    triangles = overlay.surface.triangles
    texels = draw(hair, triangles, _atlas_attributes(overlay.texels), camera, depth.copy())
    normals = overlay.surface.normals(overlay.surface.face_normals(hair))
    away = np.einsum("ij,ij->i", normals, hair) > 0  # the inner side of the curtain
    normals[away] *= -1
    openness = np.where(away, 0.3, model.overlay_openness).astype(np.float32)
    lit = light_vertices(normals, hair, openness, light) * np.array([1, 1, 0.4], np.float32)
    amounts = draw(hair, triangles, lit, camera, depth)
    at = np.flatnonzero(texels[..., 2] > 0.5)
    sampled = _sample(overlay.texture, texels).reshape(-1, 4)[at]
    cover = sampled[:, 3:] * np.float32(1 / 255)
    pixels[at] += cover * (shade(sampled[:, :3], amounts.reshape(-1, 3)[at], light) - pixels[at])


def _add_eye_lights(picture: Floats, texels: Floats, model: PersonModel, scene: Scene, head: Floats) -> None:
    """Add the key light's reflection on each cornea, in place: a face without it looks lifeless."""
    size = len(picture)
    left, top, side = EYE_SLOT
    x, y, z = scene.light.direction
    half = np.array([x, y, z + 1])
    half /= np.linalg.norm(half)
    for name in ("eye_left", "eye_right"):
        eye = head[model.asset.is_part(name)]
        spot = (eye.min(axis=0) + eye.max(axis=0)) / 2 + _CORNEA * half
        (x, y), radius = scene.camera.project(spot[None], size)[0], size * scene.camera.focal / -spot[2] * _GLINT
        reach = int(2 * radius) + 2
        rows = slice(max(int(y) - reach, 0), max(int(y) + reach, 0))
        columns = slice(max(int(x) - reach, 0), max(int(x) + reach, 0))
        window, shown = picture[rows, columns], texels[rows, columns]
        yy, xx = np.mgrid[rows, columns][:, : len(window), : window.shape[1]]
        in_eye = (shown[..., 1] * ATLAS > top) & (shown[..., 0] * ATLAS < left + side) & (shown[..., 2] > 0.5)
        share = np.clip(1.4 - np.hypot(xx + 0.5 - x, yy + 0.5 - y) / radius, 0, 1) * in_eye * 0.6
        window += share[..., None].astype(np.float32) * (np.float32(250) - window)


def _atlas_attributes(texels: Floats) -> Floats:
    """Make vertex attributes of texel xy and a constant that marks drawn pixels, all in [0, 1]."""
    return np.column_stack([texels / ATLAS, np.ones(len(texels))]).astype(np.float32)


def _sample(texture: NDArray[np.uint8], texels: Floats) -> NDArray[np.uint8]:
    x, y = texel_maps(texels)
    return np.asarray(cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def shade(albedo: NDArray[np.uint8], amounts: Floats, light: Light, dimming: Floats | None = None) -> Floats:
    """Light pixels (M,3) sRGB 0..255; gamma is taken as 2, which is close and cheap.

    Highlights are rolled off as on film, not clipped.
    """
    linear = albedo.astype(np.float32) * np.float32(1 / 255)
    linear *= linear
    key = amounts[:, 1:2]
    incoming = amounts[:, :1] * np.asarray(light.ambient, np.float32)
    incoming += key * np.asarray(light.key, np.float32)
    # Light that comes back out of skin is red: it shows where the key light fades.
    incoming += key * (1 - key) * np.array([0.22, 0.05, 0.0], np.float32)
    if dimming is not None:
        incoming *= dimming
    linear *= incoming
    linear += amounts[:, 2:] * np.float32(light.sheen)
    linear *= np.float32(light.exposure)
    linear *= np.float32(1.35) / (1 + np.float32(0.35) * linear)
    return np.asarray(255 * np.sqrt(np.minimum(linear, 1)), np.float32)


def _motion_map(model: PersonModel, camera: Camera, posed: Posed, distance: Floats) -> NDArray[np.uint8]:
    largest = float(distance.max())
    if largest < _STILL:
        return np.zeros((MOTION_SIZE, MOTION_SIZE), np.uint8)
    depth = empty_depth(2 * MOTION_SIZE)
    values = np.repeat(np.clip(distance / largest, 0, 1)[:, None], 3, axis=1)
    layer = draw(posed.head, posed.visible, values, camera, depth)
    base = model.overlay.base
    over = np.where(base >= 0, values[base, 0], 0)
    draw(posed.overlay, model.overlay.surface.triangles, np.repeat(over[:, None], 3, axis=1), camera, depth, layer)
    small = cv2.resize(layer[..., 0], (MOTION_SIZE, MOTION_SIZE), interpolation=cv2.INTER_AREA)
    return np.round(small * 255).astype(np.uint8)
