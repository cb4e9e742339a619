"""What `render_au_maps` promises for every geometry and both array libraries."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.shared.random_points import random_faces
from fer_au.cues import FaceBatch, create_cue, create_geometry, list_geometries, load_codebook, render_au_maps
from fer_au.errors import ConfigError, DataError, UnknownNameError
from fer_au.expressions import EXPRESSIONS

PROFILES = ["corrected", "paper"]
LABELS = [EXPRESSIONS[i % 7] for i in range(40)]


def render(points, labels, profile, **options):
    return render_au_maps(points, labels, codebook=profile, geometry=profile, **options)


@pytest.mark.parametrize("profile", PROFILES)
def test_maps_are_float32_in_0_to_1_with_a_peak_of_1_where_valid(profile):
    maps, valid = render(random_faces(40), LABELS, profile)
    assert (maps.dtype, maps.shape) == (np.float32, (40, 28, 28))
    assert (valid.dtype, valid.shape) == (np.bool_, (40,))
    assert valid.tolist() == [label != "neutral" for label in LABELS]
    assert maps.min() == 0
    assert (maps[valid].max((1, 2)) == 1).all()
    assert not maps[~valid].any()


@pytest.mark.parametrize("label", ["neutral", "contempt"])
@pytest.mark.parametrize("profile", PROFILES)
def test_labels_without_an_entry_give_no_map(profile, label):
    maps, valid = render(random_faces(1), [label], profile)
    assert not valid.any()
    assert not maps.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("profile", PROFILES)
def test_one_bad_coordinate_spoils_its_own_face_only(profile, bad):
    faces = random_faces(3)
    expected, _ = render(faces, ["fear"] * 3, profile)
    faces[1, 64, 1] = bad  # a point that no action unit of fear uses
    maps, valid = render(faces, ["fear"] * 3, profile)
    assert valid.tolist() == [True, False, True]
    assert not maps[1].any()
    np.testing.assert_array_equal(maps[[0, 2]], expected[[0, 2]])


@pytest.mark.parametrize("profile", PROFILES)
def test_a_batch_equals_its_faces_one_by_one(profile):
    faces = random_faces(40)
    maps, valid = render(faces, LABELS, profile)
    singles = [render(faces[i : i + 1], LABELS[i : i + 1], profile) for i in range(40)]
    np.testing.assert_allclose(maps, np.concatenate([drawn for drawn, _ in singles]), atol=1e-6)
    np.testing.assert_array_equal(valid, np.concatenate([flag for _, flag in singles]))


@pytest.mark.parametrize("profile", PROFILES)
def test_large_batches_are_drawn_in_blocks_with_the_same_result(profile):
    faces = np.tile(random_faces(10), (60, 1, 1))
    maps, valid = render(faces, ["fear"] * 600, profile)
    np.testing.assert_allclose(maps, np.tile(maps[:10], (60, 1, 1)), atol=1e-6)
    assert valid.all()


@pytest.mark.parametrize("size", [7, 28, 56])
@pytest.mark.parametrize("profile", PROFILES)
def test_torch_gives_what_numpy_gives(profile, size):
    torch = pytest.importorskip("torch")
    faces = random_faces(40).astype(np.float32)
    faces[3, 0, 0] = np.nan
    maps, valid = render(faces, LABELS, profile, map_size=size)
    other, flags = render(torch.from_numpy(faces), LABELS, profile, map_size=size)
    assert isinstance(other, torch.Tensor)
    assert (other.dtype, flags.dtype) == (torch.float32, torch.bool)
    np.testing.assert_allclose(other.numpy(), maps, atol=1e-5)
    np.testing.assert_array_equal(flags.numpy(), valid)


@pytest.mark.parametrize("profile", PROFILES)
def test_torch_never_passes_through_numpy(profile):
    # The meta device has no values: converting one of its tensors to numpy, or reading one, raises.
    torch = pytest.importorskip("torch")
    maps, valid = render(torch.zeros((40, 68, 2), device="meta"), LABELS, profile)
    assert (maps.device.type, maps.shape, maps.dtype) == ("meta", (40, 28, 28), torch.float32)
    assert (valid.device.type, valid.shape, valid.dtype) == ("meta", (40,), torch.bool)


@pytest.mark.parametrize("profile", PROFILES)
def test_autocast_and_gradients_do_not_change_the_maps(profile):
    torch = pytest.importorskip("torch")
    faces = random_faces(40).astype(np.float32)
    expected, _ = render(torch.from_numpy(faces), LABELS, profile)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps, _ = render(torch.from_numpy(faces).requires_grad_(), LABELS, profile)
    assert not maps.requires_grad
    assert torch.equal(maps, expected)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_callers_points_are_left_alone(profile):
    faces = random_faces(5).astype(np.float32)
    copy = faces.copy()
    render(faces, LABELS[:5], profile)
    np.testing.assert_array_equal(faces, copy)


@pytest.mark.parametrize("profile", PROFILES)
def test_an_empty_batch_gives_empty_maps(profile):
    maps, valid = render(np.empty((0, 68, 2)), [], profile)
    assert (maps.shape, valid.shape) == ((0, 28, 28), (0,))


def test_numpy_maps_need_neither_torch_nor_opencv():
    code = (
        "import sys, numpy as np\n"
        "from fer_au.cues import render_au_maps, list_cues, render_dataset\n"
        "from fer_au.ibug68 import MEAN_FACE\n"
        "render_au_maps(112 + 64 * MEAN_FACE[None], ['fear'])\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'cv2', 'dlib', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("shape", [(68, 2), (3, 67, 2), (3, 68, 3)])
def test_points_of_another_shape_are_refused(shape):
    with pytest.raises(DataError, match=r"points: expected an array \(N, 68, 2\)"):
        render_au_maps(np.zeros(shape), ["fear"] * 3)


def test_labels_of_another_number_are_refused():
    with pytest.raises(DataError, match="labels: expected one for each of 2 faces, got 3"):
        render_au_maps(random_faces(2), ["fear"] * 3)


@pytest.mark.parametrize("options", [{"image_size": 0}, {"map_size": 0}])
def test_sizes_must_be_positive(options):
    with pytest.raises(DataError, match=r"size: expected a .*number greater than 0, got 0"):
        render_au_maps(random_faces(1), ["fear"], **options)


def test_an_unknown_geometry_names_near_ones():
    with pytest.raises(UnknownNameError, match=r"'correct'; did you mean corrected\?"):
        render_au_maps(random_faces(1), ["fear"], geometry="correct")


def test_action_units_that_a_geometry_can_not_draw_are_named():
    with pytest.raises(ConfigError, match="geometry 'paper' can't draw AU11, AU22 of codebook 'corrected'"):
        render_au_maps(random_faces(1), ["fear"], codebook="corrected", geometry="paper")


@pytest.mark.parametrize("name", list_geometries())
def test_every_geometry_keeps_the_contract(name):
    geometry = create_geometry(name)
    assert geometry.name == name
    assert geometry.version >= 1
    points = random_faces(5).astype(np.float32)
    for unit in sorted(geometry.action_units):
        for size in (7, 28, 33):
            maps, valid = geometry.draw(points, {unit: 0.5}, 224, size)
            assert (maps.shape, maps.dtype) == ((5, size, size), np.float32)
            assert (valid.shape, valid.dtype) == ((5,), np.bool_)
            assert (maps.min() >= 0, maps[valid].max((1, 2)).tolist()) == (True, [1.0] * int(valid.sum()))


@settings(max_examples=60)
@given(
    points=arrays(
        np.float32,
        (3, 68, 2),
        elements=st.floats(-2000, 2000, width=32) | st.sampled_from([np.nan, np.inf, 0.0, 112.0]),
    ),
    scale=st.sampled_from([0.0, 1e-6, 0.01, 1.0, 1e3]),
    expression=st.sampled_from(sorted(load_codebook("paper").expressions)),
    profile=st.sampled_from(PROFILES),
    size=st.sampled_from([1, 7, 28]),
)
def test_any_points_give_finite_maps_in_range(points, scale, expression, profile, size):
    with np.errstate(invalid="ignore"):
        points = points * np.float32(scale)
    cue = create_cue("au", codebook=profile, geometry=profile)  # as the pipeline draws, whatever was extracted
    maps, valid = cue.render(FaceBatch(points, [expression] * 3, 224, size))
    assert np.isfinite(maps).all()
    assert maps.min() >= 0
    assert maps.max() <= 1
    assert (maps[valid].max((1, 2)) == 1).all()
    assert not maps[~valid].any()
