from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fer_au.config.experiments import AugmentConfig
from fer_au.config.reading import validate
from fer_au.errors import ConfigError
from fer_au.training.augment import Augmenter
from fer_au.training.mixing import Mix, draw_mix, partners
from fer_au.training.pull import Targets

CPU = torch.device("cpu")
RIGHT_HALF = Mix(0.5, (0.0, 1.0, 0.5, 1.0))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(count: int, **changes: float) -> list[Mix | None]:
    generator = seeded()
    config = AugmentConfig.model_validate(changes)
    return [draw_mix(config, generator) for _ in range(count)]


def targets(valid: list[bool], size: int = 8) -> Targets:
    maps = torch.rand(len(valid), size, size, generator=seeded(3))
    return Targets(maps, torch.tensor(valid))


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [0]), (2, [1, 0]), (3, [1, 0, 1]), (6, [1, 0, 3, 2, 5, 4]), (5, [1, 0, 3, 2, 3])]
)
def test_partners_are_neighbours(count: int, expected: list[int]) -> None:
    assert partners(count, CPU).tolist() == expected


def test_mixup_blends_images_labels_and_maps_alike() -> None:
    mix = Mix(0.7)
    images, shares = torch.rand(4, 3, 6, 6, generator=seeded(1)), torch.eye(4)
    cue = targets([True] * 4)
    other = [1, 0, 3, 2]
    assert torch.allclose(mix.images(images), 0.7 * images + 0.3 * images[other])
    assert torch.allclose(mix.shares(shares), 0.7 * shares + 0.3 * shares[other])
    mixed = mix.targets(cue)
    assert torch.allclose(mixed.maps, 0.7 * cue.maps + 0.3 * cue.maps[other])
    assert mixed.valid.all()
    assert mixed.known is not None
    assert torch.allclose(mixed.known, torch.ones(4, 8, 8))


def test_cutmix_pastes_the_same_rectangle_of_image_and_map() -> None:
    images = torch.arange(2.0)[:, None, None, None].expand(2, 3, 8, 8)
    cue = Targets(torch.arange(2.0)[:, None, None].expand(2, 4, 4), torch.ones(2, dtype=torch.bool))
    pasted = RIGHT_HALF.images(images)
    assert (pasted[0, :, :, :4] == 0).all()
    assert (pasted[0, :, :, 4:] == 1).all()
    assert torch.equal(RIGHT_HALF.targets(cue).maps[0], torch.tensor([0.0, 0, 1, 1]).expand(4, 4))
    assert torch.equal(RIGHT_HALF.shares(torch.eye(2)), torch.full((2, 2), 0.5))


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(4, 40), st.integers(4, 40))
def test_what_stays_is_the_area_on_a_grid_of_any_size(seed: int, height: int, width: int) -> None:
    for mode in ("cutmix", "mixup"):
        mix = draw_mix(AugmentConfig.model_validate({mode: 1.0}), seeded(seed))
        assert mix is not None
        assert (mix.box is None) == (mode == "mixup")
        own = mix.own(height, width)
        assert own.shape == (height, width)
        assert float(own.mean()) == pytest.approx(mix.stays, abs=1e-5)
        assert 0 <= float(own.min()) <= float(own.max()) <= 1


def test_batches_are_mixed_in_the_asked_shares_and_ratios() -> None:
    mixes = drawn(2000, mixup=0.3, cutmix=0.5, mixup_alpha=0.2)
    pasted = [mix for mix in mixes if mix and mix.box]
    blended = [mix.stays for mix in mixes if mix and not mix.box]
    assert len(pasted) / 2000 == pytest.approx(0.5, abs=0.04)
    assert len(blended) / 2000 == pytest.approx(0.3, abs=0.04)
    deviation = math.sqrt(0.2 * 0.2 / (0.4**2 * 1.4))  # of Beta(0.2, 0.2)
    assert torch.tensor(blended).mean() == pytest.approx(0.5, abs=0.05)
    assert torch.tensor(blended).std() == pytest.approx(deviation, abs=0.02)
    sides = [bottom - top for top, bottom, _, _ in (mix.box for mix in pasted if mix.box)]
    assert 0 <= min(sides) < 0.1 < 0.8 < max(sides) <= 1


def test_without_mixing_nothing_is_drawn() -> None:
    generator = seeded()
    state = generator.get_state()
    assert draw_mix(AugmentConfig(), generator) is None
    assert torch.equal(generator.get_state(), state)


@pytest.mark.parametrize("mix", [RIGHT_HALF, Mix(0.6)], ids=["cutmix", "mixup"])
@pytest.mark.parametrize("neutral", [0.0, math.nan, math.inf])
def test_a_neutral_partner_leaves_its_host_the_guidance(mix: Mix, neutral: float) -> None:
    cue = targets([True, False])
    cue.maps[1] = neutral  # a face without a map may hold anything
    mixed = mix.targets(cue)
    assert mixed.valid.tolist() == [True, True]
    assert mixed.known is not None
    assert mixed.maps.isfinite().all()
    seen = mixed.known > 0
    # Where the host's cue is known it is the host's, unweakened; elsewhere it is unknown, and not "nowhere".
    assert torch.allclose(mixed.maps[0][seen[0]], cue.maps[0][seen[0]])
    assert torch.allclose(mixed.maps[1][seen[1]], cue.maps[0][seen[1]])
    assert torch.allclose(mixed.known[0], mix.own(8, 8), atol=1e-6)
    assert torch.allclose(mixed.known[1], 1 - mix.own(8, 8), atol=1e-6)
    assert not mixed.maps[~seen].any()


def test_two_faces_without_a_cue_have_none_together() -> None:
    mixed = RIGHT_HALF.targets(targets([False, False]))
    assert not mixed.valid.any()
    assert not mixed.maps.any()


def test_a_cue_outside_the_visible_part_makes_no_image_valid() -> None:
    everything = Mix(0.0, (0.0, 1.0, 0.0, 1.0))
    assert everything.targets(targets([True, False])).valid.tolist() == [False, True]


def test_what_was_unknown_before_stays_unknown() -> None:
    known = torch.ones(2, 8, 8)
    known[0, :4] = 0
    mixed = Mix(0.5).targets(targets([True, True])._replace(known=known))
    assert mixed.known is not None
    assert torch.allclose(mixed.known[0, :4], torch.full((4, 8), 0.5))
    assert torch.allclose(mixed.known[0, 4:], torch.ones(4, 8))


def test_more_mixing_than_batches_is_a_clear_error() -> None:
    with pytest.raises(ConfigError, match=r"train\.augment\.cutmix: should be 0\.4 at most beside mixup 0\.6"):
        validate(AugmentConfig, {"mixup": 0.6, "cutmix": 0.5}, "train.augment", "params.yaml")


def test_equal_generators_mix_alike() -> None:
    first, again = drawn(20, mixup=0.5, cutmix=0.5), drawn(20, mixup=0.5, cutmix=0.5)
    assert first == again
    assert len({mix.stays for mix in first if mix}) > 15


def one_batch(images: Tensor, **changes: float) -> Tensor:
    still = {"flip": 0, "rotate": 0, "scale": (1, 1), "shift": 0, "brightness": 0, "contrast": 0, "saturation": 0}
    augmenter = Augmenter(AugmentConfig.model_validate({**still, "grayscale": 0, "erase": 0, **changes}))
    return augmenter(images, [], augmenter.draw(len(images), seeded()))[0]


def test_noise_is_gaussian_of_the_asked_deviation_and_each_image_has_its_own() -> None:
    noise = one_batch(torch.full((4, 3, 64, 64), 0.5), noise=0.05) - 0.5
    assert noise.std().item() == pytest.approx(0.05, rel=0.03)
    assert abs(noise.mean().item()) < 1e-3
    assert torch.corrcoef(noise.flatten(1)).triu(1).abs().max() < 0.05
    assert one_batch(torch.ones(2, 3, 8, 8), noise=0.5).max() == 1
