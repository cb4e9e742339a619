"""The registry of cues and its contract."""

from __future__ import annotations

import numpy as np
import pytest

from fer_au.cues import create_cue, list_cues, load_codebook, render_au_maps
from fer_au.errors import ConfigError, UnknownNameError

from .faces import random_faces


def test_the_cue_of_action_units_is_listed():
    assert "au" in list_cues()


@pytest.mark.parametrize("name", list_cues())
def test_every_cue_keeps_the_contract(name):
    cue = create_cue(name)
    faces = random_faces(4)
    faces[3] = np.nan
    maps, valid = cue.render(faces, ["fear", "anger", "sadness", "fear"], 224, 14)
    assert (maps.shape, maps.dtype) == ((4, 14, 14), np.float32)
    assert valid.dtype == np.bool_
    assert not valid[3]
    assert maps.min() >= 0
    assert maps.max() <= 1
    assert cue.fingerprint == create_cue(name).fingerprint
    assert len(cue.fingerprint) == 64


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
