from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fer_au.config.robustness import DISTURBANCES
from fer_au.cues.regions import REGIONS, region_coverage, region_labels
from fer_au.evaluation.covering import FEATURES, cover, elsewhere, region_mask, skin
from fer_au.evaluation.disturbances import TABLE, Disturbed, Faces, Pictures, darken, shrink, swap_backgrounds
from fer_au.ibug68 import MEAN_FACE

SIDE, COUNT = 96, 4


def made(seed: int) -> Pictures:
    """Faces with texture at every scale, in slightly different places."""
    rng = np.random.default_rng(seed)
    points = MEAN_FACE * 40 + [SIDE / 2, 36] + rng.normal(0, 1.5, (COUNT, 1, 2))
    images = torch.from_numpy(rng.random((COUNT, 3, SIDE, SIDE), np.float32))
    smooth = torch.nn.functional.interpolate(images[:, :, ::12, ::12], size=(SIDE, SIDE), mode="bicubic")
    labels = torch.from_numpy(region_labels(points, SIDE, SIDE))
    return Pictures((0.6 * smooth + 0.4 * images).clamp(0, 1), labels)


@pytest.fixture(scope="module")
def faces() -> Faces:
    return Faces(tuple(f"face-{n}" for n in range(COUNT)), made(0), made(1), made(2))


def inside(pictures: Pictures, *regions: str) -> torch.Tensor:
    return torch.isin(pictures.regions, torch.tensor([REGIONS.index(region) for region in regions]))


@pytest.mark.parametrize("name", DISTURBANCES)
def test_pictures_change_more_with_the_strength_and_stay_pictures(name: str, faces: Faces) -> None:
    changes = []
    for disturbed in TABLE[name](faces):
        assert disturbed.images.shape == faces.images.shape
        assert disturbed.images.min() > -1e-5
        assert disturbed.images.max() < 1 + 1e-5
        changes.append((disturbed.images - faces.images).abs().mean(dim=(1, 2, 3)))
    steps = torch.stack(changes)
    assert len(steps) == len(TABLE[name].card.strengths) == 5
    assert (steps[0] > 0).all()
    if name != "moved":  # of noise, any place is as far away as any other
        assert (steps[1:] > steps[:-1]).all()


def test_the_points_move_with_the_picture() -> None:
    images = torch.zeros(1, 3, SIDE, SIDE)
    images[:, :, 40:44, 56:60] = 1
    spot = torch.tensor([[[58.0, 42.0]]])
    faces = Faces(("a",), Pictures(images, torch.full((1, SIDE, SIDE), -1)))
    last = 0.0
    for disturbed in TABLE["moved"](faces):
        heat = disturbed.images[0, 0]
        grid = torch.arange(SIDE) + 0.5
        centre = torch.stack([(heat.sum(0) * grid).sum(), (heat.sum(1) * grid).sum()]) / heat.sum()
        moved = disturbed.move_points(spot, SIDE)[0, 0]
        torch.testing.assert_close(moved, centre, atol=0.3, rtol=0)
        distance = float((moved - spot[0, 0]).norm())
        assert distance > last
        last = distance
    assert torch.equal(Disturbed(images).move_points(spot, SIDE), spot)


def test_each_id_moves_in_a_direction_of_its_own(faces: Faces) -> None:
    (*_, strongest) = TABLE["moved"](faces)
    assert strongest.moves is not None
    assert len({tuple(move.ravel().tolist()) for move in strongest.moves}) == COUNT
    (*_, again) = TABLE["moved"](faces.part(torch.tensor([2])))
    assert again.moves is not None
    assert torch.equal(again.moves[0], strongest.moves[2])


@pytest.mark.parametrize("region", FEATURES)
def test_a_covered_region_is_gone_and_the_rest_of_the_face_stays(region: str, faces: Faces) -> None:
    (*_, strongest) = TABLE[f"{region}_occluded"](faces)  # type: ignore[index]
    change = (strongest.images - faces.images).abs().amax(dim=1)
    covered = inside(faces.pictures, region)
    assert change[covered].mean() > 0.1
    assert change[inside(faces.pictures, "background")].max() < 0.5
    far = region_mask(faces.pictures.regions, region)[:, 0] == 0
    assert change[far].max() == 0
    # What is grown in has no texture, whatever lay below.
    regions = faces.pictures.regions
    inverted = torch.where(covered[:, None], 1 - faces.images, faces.images)
    other = cover(inverted, region_mask(regions, region), skin(regions))
    torch.testing.assert_close(
        other[covered[:, None].expand_as(other)], strongest.images[covered[:, None].expand_as(other)]
    )


@pytest.mark.parametrize("region", FEATURES)
def test_the_control_covers_as_much_and_no_feature(region: str, faces: Faces) -> None:
    mask = region_mask(faces.pictures.regions, region)
    shifted = elsewhere(mask, faces.pictures.regions)
    torch.testing.assert_close(shifted.sum(dim=(1, 2, 3)), mask.sum(dim=(1, 2, 3)), rtol=0.03, atol=0)
    features = inside(faces.pictures, *FEATURES)[:, None]
    assert ((shifted * features).sum(dim=(1, 2, 3)) < 0.25 * mask.sum(dim=(1, 2, 3))).all()
    assert ((mask * shifted).sum(dim=(1, 2, 3)) < 0.1 * mask.sum(dim=(1, 2, 3))).all()


def test_another_background_leaves_every_pixel_of_the_face(faces: Faces) -> None:
    assert faces.others is not None
    swapped = swap_backgrounds(faces.pictures, faces.others)
    face = ~inside(faces.pictures, "background")[:, None].expand_as(swapped)
    assert torch.equal(swapped[face], faces.images[face])
    corner = (slice(None), slice(None), slice(0, 6), slice(0, 6))
    torch.testing.assert_close(swapped[corner], faces.others.images[corner])


def test_no_pixel_of_the_other_face_comes_with_its_background(faces: Faces) -> None:
    assert faces.others is not None
    face = ~inside(faces.others, "background")[:, None]
    painted = Pictures(torch.where(face, torch.ones(()), faces.others.images), faces.others.regions)
    one, other = (swap_backgrounds(faces.pictures, pictures) for pictures in (faces.others, painted))
    torch.testing.assert_close(one, other)


def test_grown_colours_lie_between_those_around() -> None:
    image = torch.full((1, 3, 65, 65), 0.25)
    image[:, :, :, 33:] = 0.75
    mask = torch.zeros(1, 1, 65, 65)
    mask[:, :, 20:45, 20:45] = 1
    filled = cover(torch.where(mask > 0, torch.zeros(()), image), mask)
    assert filled.min() >= 0.25 - 1e-5
    assert filled.max() <= 0.75 + 1e-5
    assert filled[0, 0, 32, 21] < 0.4 < 0.6 < filled[0, 0, 32, 43]


@pytest.mark.parametrize("region", FEATURES)
def test_nothing_of_the_wall_behind_a_face_is_grown_into_it(region: str, faces: Faces) -> None:
    outside = inside(faces.pictures, "background")[:, None].expand_as(faces.images)
    repainted = Pictures(torch.where(outside, 1 - faces.images, faces.images), faces.pictures.regions)
    results = []
    for pictures in (faces.pictures, repainted):
        own = replace(faces, pictures=pictures)
        (*_, strongest) = TABLE[f"{region}_occluded"](own)  # type: ignore[index]
        results.append((strongest.images[~outside], TABLE[f"{region}_occluded"].control(own)[~outside]))  # type: ignore[index]
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_where_no_source_is_left_all_colours_around_are_taken() -> None:
    image, mask = torch.full((1, 3, 16, 16), 0.5), torch.zeros(1, 1, 16, 16)
    mask[:, :, 4:8, 4:8] = 1
    filled = cover(torch.where(mask > 0, torch.zeros(()), image), mask, mask > 0)
    torch.testing.assert_close(filled, image)


def test_an_image_no_larger_than_the_small_side_stays_as_it_is() -> None:
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(shrink(image, 32), image)
    assert not torch.equal(shrink(image, 31), image)


def test_a_stop_halves_the_light() -> None:
    grey = torch.full((1, 3, 2, 2), 0.7354)  # half of the light, in sRGB
    assert float(darken(grey, 1)[0, 0, 0, 0]) == pytest.approx(0.5371, abs=1 / 255)  # a quarter
    assert float(darken(grey, 0)[0, 0, 0, 0]) == pytest.approx(0.7354, abs=1 / 255)


def test_regions_of_pixels_agree_with_what_they_cover() -> None:
    points = (MEAN_FACE * 40 + [SIDE / 2, 36])[None]
    labels, coverage = region_labels(points, SIDE, SIDE), region_coverage(points, SIDE, (SIDE, SIDE))
    for index in range(len(REGIONS)):
        assert (labels == index).sum() == pytest.approx(coverage[0, index].sum(), rel=0.05)
    assert (region_labels(np.full((1, 68, 2), np.nan), SIDE, SIDE) == -1).all()
