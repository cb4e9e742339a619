"""What geometry `corrected` promises: mirror, scale, rotation and translation, and anatomy."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.shared.random_points import cosine, mirrored, neutral_shape, on_template, random_faces
from fer_au.cues import list_codebooks, load_codebook, render_au_maps
from fer_au.cues.anatomy import SPOTS
from fer_au.cues.codebook import ACTION_UNITS, Codebook

EXPRESSIONS = sorted(load_codebook("corrected").expressions)


def turned(points, degrees, centre):
    angle = np.radians(degrees)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points - centre) @ matrix.T + centre


def one_unit(unit):
    return Codebook("one", {"anger": {unit: 1.0}})


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_map_of_the_mirrored_face_is_the_mirrored_map(expression):
    faces = random_faces(200)
    maps, _ = render_au_maps(faces, [expression] * 200)
    other, _ = render_au_maps(mirrored(faces, 224), [expression] * 200)
    np.testing.assert_allclose(other[:, :, ::-1], maps, atol=1e-4)
    assert cosine(maps, other[:, :, ::-1]).min() >= 0.9999


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_map_does_not_depend_on_the_size_of_the_crop(expression):
    faces = random_faces(200)
    small, _ = render_au_maps(faces / 2, [expression] * 200, image_size=112)
    large, _ = render_au_maps(faces * 2, [expression] * 200, image_size=448)
    assert cosine(small, large).min() >= 0.9999


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("degrees", [15, -40])
def test_map_of_the_rotated_face_is_the_rotated_map(expression, degrees):
    faces = (random_faces(50) - 112) * 0.7 + 112  # small enough to stay inside while turning
    maps, _ = render_au_maps(faces, [expression] * 50, map_size=56)
    other, _ = render_au_maps(turned(faces, degrees, 112), [expression] * 50, map_size=56)
    matrix = cv2.getRotationMatrix2D((27.5, 27.5), -degrees, 1.0)
    rotated = np.stack([cv2.warpAffine(drawn, matrix, (56, 56)) for drawn in maps])
    assert cosine(rotated, other).min() >= 0.98


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_spots_grow_with_the_face(expression):
    face = random_faces(1)
    maps, _ = render_au_maps(face, [expression], map_size=56)
    half, _ = render_au_maps((face - 112) / 2 + 112, [expression], map_size=112)
    assert cosine(maps, half[:, 28:84, 28:84])[0] >= 0.999


@pytest.mark.parametrize(("size", "least"), [(7, 0.965), (14, 0.99)])
def test_coarse_maps_are_the_cell_means_of_fine_ones(size, least):
    faces = random_faces(60)
    labels = [EXPRESSIONS[i % len(EXPRESSIONS)] for i in range(60)]
    coarse, _ = render_au_maps(faces, labels, map_size=size)
    fine, _ = render_au_maps(faces, labels, map_size=224)
    means = fine.reshape(60, size, 224 // size, size, 224 // size).mean((2, 4))
    assert cosine(coarse, means).min() >= least


@settings(max_examples=40)
@given(
    steps=st.tuples(st.integers(-6, 6), st.integers(-6, 6)),
    expression=st.sampled_from(EXPRESSIONS),
    seed=st.integers(0, 1000),
)
def test_map_moves_with_the_face(steps, expression, seed):
    # A face of a third of the frame, moved by whole cells of 8 px: the map moves by as many cells.
    face = (random_faces(1, seed=seed) - 112) / 3 + 112
    maps, _ = render_au_maps(face, [expression])
    moved, _ = render_au_maps(face + 8.0 * np.array(steps), [expression])
    np.testing.assert_allclose(moved, np.roll(maps, steps[::-1], axis=(1, 2)), atol=2e-3)


def test_every_action_unit_has_a_place():
    assert set(SPOTS) == set(ACTION_UNITS)
    for spots in SPOTS.values():
        for spot in spots:
            assert sum(spot.anchor.values()) == pytest.approx(1.0)


# Where FACS sees each action unit, as bounds on its peak on the image's left half of a neutral face, in inter-ocular
# distances from the middle of the eyes: x from the midline outwards, y down.
REGIONS = {
    1: ((0.1, 0.35), (-0.5, -0.18)),  # inner brow, and above it
    2: ((0.4, 0.65), (-0.5, -0.18)),  # outer brow, and above it
    4: ((0.0, 0.4), (-0.36, -0.08)),  # brow and glabella
    5: ((0.25, 0.45), (-0.15, -0.03)),  # upper lid
    6: ((0.25, 0.65), (-0.05, 0.45)),  # cheek, and beside the eye
    7: ((0.25, 0.45), (-0.02, 0.12)),  # lids, the lower one most
    9: ((0.05, 0.25), (0.05, 0.45)),  # side of the nose
    10: ((0.05, 0.25), (0.5, 0.73)),  # between the wing of the nose and the upper lip
    11: ((0.25, 0.45), (0.5, 0.72)),  # middle of the nasolabial furrow
    12: ((0.29, 0.45), (0.68, 0.83)),  # lip corner, up and out
    14: ((0.32, 0.48), (0.75, 0.87)),  # beside the lip corner
    15: ((0.25, 0.4), (0.75, 1.0)),  # lip corner and below it
    16: ((0.05, 0.25), (0.9, 1.08)),  # below the lower lip
    17: ((0.0, 0.05), (0.85, 1.2)),  # from the lower lip to the chin boss
    20: ((0.3, 0.5), (0.77, 0.92)),  # beside the lip corner
    22: ((0.0, 0.05), (0.73, 0.9)),
    23: ((0.0, 0.05), (0.73, 0.9)),
    24: ((0.0, 0.05), (0.73, 0.9)),
    25: ((0.0, 0.05), (0.73, 1.0)),  # lips, the lower one most
    26: ((0.0, 0.05), (0.82, 1.0)),  # lower lip
    27: ((0.0, 0.05), (0.8, 1.0)),
    43: ((0.25, 0.45), (-0.05, 0.05)),  # the eye
}


@pytest.mark.parametrize("unit", sorted(REGIONS))
def test_peak_lies_where_facs_sees_the_action_unit(unit):
    face = on_template(neutral_shape())[None]
    drawn = render_au_maps(face, ["anger"], map_size=224, codebook=one_unit(unit))[0][0]
    row, column = np.unravel_index(drawn[:, :112].argmax(), (224, 112))
    across, down = (112 - column - 0.5) / 102, (row + 0.5 - 103.2) / 102
    (x0, x1), (y0, y1) = REGIONS[unit]
    assert x0 <= across <= x1
    assert y0 <= down <= y1


def test_neighbouring_action_units_are_told_apart():
    # The published maps draw AU12 and AU15 alike, and AU5 and AU7 round the same centre.
    face = on_template(neutral_shape())[None]
    maps = {unit: render_au_maps(face, ["anger"], codebook=one_unit(unit))[0] for unit in ACTION_UNITS}
    for one, other in ((12, 15), (12, 14), (5, 7), (1, 2), (9, 10), (10, 11), (16, 17), (1, 4), (11, 12)):
        assert cosine(maps[one], maps[other])[0] < 0.95


def test_weights_scale_the_spots_of_an_action_unit():
    face = on_template(neutral_shape())[None]
    book = Codebook("weighted", {"anger": {1: 0.25, 25: 1.0}})
    drawn = render_au_maps(face, ["anger"], map_size=224, codebook=book)[0][0]
    assert drawn[:100].max() == pytest.approx(0.25, abs=0.01)
    assert drawn[100:].max() == 1.0


@pytest.mark.parametrize("codebook", list_codebooks())
def test_every_bundled_codebook_can_be_drawn(codebook):
    maps, valid = render_au_maps(random_faces(6), EXPRESSIONS, codebook=codebook)
    assert valid.all()
    assert (maps.max((1, 2)) == 1).all()
