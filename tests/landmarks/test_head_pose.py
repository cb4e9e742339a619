"""Head poses: the convention of the angles on the demo's posed head, noise, and points that are of no head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_au.config.data import LandmarksConfig
from fer_au.demo.asset import load_asset
from fer_au.demo.camera import Camera, Pose
from fer_au.demo.landmarks68 import landmark_points, load_landmarks
from fer_au.faces.geometry import apply_matrix
from fer_au.ibug68 import MEAN_FACE, MIRROR, mirror_points
from fer_au.landmarks import extract_dataset
from fer_au.landmarks.head_pose import average_head, estimate_poses, euler_angles, seen_jaw
from fer_au.stores import Store

SIZE = 256
UPRIGHT = np.eye(2, 3)
POSES = [
    (0, 0, 0),
    (25, 0, 0),
    (-25, 0, 0),
    (0, 18, 0),
    (0, -18, 0),
    (0, 0, 30),
    (0, 0, -30),
    (40, 12, -8),
    (-55, -15, 20),
    (70, 5, 3),
]


def posed_points(pose: tuple[float, float, float]) -> NDArray[np.float64]:
    """Points (68, 2) of the average head as the demo's camera sees it, turned about its own middle."""
    camera = Camera(1.0, 2.4, (0.05, -0.03))
    return camera.project(camera.place((average_head() / 1000 @ Pose(*pose).matrix().T).astype(np.float32)), SIZE)


def poses_of(*points: NDArray[np.floating]) -> NDArray[np.float32]:
    return estimate_poses(np.stack(points), np.tile(UPRIGHT, (len(points), 1, 1))).angles


def test_the_table_is_the_mean_head_of_the_demo() -> None:
    points = landmark_points(load_landmarks(), load_asset().mean) * 1000
    np.testing.assert_allclose(average_head(), points, atol=0.06)
    np.testing.assert_array_equal(average_head()[MIRROR] * [-1, 1, 1], average_head())


@pytest.mark.parametrize("pose", POSES)
def test_angles_are_those_that_the_head_was_turned_by(pose: tuple[float, float, float]) -> None:
    np.testing.assert_allclose(poses_of(posed_points(pose))[0], pose, atol=2.0)


def test_signs_are_those_of_the_picture() -> None:
    straight, right, up = (posed_points(pose) for pose in ((0, 0, 0), (25, 0, 0), (0, 18, 0)))
    tip = [points[30] - points[[36, 45]].mean(axis=0) for points in (straight, right, up)]
    assert tip[1][0] > tip[0][0] + 5  # yaw > 0: the nose is nearer to the right edge
    assert tip[2][1] < tip[0][1] - 5  # pitch > 0: the nose is higher
    clockwise = posed_points((0, 0, 30))
    assert clockwise[45, 1] > clockwise[36, 1] + 10  # roll > 0: the eye on the right side of the picture is lower


def test_a_rotation_is_split_as_the_demo_joins_it() -> None:
    for pose in POSES:
        np.testing.assert_allclose(euler_angles(Pose(*pose).matrix()), pose, atol=1e-9)


def test_the_pose_is_that_of_the_picture_whatever_the_crop() -> None:
    points = posed_points((20, -8, 12))
    angle, scale = np.radians(-12), 0.6
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.concatenate([turn, [[31.0], [-7.0]]], axis=1)
    crop = apply_matrix(matrix, points)
    np.testing.assert_allclose(estimate_poses(crop[None], matrix[None]).angles, poses_of(points), atol=0.02)


def test_a_mirrored_head_turns_the_other_way() -> None:
    points = posed_points((30, 10, 15))
    own, mirrored = poses_of(points, mirror_points(points, SIZE))
    np.testing.assert_allclose(mirrored, own * [-1, 1, -1], atol=0.02)


def test_noise_moves_angles_little() -> None:
    rng, errors = np.random.default_rng(0), []
    for pose in POSES:
        points = posed_points(pose)
        noise = 0.02 * np.linalg.norm(points[45] - points[36])
        errors.append(poses_of(*(points + rng.normal(0, noise, (10, 68, 2)))) - pose)
    assert np.abs(np.concatenate(errors)).mean() < 1.5


def test_points_of_no_head_have_no_pose() -> None:
    points, rng = posed_points((10, 0, 0)), np.random.default_rng(0)
    lost = points.copy()
    lost[40] = np.nan
    bad = {
        "none": np.full((68, 2), np.nan),
        "one missing": lost,
        "one place": np.full((68, 2), 40.0),
        "one place, far away": np.full((68, 2), 1e30),
        "near one place, far away": points * 1e-3 + 1e12,
        "a line": np.stack([np.linspace(0, 90, 68), np.linspace(0, 30, 68)], axis=1),
        "in any order": points[rng.permutation(68)],
        "anywhere": rng.uniform(0, SIZE, (68, 2)),
        "mirrored without the swap": points * [-1, 1] + [SIZE, 0],
        "smaller than a pixel": points * 1e-3,
    }
    poses = estimate_poses(np.stack(list(bad.values())), np.tile(UPRIGHT, (len(bad), 1, 1)))
    assert [name for name, known in zip(bad, np.isfinite(poses.angles).any(axis=1), strict=True) if known] == []
    assert np.isnan(poses.residual).all()


def test_a_matrix_that_cannot_be_inverted_gives_no_pose() -> None:
    points = np.stack([posed_points((0, 0, 0))] * 3)
    matrices = np.stack([np.zeros((2, 3)), np.full((2, 3), np.nan), UPRIGHT])
    assert np.isfinite(estimate_poses(points, matrices).angles).all(axis=1).tolist() == [False, False, True]


def test_no_faces_have_no_poses() -> None:
    found = estimate_poses(np.empty((0, 68, 2)), np.empty((0, 2, 3)))
    assert found.angles.shape == (0, 3)
    assert found.residual.shape == (0,)


def test_the_flat_mean_face_is_nearly_frontal() -> None:
    assert np.abs(poses_of(MEAN_FACE * 50 + 100)).max() < 5


def test_the_hidden_half_of_the_jaw_is_left_out() -> None:
    assert seen_jaw(0) == tuple(range(17))
    assert seen_jaw(30) == tuple(range(9))
    assert seen_jaw(-30) == tuple(range(8, 17))


@pytest.mark.parametrize("extractor", ["dlib68", "provided"])
def test_the_stage_keeps_poses_near_the_truth(dataset: Path, extractor: str) -> None:
    extract_dataset(LandmarksConfig(extractor=extractor), dataset)
    landmarks, faces = (Store.open(dataset / f"{kind}.h5", kind) for kind in ("landmarks", "faces"))
    truth = Store.open(dataset / "annotations.h5", "annotations")["pose"]
    assert landmarks["pose"].dtype == landmarks["pose_residual"].dtype == np.float32
    error = np.abs(landmarks["pose"] - truth)
    assert np.isfinite(error).all()
    assert error.mean(axis=0)[[0, 2]].max() < 4
    assert error.mean(axis=0)[1] < 7
    again = estimate_poses(landmarks["points"], faces["matrix"])
    np.testing.assert_array_equal(again.angles, landmarks["pose"])
    np.testing.assert_array_equal(again.residual, landmarks["pose_residual"])
