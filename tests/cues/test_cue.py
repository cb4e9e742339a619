"""The registry of cues and its contract."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.shared.random_points import random_faces
from fer_au.cues import Codebook, Cue, FaceBatch, Geometry, create_cue, list_cues, load_codebook, render_au_maps
from fer_au.cues.cue import CUES
from fer_au.errors import ConfigError, PartError, UnknownNameError
from fer_au.expressions import EXPRESSIONS

COLUMNS = {"au": (2,), "clusters": (14, 14)}  # shapes of the columns that built-in cues are drawn from


def batch(points: object, labels: list[str], map_size: int = 14) -> FaceBatch:
    columns = {name: np.ones((len(labels), *shape), np.float32) for name, shape in COLUMNS.items()}
    return FaceBatch(points, labels, 224, map_size, columns, {"au_names": "AU1,AU12"})


def test_the_cue_of_action_units_is_listed():
    assert "au" in list_cues()


@pytest.mark.parametrize("name", list_cues())
def test_every_cue_keeps_the_contract(name):
    cue = create_cue(name)
    labels = [*EXPRESSIONS, "fear"]
    faces = random_faces(len(labels))
    faces[-1] = np.nan
    maps, valid = cue.render(batch(faces, labels))
    assert (maps.shape, maps.dtype) == ((len(labels), 14, 14), np.float32)
    assert (valid.shape, valid.dtype) == ((len(labels),), np.bool_)
    assert valid[:-1].any(), "no expression has a map"
    assert bool(valid[-1]) == (not cue.needs_landmarks)
    assert not maps[~valid].any(), "a face without a map must have a map of zeros"
    assert maps.min() >= 0
    assert maps.max() <= 1
    assert maps[valid].any(axis=(1, 2)).all(), "a valid map is empty"
    assert set(cue.needs) <= set(COLUMNS)
    assert cue.name == name


@pytest.mark.parametrize("name", CUES.built_in)
def test_built_in_cues_show_the_six_basic_expressions(name):
    _, valid = create_cue(name).render(batch(random_faces(len(EXPRESSIONS)), [*EXPRESSIONS]))
    without = {label for label, shown in zip(EXPRESSIONS, valid, strict=True) if not shown}
    assert without <= {"neutral", "contempt"}


def test_cues_say_what_is_special_about_them():
    cues = [create_cue(name) for name in CUES.built_in]
    assert [cue.name for cue in cues if cue.avoid] == ["background"]
    assert [cue.name for cue in cues if not cue.needs_landmarks] == ["clusters"]
    assert [cue.name for cue in cues if cue.source == "clusters"] == ["clusters"]
    assert {cue.name: cue.needs for cue in cues if cue.needs} == {"au_active": ("au",), "clusters": ("clusters",)}


@pytest.mark.parametrize("name", list_cues())
def test_every_cue_is_drawn_alike_in_torch(name):
    cue = create_cue(name)
    faces = random_faces(4).astype(np.float32)
    faces[1] = np.nan
    labels = ["fear", "anger", "sadness", "neutral"]
    maps, valid = cue.render(batch(faces, labels))
    in_torch, flags = cue.render(batch(torch.from_numpy(faces), labels))
    assert isinstance(in_torch, torch.Tensor)
    assert in_torch.dtype == torch.float32
    np.testing.assert_allclose(in_torch.numpy(), maps, atol=1e-5)
    np.testing.assert_array_equal(flags.numpy(), valid)


def test_cue_au_draws_the_au_maps_of_its_options():
    faces = random_faces(2)
    cue = create_cue("au", codebook="paper", geometry="paper")
    maps, valid = cue.render(batch(faces, ["fear", "neutral"], 28))
    expected, flags = render_au_maps(faces, ["fear", "neutral"], codebook="paper", geometry="paper")
    np.testing.assert_array_equal(maps, expected)
    np.testing.assert_array_equal(valid, flags)


def test_fingerprints_tell_codebooks_and_geometries_apart():
    options = [("paper", "paper"), ("paper", "corrected"), ("paper-figure", "corrected"), ("corrected", "corrected")]
    cues = [create_cue("au", codebook=codebook, geometry=geometry) for codebook, geometry in options]
    assert len({cue.fingerprint for cue in cues}) == 4
    loaded = create_cue("au", codebook=load_codebook("paper"), geometry="paper")
    assert loaded.fingerprint == cues[0].fingerprint


# Raised by hand alone: every heatmaps.h5 that exists is recognised by them.
FINGERPRINTS = {
    ("corrected", "corrected"): "8d98ba4be49a558d340d6bcc88f132f752cdd6b0cf60cd922d771900d5c3ae22",
    ("paper", "paper"): "7c8f75565c6e9ceaa09e144e85167d8d6969d284694a21a4508e3b3c0f8e7992",
    ("paper", "corrected"): "75398742af7e3a1ddf555adb653171a1b1b282ab5c696f9b72e0c68220d96a73",
    ("paper-figure", "corrected"): "30f3fd0ae95348e25850e42ea10ec1ece2396bbca173f12c0d456984465de441",
}


@pytest.mark.parametrize(("codebook", "geometry"), FINGERPRINTS)
def test_fingerprints_of_the_bundled_profiles_stay(codebook, geometry):
    assert create_cue("au", codebook=codebook, geometry=geometry).fingerprint == FINGERPRINTS[codebook, geometry]


def test_unknown_names_and_unfit_pairs_are_one_line():
    with pytest.raises(UnknownNameError, match="unknown cue 'aus'; did you mean au"):
        create_cue("aus")
    with pytest.raises(ConfigError, match="can't draw AU11, AU22"):
        create_cue("au", codebook="corrected", geometry="paper")


class Middle(Cue):
    """The middle of the picture, in numpy alone, as another package may write it."""

    def draw(self, faces: FaceBatch) -> tuple[np.ndarray, np.ndarray]:
        assert isinstance(faces.points, np.ndarray)
        assert np.isfinite(faces.points).all()
        maps = np.zeros((len(faces), faces.map_size, faces.map_size), np.float32)
        maps[:, 4:10, 4:10] = 1
        return maps, np.ones(len(faces), np.bool_)


@pytest.mark.parametrize("library", [np.asarray, torch.from_numpy])
def test_a_cue_needs_to_know_neither_tensors_nor_missing_landmarks(library):
    faces = random_faces(3).astype(np.float32)
    faces[1, 7] = np.nan
    maps, valid = Middle().render(batch(library(faces), ["fear"] * 3))
    assert type(maps) is type(valid) is type(library(faces))
    assert valid.tolist() == [True, False, True]
    assert maps.sum((1, 2)).tolist() == [36, 0, 36]


def test_a_cue_that_draws_other_shapes_is_one_line():
    class Flat(Middle):
        name = "flat"

        def draw(self, faces: FaceBatch) -> tuple[np.ndarray, np.ndarray]:
            maps, valid = super().draw(faces)
            return maps[0], valid

    with pytest.raises(PartError, match=r"cue 'flat' .* gave maps \(14, 14\) float32, expected \(3, S, S\) float$"):
        Flat().render(batch(random_faces(3), ["fear"] * 3))


@pytest.mark.parametrize("name", list_cues())
def test_options_without_a_use_are_ignored(name):
    assert isinstance(create_cue(name, codebook="paper", geometry="paper"), Cue)


def test_a_geometry_in_numpy_alone_draws_for_tensors():
    class Square(Geometry):
        action_units = frozenset({12})

        def draw(self, points, weights, image_size, map_size):
            assert isinstance(points, np.ndarray)
            assert weights == {12: 0.5}
            maps = np.zeros((len(points), map_size, map_size), np.float32)
            maps[:, 2:4, 2:4] = 1
            return maps, np.ones(len(points), np.bool_)

    faces = torch.from_numpy(random_faces(2))
    book = Codebook("one", {"anger": {12: 0.5}})
    maps, valid = render_au_maps(faces, ["anger", "fear"], codebook=book, geometry=Square())
    assert isinstance(maps, torch.Tensor)
    assert valid.tolist() == [True, False]
    assert maps.sum((1, 2)).tolist() == [4, 0]
