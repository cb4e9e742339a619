"""The registry of cues and its contract."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.shared.random_points import random_faces
from fer_au.cues import create_cue, list_cues, load_codebook, render_au_maps
from fer_au.cues.cue import Annotated
from fer_au.errors import ConfigError, UnknownNameError

ANNOTATED = Annotated(
    {"au": np.full((4, 2), 0.5, np.float32), "clusters": np.ones((4, 14, 14), np.uint8)}, {"au_names": "AU1,AU12"}
)


def test_the_cue_of_action_units_is_listed():
    assert "au" in list_cues()


@pytest.mark.parametrize("name", list_cues())
def test_every_cue_keeps_the_contract(name):
    cue = create_cue(name)
    faces = random_faces(4)
    faces[3] = np.nan
    maps, valid = cue.render(faces, ["fear", "anger", "sadness", "fear"], 224, 14, ANNOTATED)
    assert (maps.shape, maps.dtype) == ((4, 14, 14), np.float32)
    assert valid.dtype == np.bool_
    assert valid[:3].all()
    assert bool(valid[3]) == (name == "clusters")  # the one cue that is not drawn from landmarks
    assert not maps[~valid].any()
    assert maps.min() >= 0
    assert maps.max() <= 1
    assert maps[valid].reshape(valid.sum(), -1).any(axis=1).all()
    assert set(cue.needs) <= set(ANNOTATED.columns)
    assert cue.avoid == (name == "background")
    assert cue.fingerprint == create_cue(name).fingerprint
    assert len(cue.fingerprint) == 64


@pytest.mark.parametrize("name", list_cues())
def test_every_cue_is_drawn_alike_in_torch(name):
    cue = create_cue(name)
    faces = random_faces(4).astype(np.float32)
    faces[1] = np.nan
    labels = ["fear", "anger", "sadness", "neutral"]
    maps, valid = cue.render(faces, labels, 224, 14, ANNOTATED)
    in_torch, flags = cue.render(torch.from_numpy(faces), labels, 224, 14, ANNOTATED)
    assert isinstance(in_torch, torch.Tensor)
    assert in_torch.dtype == torch.float32
    np.testing.assert_allclose(in_torch.numpy(), maps, atol=1e-5)
    np.testing.assert_array_equal(flags.numpy(), valid)


def test_cue_au_draws_the_au_maps_of_its_options():
    faces = random_faces(2)
    maps, valid = create_cue("au", codebook="paper", geometry="paper").render(faces, ["fear", "neutral"], 224, 28)
    expected, flags = render_au_maps(faces, ["fear", "neutral"], codebook="paper", geometry="paper")
    np.testing.assert_array_equal(maps, expected)
    np.testing.assert_array_equal(valid, flags)


def test_fingerprints_tell_codebooks_and_geometries_apart():
    options = [("paper", "paper"), ("paper", "corrected"), ("paper-figure", "corrected"), ("corrected", "corrected")]
    cues = [create_cue("au", codebook=codebook, geometry=geometry) for codebook, geometry in options]
    assert len({cue.fingerprint for cue in cues}) == 4
    loaded = create_cue("au", codebook=load_codebook("paper"), geometry="paper")
    assert loaded.fingerprint == cues[0].fingerprint


def test_unknown_names_and_unfit_pairs_are_one_line():
    with pytest.raises(UnknownNameError, match="unknown cue 'aus'; did you mean au"):
        create_cue("aus")
    with pytest.raises(ConfigError, match="can't draw AU11, AU22"):
        create_cue("au", codebook="corrected", geometry="paper")
