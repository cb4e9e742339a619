from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fer_au.demo.camera import Camera, Pose
from fer_au.demo.landmarks68 import landmark_points, load_landmarks
from fer_au.demo.raster import FAR, draw, empty_depth
from fer_au.demo.render import PersonModel, Rendering, render
from fer_au.demo.scene import MAX_PITCH, MAX_ROLL, MAX_YAW, sample_scene
from fer_au.ibug68 import GROUPS
from tests.demo.scenes import plain_scene


def rendered(person: PersonModel, **units: float) -> Rendering:
    return render(person, plain_scene(**units), 128, np.random.default_rng(0))


def test_the_same_seed_gives_the_same_picture(person: PersonModel) -> None:
    scene = sample_scene("fear", np.random.default_rng(5))
    first, second = (render(person, scene, 128, np.random.default_rng(6)) for _ in range(2))
    np.testing.assert_array_equal(first.picture, second.picture)
    np.testing.assert_array_equal(first.motion, second.motion)
    np.testing.assert_array_equal(first.points, second.points)


def test_neutral_has_no_motion_even_with_gaze_and_lids_elsewhere(person: PersonModel) -> None:
    scene = replace(plain_scene(), gaze=(10.0, -5.0), blink=0.1)
    assert render(person, scene, 128, np.random.default_rng(0)).motion.max() == 0


@pytest.mark.parametrize(
    ("au", "group", "still"),
    [
        ("AU26", "mouth", "right_brow"),
        ("AU12", "mouth", "right_brow"),
        ("AU2", "right_brow", "mouth"),
        ("AU9", "nose", "jaw"),
    ],
)
def test_motion_lies_where_the_au_moves(person: PersonModel, au: str, group: str, still: str) -> None:
    result = rendered(person, **{au: 0.9})
    cells = np.clip((result.points / 128 * 64).astype(int), 0, 63)
    at = result.motion[cells[:, 1], cells[:, 0]]
    assert result.motion.max() > 200
    assert at[list(GROUPS[group])].max() > 80
    assert at[list(GROUPS[group])].mean() > 3 * at[list(GROUPS[still])].mean()


def test_points_are_pinhole_projections_of_the_posed_mesh(person: PersonModel) -> None:
    scene = replace(
        plain_scene(AU12=0.7),
        pose=Pose(20.0, -8.0, 10.0),
        camera=Camera(distance=0.9, focal=3.2, offset=(0.03, -0.12)),
    )
    result = render(person, scene, 256, np.random.default_rng(0))
    head = person.posed(person.vertices(scene), scene).astype(np.float64)
    # x right, y down; the principal point is shifted by the offset, focal length in sides of the picture.
    xy = np.stack([head[:, 0], -head[:, 1]], axis=1) / -head[:, 2:] * 3.2 * 256 + 128 + 256 * np.array([0.03, -0.12])
    near = np.linalg.norm(result.points[:, None] - xy[None], axis=2).min(axis=1)
    assert near.max() < 4.0  # no point is farther from a vertex than a triangle is wide


def test_points_lie_on_the_surface_that_is_drawn(person: PersonModel) -> None:
    scene = plain_scene()
    size = 256
    head = person.posed(person.vertices(scene), scene)
    depth = empty_depth(size)
    draw(head, person.asset.triangles, np.zeros_like(head), scene.camera, depth)
    points = render(person, scene, size, np.random.default_rng(0)).points
    inner = points[17:60].astype(int)  # the jaw lies on the silhouette, the inner lips behind each other
    assert (depth[inner[:, 1], inner[:, 0]] < FAR).all()
    expected = -landmark_points(load_landmarks(), head)[17:60, 2]
    assert np.abs(depth[inner[:, 1], inner[:, 0]] - expected).max() < 0.006  # a pixel of a steep slope


def test_points_stay_inside_the_frame_with_room_around(person: PersonModel) -> None:
    for seed in range(40):
        scene = sample_scene("surprise", np.random.default_rng(seed))
        head = person.posed(person.vertices(scene), scene)
        points = scene.camera.project(head[person.asset.is_part("eye_left", "eye_right")], 256)
        assert points.min() > 10
        assert points.max() < 246


def test_poses_cover_their_ranges_and_stay_inside() -> None:
    poses = [sample_scene("neutral", np.random.default_rng(seed)).pose for seed in range(400)]
    for name, limit in (("yaw", MAX_YAW), ("pitch", MAX_PITCH), ("roll", MAX_ROLL)):
        values = np.array([getattr(pose, name) for pose in poses])
        assert np.abs(values).max() <= limit
        assert values.std() > limit / 4


def test_yaw_pitch_and_roll_turn_the_head_as_documented(person: PersonModel) -> None:
    def points(pose: Pose) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return render(person, replace(plain_scene(), pose=pose), 256, np.random.default_rng(0)).points

    frontal = points(Pose())
    assert points(Pose(yaw=15))[30, 0] > frontal[30, 0] + 5  # nose tip to the right
    assert points(Pose(pitch=10))[30, 1] < frontal[30, 1] - 3  # nose tip up
    rolled = points(Pose(roll=10))
    assert rolled[45, 1] > rolled[36, 1] + 5  # clockwise: the eye on the right sinks


def test_the_jaw_drop_opens_the_mouth(person: PersonModel) -> None:
    closed, opened = rendered(person), rendered(person, AU25=0.6, AU26=1.0, AU27=0.6)
    assert opened.points[66, 1] - opened.points[62, 1] > closed.points[66, 1] - closed.points[62, 1] + 5
