"""The benchmark of frames: its geometry, and that its network learns what can be learnt."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.frames import FRAMES, Frame, Pictures, outside_share, train_and_score
from fer_au.faces.geometry import apply_matrix
from fer_au.faces.templates import five_points, get_template


@pytest.fixture
def tight() -> Pictures:
    """Faces in the middle of pictures of 200 px, turned by up to 20 degrees, cut as the benchmark cuts them."""
    images, points = [], []
    for degrees in (-20, -8, 0, 5, 20):
        cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        face = get_template("loose").mean_face(100) - 50
        points.append(face @ np.array([[cosine, sine], [-sine, cosine]]) + 100)
        images.append(np.full((200, 200), 90, np.uint8))
    return Pictures(images, points, np.zeros(5, np.int64), np.zeros(5, np.bool_)).tight()


def test_a_tight_picture_leaves_half_of_a_loose_crop_empty(tight: Pictures) -> None:
    assert outside_share(Frame("centred", 1.0, "replicate", 64), tight) == pytest.approx(0.55, abs=0.01)
    assert outside_share(Frame("centred", 0, "never", 64), tight) < 1e-6
    assert outside_share(Frame("no", 0, "replicate", 64), tight) == 0


@pytest.mark.parametrize("frame", FRAMES, ids=[frame.name for frame in FRAMES])
def test_faces_are_brought_where_the_frame_says(frame: Frame, tight: Pictures) -> None:
    for image, points in zip(tight.images, tight.points, strict=True):
        assert frame.cut(image, points).shape == (frame.size, frame.size)
        eyes = apply_matrix(frame.matrix(points, len(image)), five_points(points)[:2])
        level = abs(eyes[0, 1] - eyes[1, 1]) < 0.01 * frame.size
        assert level or frame.align == "no"


def test_the_network_learns_what_can_be_learnt_and_repeats_itself() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(160) % 2
    crops = generator.integers(0, 120, (160, 32, 32), dtype=np.uint8)
    crops[labels == 1, :16] += 100
    test = np.arange(160) >= 128
    one, again = (train_and_score(crops, labels, np.arange(128), test, 6, 0) for _ in range(2))
    assert one["accuracy"] == 1
    assert one == again
