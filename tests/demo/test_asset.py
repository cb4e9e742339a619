from __future__ import annotations

import hashlib

import numpy as np

from fer_au.demo.action_units import AU_TO_UNITS
from fer_au.demo.asset import ASSET, HeadAsset
from fer_au.demo.landmarks68 import load_landmarks
from fer_au.ibug68 import MIRROR


def test_the_licence_note_names_the_bundled_file() -> None:
    note = ASSET.with_name("HEAD_ASSET.md").read_text(encoding="utf-8")
    assert hashlib.sha256(ASSET.read_bytes()).hexdigest() in note
    assert ASSET.stat().st_size <= 1_500_000


def test_all_52_face_units_are_there_and_move_something(asset: HeadAsset) -> None:
    assert len(asset.units) == 52
    assert all(len(unit.index) > 10 for unit in asset.units.values())


def test_every_au_is_made_of_known_units(asset: HeadAsset) -> None:
    for shares in AU_TO_UNITS.values():
        for name in shares:
            sides = [name[:-1] + "Left", name[:-1] + "Right"] if name.endswith("*") else [name]
            assert all(side in asset.units for side in sides)


def test_the_mirror_permutation_is_its_own_inverse_and_flips_x(asset: HeadAsset) -> None:
    np.testing.assert_array_equal(asset.mirror[asset.mirror], np.arange(len(asset.mean)))
    flipped = asset.mean[asset.mirror] * [-1, 1, 1]
    assert np.abs(flipped - asset.mean)[asset.mean[:, 1] > -0.13].max() < 0.003  # the mean person is slightly lopsided


def test_people_differ_in_shape(asset: HeadAsset) -> None:
    first, second = asset.identity_shape(0), asset.identity_shape(1)
    assert np.linalg.norm(first - second, axis=1).mean() > 0.001


def test_the_landmark_table_is_mirror_symmetric(asset: HeadAsset) -> None:
    table = load_landmarks()
    np.testing.assert_allclose(table.weights.sum(axis=1), 1, atol=1e-5)
    for point, partner in enumerate(MIRROR):
        own = dict(zip(asset.mirror[table.vertices[point]].tolist(), table.weights[point].tolist(), strict=True))
        other = dict(zip(table.vertices[partner].tolist(), table.weights[partner].tolist(), strict=True))
        assert own == other, f"point {point}"
