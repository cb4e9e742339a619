from __future__ import annotations

import numpy as np
import pytest

from fer_au.demo.action_units import AU_NAMES, AU_TO_UNITS, displace
from fer_au.demo.asset import HeadAsset
from fer_au.demo.expressions import RECIPES, sample_activation
from fer_au.expressions import EXPRESSIONS


def test_recipes_are_the_seven_basic_expressions_of_known_aus() -> None:
    assert tuple(RECIPES) == EXPRESSIONS[:7]
    assert {au for recipe in RECIPES.values() for au in recipe} <= set(AU_NAMES)


@pytest.mark.parametrize("au", AU_TO_UNITS)
def test_a_symmetric_au_moves_both_sides_alike(asset: HeadAsset, au: str) -> None:
    moved = displace(asset, {au: 0.8}, {au: 0.8})
    assert np.abs(moved).max() > 0.001
    mirrored = moved[asset.mirror] * [-1, 1, 1]
    # The sculpted Left and Right units themselves differ by a few hundredths.
    assert np.abs(mirrored - moved).max() < 0.09 * np.abs(moved).max()


@pytest.mark.parametrize("au", ["AU1", "AU4", "AU12", "AU17"])
def test_a_one_sided_au_leaves_the_other_side_alone(asset: HeadAsset, au: str) -> None:
    moved = np.linalg.norm(displace(asset, {au: 1.0}, {}), axis=1)
    left, right = asset.mean[:, 0] > 0.01, asset.mean[:, 0] < -0.01
    assert moved[left].max() > 0.002
    assert moved[right].max() < 0.35 * moved[left].max()


def test_neutral_is_exactly_neutral() -> None:
    for seed in range(20):
        activation = sample_activation("neutral", np.random.default_rng(seed))
        assert not any(activation.mean_vector())


def test_intensities_are_bounded_varied_and_differ_between_the_sides() -> None:
    drawn = [sample_activation("happiness", np.random.default_rng(seed)) for seed in range(200)]
    smiles = np.array([(a.left["AU12"], a.right["AU12"]) for a in drawn])
    assert smiles.min() > 0.2
    assert smiles.max() <= 1
    assert smiles.std() > 0.1
    assert np.abs(smiles[:, 0] - smiles[:, 1]).mean() > 0.02
    assert 0.05 < np.mean(["AU25" not in a.left for a in drawn]) < 0.6


def name_expression(intensities: dict[str, float]) -> str:
    """The expression whose expected AU vector is most like the given one; weak ones are neutral."""
    values = np.array([intensities[au] for au in AU_NAMES])
    if values.max() < 0.2:
        return "neutral"
    scores = {}
    for expression, recipe in RECIPES.items():
        chances = np.array([recipe.get(au, (0.0, 0.0, 0.0)) for au in AU_NAMES])
        expected = chances[:, 0] * chances[:, 1:].mean(axis=1)
        if expected.any():
            scores[expression] = float(expected @ values / np.linalg.norm(expected))
    return max(scores, key=scores.__getitem__)


def test_the_label_can_be_told_from_the_au_vector() -> None:
    right = [
        name_expression(
            dict(zip(AU_NAMES, sample_activation(label, np.random.default_rng([n, k])).mean_vector(), strict=True))
        )
        == label
        for n, label in enumerate(RECIPES)
        for k in range(100)
    ]
    assert np.mean(right) > 0.97
