from __future__ import annotations

import numpy as np
import pytest

from fer_au import ibug68 as scheme


def test_mirror_is_an_involution_that_moves_every_side_point():
    assert np.array_equal(scheme.MIRROR[scheme.MIRROR], np.arange(68))
    fixed = set(np.flatnonzero(np.arange(68) == scheme.MIRROR).tolist())
    assert fixed == {8, 27, 28, 29, 30, 33, 51, 57, 62, 66}  # the midline of the face


def test_mirror_maps_groups_onto_their_counterparts():
    pairs = {"jaw": "jaw", "right_brow": "left_brow", "nose": "nose", "right_eye": "left_eye", "mouth": "mouth"}
    for one, other in pairs.items():
        assert set(scheme.MIRROR[list(scheme.GROUPS[one])].tolist()) == set(scheme.GROUPS[other])


def test_mirror_keeps_upper_lids_upper():
    assert scheme.MIRROR[37] == 44  # upper lid, outer third
    assert scheme.MIRROR[41] == 46  # lower lid, outer third
    assert scheme.MIRROR[50] == 52
    assert scheme.MIRROR[61] == 63
    assert scheme.MIRROR[67] == 65


def test_groups_partition_the_scheme():
    indices = sorted(index for group in scheme.GROUPS.values() for index in group)
    assert indices == list(range(68))


def test_mirror_points_twice_is_the_identity():
    points = np.random.default_rng(0).uniform(0, 100, (3, 68, 2))
    twice = scheme.mirror_points(scheme.mirror_points(points, 100), 100)
    np.testing.assert_allclose(twice, points, atol=1e-12)


def test_mirrored_pixel_centre_stays_a_pixel_centre():
    points = np.full((68, 2), 0.5, np.float32)
    assert scheme.mirror_points(points, 8)[0, 0] == 7.5


def test_inter_ocular_distance_uses_the_outer_corners():
    points = np.zeros((2, 68, 2))
    points[:, 45] = (3, 4)
    points[1, 36] = np.nan
    distance = scheme.inter_ocular_distance(points)
    assert distance[0] == 5
    assert np.isnan(distance[1])


def test_normalised_error_is_in_inter_ocular_units():
    truth = np.zeros((68, 2))
    truth[45] = (50, 0)
    found = truth + np.array([0, 5])
    np.testing.assert_allclose(scheme.normalised_error(found, truth), 0.1)


@pytest.mark.parametrize("function", [scheme.inter_ocular_distance, lambda p: scheme.mirror_points(p, 10)])
def test_another_number_of_points_is_refused(function):
    with pytest.raises(ValueError, match="68"):
        function(np.zeros((5, 2)))
