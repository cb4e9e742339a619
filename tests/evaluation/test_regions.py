from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Polygon
from scipy.spatial import ConvexHull

from fer_au import ibug68 as scheme
from fer_au.cues.regions import region_coverage, region_labels, side_coverage
from fer_au.evaluation import REGIONS, region_attention
from fer_au.evaluation.comparison import comparison_maps, mass_maps
from fer_au.evaluation.regions import region_shares

SIZE = 112


def in_hull(points: np.ndarray, grid: np.ndarray) -> np.ndarray:
    return Polygon(points[ConvexHull(points).vertices]).contains_points(grid)


def reference_area(face: np.ndarray, region: str) -> float:
    """Area share by testing fine points one region at a time, with hulls from scipy and no margins."""
    axis = (np.arange(448) + 0.5) / 4
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    mouth = in_hull(face[48:60], grid)
    if region == "mouth":
        return float(mouth.mean())
    nose = in_hull(face[27:36], grid) & ~mouth
    eyes = in_hull(face[36:42], grid) | in_hull(face[42:48], grid)
    return float({"nose": nose, "eyes": eyes}[region].mean())


def test_shares_of_a_map_sum_to_one(rng, face):
    maps = rng.random((5, 28, 28))
    shares = region_attention(maps, np.repeat(face, 5, axis=0), SIZE)
    assert tuple(shares) == REGIONS
    np.testing.assert_allclose(np.sum(list(shares.values()), axis=0), 1.0, rtol=1e-12)


def test_regions_cover_every_cell_once(face):
    coverage = region_coverage(face, SIZE, (28, 28))
    np.testing.assert_allclose(coverage.sum(axis=1), 1.0, rtol=1e-12)
    assert coverage.min() >= 0


def test_an_all_ones_map_gives_the_areas(face):
    shares = region_attention(np.ones((1, 28, 28)), face, SIZE)
    assert shares["mouth"][0] == pytest.approx(reference_area(face[0], "mouth"), rel=0.02)
    assert shares["nose"][0] == pytest.approx(reference_area(face[0], "nose"), rel=0.02)
    assert shares["eyes"][0] > 1.3 * reference_area(face[0], "eyes")  # widened by the margin
    assert 0.1 < shares["background"][0] < 0.7


@pytest.mark.parametrize(
    ("points", "region"), [(scheme.OUTER_LIPS, "mouth"), (scheme.LEFT_EYE, "eyes"), (scheme.RIGHT_BROW, "brows")]
)
def test_mass_at_a_part_belongs_to_that_part(face, points, region):
    x, y = face[0, list(points)].mean(axis=0) * 28 / SIZE
    maps = np.zeros((1, 28, 28))
    maps[0, int(y), int(x)] = 3.0
    assert region_attention(maps, face, SIZE)[region][0] > 0.5


def test_corners_are_background_and_the_forehead_is_face(face):
    maps = np.zeros((2, 28, 28))
    maps[0, 0, 0] = maps[0, 27, 27] = 1
    x, y = (face[0, 21] + face[0, 22]) / 2
    maps[1, int((y - 4) * 28 / SIZE), int(x * 28 / SIZE)] = 1
    shares = region_attention(maps, np.repeat(face, 2, axis=0), SIZE)
    assert shares["background"][0] == 1.0
    assert shares["face"][1] > 0.9


def test_the_mouth_wins_over_a_nose_that_reaches_into_it(face):
    long_nose = face.copy()
    long_nose[0, 33] = face[0, 57]
    np.testing.assert_array_equal(
        region_coverage(long_nose, SIZE, (28, 28))[0, REGIONS.index("mouth")],
        region_coverage(face, SIZE, (28, 28))[0, REGIONS.index("mouth")],
    )


@settings(max_examples=15)
@given(seed=st.integers(0, 1000))
def test_a_mirrored_face_has_mirrored_shares(seed):
    rng = np.random.default_rng(seed)
    from fer_au.ibug68 import MEAN_FACE

    face = (MEAN_FACE * 46 + [56, 42] + rng.normal(0, 1.5, (68, 2)))[None]
    maps = rng.random((1, 28, 28)) ** 4
    one = region_attention(maps, face, SIZE)
    other = region_attention(maps[:, :, ::-1], scheme.mirror_points(face, SIZE), SIZE)
    for region in REGIONS:
        assert one[region][0] == pytest.approx(other[region][0], abs=0.01)


@pytest.mark.parametrize("factor", [0.5, 2.0, 4.0])
def test_the_picture_size_does_not_matter(rng, face, factor):
    maps = rng.random((1, 28, 28)) ** 4
    one = region_attention(maps, face, SIZE)
    other = region_attention(maps, face * factor, int(SIZE * factor))
    for region in REGIONS:
        assert one[region][0] == pytest.approx(other[region][0], abs=0.005)


def test_a_gain_does_not_matter_and_negative_values_hold_no_mass(rng, face):
    maps = rng.normal(size=(1, 28, 28))
    one = region_attention(maps, face, SIZE)
    other = region_attention(5 * np.maximum(maps, 0), face, SIZE)
    for region in REGIONS:
        assert one[region][0] == pytest.approx(other[region][0])


def test_a_map_without_mass_and_a_face_without_points_are_undefined(face):
    maps = np.ones((4, 28, 28))
    maps[0], maps[3, 0, 0] = 0.0, np.nan
    points = np.repeat(face, 4, axis=0)
    points[1, 5] = np.nan
    shares = region_attention(maps, points, SIZE)
    for region in REGIONS:
        np.testing.assert_array_equal(np.isnan(shares[region]), [True, True, False, True])


def test_points_far_outside_the_picture_are_no_error(face):
    wild = face.copy()
    wild[0, 3] = [-1e7, 1e9]
    shares = region_attention(np.ones((1, 28, 28)), wild, SIZE)
    assert sum(float(share[0]) for share in shares.values()) == pytest.approx(1.0)


def test_rectangular_pictures_and_grids_are_understood(face):
    wide = face * [2.0, 1.0]
    shares = region_attention(np.ones((1, 14, 28)), wide, (2 * SIZE, SIZE))
    expected = region_attention(np.ones((1, 28, 28)), face, SIZE)
    for region in ("mouth", "nose", "background"):
        assert shares[region][0] == pytest.approx(expected[region][0], abs=0.02)


def test_wrong_shapes_are_refused(face):
    with pytest.raises(ValueError, match=r"points: expected .* \(\d, 68, 2\)"):
        region_attention(np.ones((2, 28, 28)), face, SIZE)
    with pytest.raises(ValueError, match="68"):
        region_coverage(face[:, :5], SIZE, (28, 28))


def test_coverage_can_be_reused_for_many_maps(rng, face):
    maps = rng.random((1, 28, 28))
    shares = region_shares(maps, side_coverage(face, SIZE, (28, 28)))
    for region, share in region_attention(maps, face, SIZE).items():
        np.testing.assert_allclose(shares[f"region.{region}"], share, rtol=1e-12)


@pytest.mark.parametrize("turn", [0, 40, 170])
@pytest.mark.parametrize("side", ["left", "right"])
def test_sides_are_those_of_the_person_however_the_head_is_turned(face, side, turn):
    angle = np.deg2rad(turn)
    turned = (face - 56) @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) * 0.8 + 56
    for name, group in {"eyes": f"{side.upper()}_EYE", "brows": f"{side.upper()}_BROW"}.items():
        x, y = turned[0, list(getattr(scheme, group))].mean(axis=0) * 28 / SIZE
        maps = np.zeros((1, 28, 28))
        maps[0, int(y), int(x)] = 1
        shares = region_shares(maps, side_coverage(turned, SIZE, (28, 28)))
        assert shares[f"side_region.{side}.{name}"][0] == shares[f"region.{name}"][0] > 0.3


def test_faces_beside_it_change_nothing_about_a_face(face, rng):
    """Faces are painted many at a time: far, tiny, collapsed and unknown ones among them."""
    faces = np.repeat(face, 75, axis=0) + rng.normal(0, 4, (75, 68, 2)) + rng.normal(0, 30, (75, 1, 2))
    faces[10:14] *= np.array([5, 0.05, -1, 0])[:, None, None]
    faces[20], faces[21, 3], faces[22] = np.nan, np.inf, np.round(faces[22])
    alone = [one[None] for one in faces]
    np.testing.assert_array_equal(
        side_coverage(faces, SIZE, (9, 7)), np.concatenate([side_coverage(one, SIZE, (9, 7)) for one in alone])
    )
    labels = region_labels(faces, SIZE, 40)
    np.testing.assert_array_equal(labels, np.concatenate([region_labels(one, SIZE, 40) for one in alone]))
    assert (labels[[20, 21]] == -1).all()
    assert (np.delete(labels, [20, 21], axis=0) >= 0).all()


def test_both_sides_together_are_the_region(face, rng):
    maps = rng.random((1, 28, 28))
    shares = region_shares(maps, side_coverage(face, SIZE, (28, 28)))
    for region in REGIONS[:-1]:
        both = shares[f"side_region.left.{region}"] + shares[f"side_region.right.{region}"]
        np.testing.assert_allclose(both, shares[f"region.{region}"], rtol=1e-12)
        assert shares[f"side_region.left.{region}"][0] == pytest.approx(shares[f"region.{region}"][0] / 2, rel=0.3)


def test_a_signed_map_that_is_positive_inside_the_face_alone_has_no_background(face, rng):
    """Shifted to be non-negative, as the cosine takes it, the same map had half its mass on the background."""
    coverage = side_coverage(face, SIZE, (28, 28))
    background = coverage.sum(axis=1)[:, REGIONS.index("background")]
    maps = np.where(background == 0, 1.0, -1.0)
    assert region_shares(mass_maps(maps, 28), coverage)["region.background"][0] == 0
    signed = maps + rng.normal(0, 0.1, maps.shape)
    assert region_shares(mass_maps(signed, 28), coverage)["region.background"][0] == 0
    assert region_shares(comparison_maps(signed, 28), coverage)["region.background"][0] > 0.02
    assert np.isnan(region_shares(mass_maps(maps - 2, 28), coverage)["region.background"][0])


def test_a_map_is_rectified_before_it_is_resampled():
    """Afterwards, a negative cell would have cancelled its neighbour's mass."""
    np.testing.assert_allclose(mass_maps(np.array([[[1.0, -9.0]]]), 4), mass_maps(np.array([[[1.0, 0.0]]]), 4))
