"""Geometry `paper` against the slow drawing of the published maps in `published.py`."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.shared.published_maps import CODEBOOK, published_map
from benchmarks.shared.random_points import cosine, mirrored, random_faces
from fer_au.cues import load_codebook, render_au_maps

EXPRESSIONS = sorted(CODEBOOK)


def published(faces, expression, size=224):
    return np.stack([published_map(face, CODEBOOK[expression], size) for face in faces])


def enlarged(maps, size=224):
    return np.stack([cv2.resize(drawn, (size, size), interpolation=cv2.INTER_LINEAR) for drawn in maps])


def test_codebook_is_the_published_one():
    entries = load_codebook("paper").expressions
    assert {name: sorted(units) for name, units in entries.items()} == {
        name: sorted(units) for name, units in CODEBOOK.items()
    }


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_maps_match_the_published_ones_on_200_faces(expression):
    faces = random_faces(200)
    maps, valid = render_au_maps(faces, [expression] * 200, codebook="paper", geometry="paper")
    similarity = cosine(enlarged(maps), published(faces, expression))
    assert valid.all()
    assert similarity.mean() >= 0.999
    assert similarity.min() >= 0.998


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_full_size_maps_are_the_published_ones(expression):
    faces = random_faces(10, seed=1)
    maps, _ = render_au_maps(faces, [expression] * 10, map_size=224, codebook="paper", geometry="paper")
    assert cosine(maps, published(faces, expression)).min() >= 0.9995


@pytest.mark.parametrize("size", [112, 160, 256, 448])
def test_constants_are_pixels_of_the_crop_at_other_sizes(size):
    faces = random_faces(10, seed=2, size=size)
    for expression in EXPRESSIONS:
        maps, _ = render_au_maps(faces, [expression] * 10, image_size=size, codebook="paper", geometry="paper")
        assert cosine(enlarged(maps, size), published(faces, expression, size)).min() >= 0.998


@pytest.mark.parametrize("degrees", [20, -20])
def test_quirks_hold_on_strongly_turned_faces(degrees):
    # Large roll takes every zero fall-back and every reversed difference of the table.
    turn = np.radians(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    faces = (random_faces(20, seed=3) - 112) @ matrix.T + 112
    for expression in EXPRESSIONS:
        maps, _ = render_au_maps(faces, [expression] * 20, codebook="paper", geometry="paper")
        assert cosine(enlarged(maps), published(faces, expression)).min() >= 0.995


def test_rare_action_units_match_the_published_ones(tmp_path):
    # AU14 and AU43 are in the published table, but in no expression.
    book = tmp_path / "rare.yaml"
    book.write_text("expressions: {fear: [14], anger: [43]}")
    faces = random_faces(20, seed=4)
    faces[:5, 48:60, 0] -= 80  # AU14 stops at the frame
    for expression, unit in (("fear", 14), ("anger", 43)):
        maps, _ = render_au_maps(faces, [expression] * 20, codebook=book, geometry="paper")
        expected = np.stack([published_map(face, [unit]) for face in faces])
        assert cosine(enlarged(maps), expected).min() >= 0.995


def test_all_ones_baseline_of_the_published_maps_is_repeated():
    expected = {
        "anger": 0.43,
        "disgust": 0.42,
        "fear": 0.52,
        "happiness": 0.43,
        "sadness": 0.54,
        "surprise": 0.48,
    }
    faces = random_faces(200)
    measured = {}
    for expression in expected:
        maps, _ = render_au_maps(faces, [expression] * 200, codebook="paper", geometry="paper")
        measured[expression] = cosine(maps, np.ones_like(maps)).mean()
    assert measured == pytest.approx(expected, abs=0.025)
    assert np.mean(list(measured.values())) == pytest.approx(0.47, abs=0.015)


def test_asymmetry_of_the_published_maps_is_kept():
    # Anger (AU10, AU17, AU4) is the least mirror-symmetric of the published maps, with a mean cosine of 0.83.
    faces = random_faces(200)
    maps, _ = render_au_maps(faces, ["anger"] * 200, codebook="paper", geometry="paper")
    other, _ = render_au_maps(mirrored(faces, 224), ["anger"] * 200, codebook="paper", geometry="paper")
    assert cosine(maps, other[:, :, ::-1]).mean() == pytest.approx(0.83, abs=0.03)


def test_a_face_outside_the_frame_is_not_valid():
    faces = random_faces(2)
    faces[1] += 500
    maps, valid = render_au_maps(faces, ["happiness"] * 2, codebook="paper", geometry="paper")
    assert valid.tolist() == [True, False]
    assert not maps[1].any()


@settings(max_examples=30)
@given(
    steps=st.tuples(st.integers(-3, 3), st.integers(-3, 3)),
    expression=st.sampled_from(EXPRESSIONS),
    seed=st.integers(0, 1000),
)
def test_map_moves_with_a_face_that_stays_inside(steps, expression, seed):
    face = np.trunc((random_faces(1, seed=seed) - 112) / 3 + 112)
    maps, _ = render_au_maps(face, [expression], codebook="paper", geometry="paper")
    moved, _ = render_au_maps(face + 8 * np.array(steps), [expression], codebook="paper", geometry="paper")
    np.testing.assert_allclose(moved, np.roll(maps, steps[::-1], axis=(1, 2)), atol=1e-6)
