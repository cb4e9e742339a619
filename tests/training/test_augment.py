from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from fer_au.batches.preprocess import LUMA
from fer_au.batches.similarities import invert, random_similarities, warp
from fer_au.config.experiments import AugmentConfig
from fer_au.config.reading import validate
from fer_au.errors import ConfigError
from fer_au.training.augment import Augmenter, change_colours, erase_rectangles

OFF = {
    "flip": 0, "rotate": 0, "scale": (1, 1), "shift": 0,
    "brightness": 0, "contrast": 0, "saturation": 0, "grayscale": 0, "erase": 0,
}  # fmt: skip


def augment(augmenter, images, maps, generator):
    return augmenter(images, maps, augmenter.draw(len(images), generator))


def config(**changes: object) -> AugmentConfig:
    return AugmentConfig.model_validate({**OFF, **changes})


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blob(size: int, x: float, y: float, radius: float = 0.08) -> Tensor:
    """(size, size): a spot at x, y, shares of the side, pixel i covering [i, i + 1)."""
    cells = (torch.arange(size) + 0.5) / size
    return torch.exp(-((cells[None, :] - x) ** 2 + (cells[:, None] - y) ** 2) / (2 * radius**2))


def centre(spot: Tensor) -> Tensor:
    """Centre of mass, xy as shares of the side."""
    cells = (torch.arange(spot.shape[-1]) + 0.5) / spot.shape[-1]
    return torch.stack([(spot.sum(0) * cells).sum(), (spot.sum(1) * cells).sum()]) / spot.sum()


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from([14, 28, 37, 64]), st.floats(0.4, 0.6), st.floats(0.4, 0.6))
def test_a_blob_in_image_and_map_stays_together_at_any_map_size(seed: int, size: int, x: float, y: float) -> None:
    augmenter = Augmenter(config(flip=0.5, rotate=30, scale=(0.8, 1.2), shift=0.1))
    images = blob(112, x, y).expand(4, 3, 112, 112)
    moved, (maps,) = augment(augmenter, images, [blob(size, x, y).expand(4, size, size)], seeded(seed))
    for image, spot in zip(moved, maps, strict=True):
        assert torch.allclose(centre(image[0]), centre(spot), atol=0.006)


def test_similarity_moves_points_as_it_says() -> None:
    settings_ = config(flip=0.5, rotate=40, scale=(0.7, 1.3), shift=0.2)
    matrices = random_similarities(8, settings_, seeded(3))
    x, y = 0.55, 0.42
    expected = matrices @ torch.tensor([2 * x - 1, 2 * y - 1, 1.0])
    moved = warp(blob(64, x, y, 0.04).expand(8, 1, 64, 64), matrices, "zeros")
    for spot, place in zip(moved, expected, strict=True):
        assert torch.allclose(2 * centre(spot[0]) - 1, place, atol=0.01)


def test_mirror_is_exact_for_image_and_map() -> None:
    images, maps = torch.rand(2, 3, 32, 32, generator=seeded(1)), torch.rand(2, 28, 28, generator=seeded(2))
    flipped, (flipped_maps,) = augment(Augmenter(config(flip=1)), images, [maps], seeded())
    assert torch.allclose(flipped, images.flip(3), atol=1e-5)
    assert torch.allclose(flipped_maps, maps.flip(2), atol=1e-5)


def test_rotation_is_counted_once_and_scale_zooms_in() -> None:
    matrices = random_similarities(500, config(rotate=20, scale=(1.1, 1.5)), seeded())
    scale = torch.linalg.det(matrices[:, :, :2]).sqrt()
    angle = torch.atan2(matrices[:, 1, 0], matrices[:, 0, 0]).rad2deg()
    assert 1.1 <= scale.min() < 1.12
    assert 1.48 < scale.max() <= 1.5
    assert -20 <= angle.min() < -19
    assert 19 < angle.max() <= 20


def test_without_any_change_a_batch_comes_back_as_it_was() -> None:
    images, maps = torch.rand(3, 3, 20, 20, generator=seeded(1)), torch.rand(3, 9, 9, generator=seeded(2))
    same, (same_maps,) = augment(Augmenter(config()), images, [maps], seeded())
    assert torch.allclose(same, images, atol=1e-5)
    assert torch.allclose(same_maps, maps, atol=1e-5)


def test_equal_seeds_repeat_the_augmentation_and_others_differ() -> None:
    images = torch.rand(4, 3, 24, 24, generator=seeded(1))
    runs = [augment(Augmenter(AugmentConfig()), images, [], seeded(s))[0] for s in (5, 5, 6)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_samples_of_one_batch_are_moved_differently() -> None:
    images = blob(32, 0.5, 0.5).expand(6, 3, 32, 32)
    moved, _ = augment(Augmenter(config(shift=0.2)), images, [], seeded())
    places = torch.stack([centre(image[0]) for image in moved])
    assert places.std(0).min() > 0.02


def test_colours_change_the_image_and_never_the_map() -> None:
    images, maps = torch.rand(4, 3, 16, 16, generator=seeded(1)), torch.rand(4, 8, 8, generator=seeded(2))
    changed, (same,) = augment(
        Augmenter(config(brightness=0.4, contrast=0.4, saturation=0.4, erase=1)), images, [maps], seeded()
    )
    assert torch.allclose(same, maps, atol=1e-5)
    assert (changed - images).abs().mean() > 0.02
    assert changed.min() >= 0
    assert changed.max() <= 1


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_each_colour_change_is_what_its_name_says(name: str) -> None:
    images = 0.3 + 0.3 * torch.rand(6, 3, 16, 16, generator=seeded(1))  # far from the clamp
    changed = change_colours(images, config(**{name: 0.3}), torch.rand(6, 6, generator=seeded()))
    luma = torch.tensor(LUMA)[:, None, None]
    grey, changed_grey = (images * luma).sum(1), (changed * luma).sum(1)
    if name == "brightness":
        ratio = (changed / images).flatten(1)
        assert torch.allclose(ratio, ratio[:, :1].expand_as(ratio), atol=1e-4)
    elif name == "contrast":
        ratio = changed.flatten(1).std(1) / images.flatten(1).std(1)
        assert torch.allclose(changed_grey.mean((1, 2)), grey.mean((1, 2)), atol=1e-5)
    else:
        ratio = (changed - changed_grey[:, None]).flatten(1).norm(dim=1) / (images - grey[:, None]).flatten(1).norm(
            dim=1
        )
        assert torch.allclose(changed_grey, grey, atol=1e-5)
    assert ratio.min() >= 0.699
    assert ratio.max() <= 1.301
    assert ratio.std() > 0.05


def test_hue_turns_colours_and_keeps_luma_and_grey() -> None:
    images = 0.4 + 0.1 * torch.rand(40, 3, 8, 8, generator=seeded(1))  # far from the clamp
    images[0] = 0.5
    uniform = torch.rand(40, 6, generator=seeded())
    changed = change_colours(images, config(hue=0.25), uniform)
    luma = torch.tensor(LUMA)[:, None, None]
    assert torch.allclose((changed * luma).sum(1), (images * luma).sum(1), atol=1e-5)
    assert torch.allclose(changed[0], images[0], atol=1e-5)
    angles = [[colour_angle(one) for one in batch] for batch in (images[1:], changed[1:])]
    turns = (torch.stack(angles[1]) - torch.stack(angles[0]) + math.pi) % (2 * math.pi) - math.pi
    wanted = 2 * math.pi * 0.25 * (2 * uniform[1:, 4] - 1)
    assert torch.allclose(turns, wanted[:, None, None].expand_as(turns), atol=2e-3)
    back = uniform.clone()
    back[:, 4] = 1 - back[:, 4]
    assert torch.allclose(change_colours(changed, config(hue=0.25), back), images, atol=1e-5)


def colour_angle(image: torch.Tensor) -> torch.Tensor:
    """Where on the colour circle each pixel lies, by NTSC's I and Q."""
    i = (torch.tensor([0.595716, -0.274453, -0.321263])[:, None, None] * image).sum(0)
    q = (torch.tensor([0.211456, -0.522591, 0.311135])[:, None, None] * image).sum(0)
    return torch.atan2(q, i)


def test_jitter_is_the_share_of_images_whose_colours_change() -> None:
    images = torch.rand(500, 3, 6, 6, generator=seeded(1))
    some = config(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, jitter=0.7)
    changed = change_colours(images, some, torch.rand(500, 6, generator=seeded()))
    share = (changed - images).abs().flatten(1).amax(1).gt(1e-3).float().mean()
    assert 0.63 < share < 0.77


def test_what_is_off_draws_nothing() -> None:
    plain, hued = config(brightness=0.3), config(brightness=0.3, hue=0.1)
    states = []
    for options in (plain, hued):
        generator = seeded()
        draws = Augmenter(options).draw(4, generator)
        states.append((draws.colours, generator.get_state()))
    assert torch.equal(states[0][0][:, :4], states[1][0][:, :4])
    assert not torch.equal(states[0][1], states[1][1])
    assert not states[0][0][:, 4:].any()


def test_grayscale_makes_all_channels_equal() -> None:
    grey = change_colours(torch.rand(3, 3, 8, 8, generator=seeded(1)), config(grayscale=1), torch.rand(3, 6))
    assert torch.allclose(grey[:, 0], grey[:, 1], atol=1e-6)
    assert torch.allclose(grey[:, 0], grey[:, 2], atol=1e-6)


@pytest.mark.parametrize("area", [(0.02, 0.2), (0.25, 0.4)])
def test_erasing_paints_one_rectangle_of_one_colour_in_the_asked_share_of_images(area: tuple[float, float]) -> None:
    images = torch.full((400, 3, 40, 40), -1.0)
    uniform, paint = torch.rand(400, 5, generator=seeded(1)), torch.rand(400, 3, generator=seeded(2))
    erased = erase_rectangles(images, config(erase=0.3, erase_area=area), uniform, paint)
    hit = (erased != -1).all(1)
    share = hit.flatten(1).any(1).float().mean()
    assert 0.22 < share < 0.38
    for image, mask in zip(erased, hit, strict=True):
        if mask.any():
            rows, columns = mask.any(1).sum(), mask.any(0).sum()
            assert int(mask.sum()) == int(rows * columns)
            assert image[:, mask].std(1).max() < 1e-6
            assert 0.25 * area[0] < mask.float().mean() < area[1] + 0.05


@pytest.mark.parametrize("key", ["scale", "erase_area"])
def test_a_reversed_range_is_a_clear_error(key: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"train\.augment\.{key}: should be \(smallest, largest\), got \[0\.9, 0\.2\]$"
    ):
        validate(AugmentConfig, {key: [0.9, 0.2]}, "train.augment", "params.yaml")


def test_views_of_a_face_are_moved_coloured_and_erased_alike() -> None:
    face = torch.rand(6, 3, 24, 24, generator=seeded(1))
    augmenter = Augmenter(AugmentConfig(erase=0.5))
    draws = augmenter.draw(6, seeded())
    alone, _ = augmenter(face, [], draws)
    pair, _ = augmenter(torch.cat([face, face.flip(0)], dim=1), [], draws)
    assert torch.allclose(pair[:, :3], alone, atol=1e-6)
    twins, _ = augmenter(torch.cat([face, face], dim=1), [], draws)
    assert torch.equal(twins[:, :3], twins[:, 3:])


def test_a_part_of_a_batch_sees_what_it_would_see_in_the_whole() -> None:
    images, maps = torch.rand(7, 3, 24, 24, generator=seeded(1)), torch.rand(7, 9, 9, generator=seeded(2))
    augmenter = Augmenter(AugmentConfig(noise=0.1, erase=0.5, mixup=1.0))
    draws = augmenter.draw(7, seeded())
    whole, (whole_maps,) = augmenter(images, [maps], draws)
    for rows in (slice(0, 4), slice(4, 7)):
        part, (part_maps,) = augmenter(images[rows], [maps[rows]], draws.part(rows))
        assert torch.allclose(part, whole[rows], atol=1e-6)
        assert torch.allclose(part_maps, whole_maps[rows], atol=1e-6)
        assert draws.part(rows).mix == draws.mix


def test_warp_agrees_with_torchs_affine_grid() -> None:
    matrices = random_similarities(5, config(flip=0.5, rotate=40, scale=(0.7, 1.3), shift=0.2), seeded(4))
    images = torch.rand(5, 3, 20, 31, generator=seeded(5))
    grid = functional.affine_grid(invert(matrices), [5, 3, 20, 31], align_corners=False)
    expected = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    assert torch.allclose(warp(images, matrices, "border"), expected, atol=1e-5)
