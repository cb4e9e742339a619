from __future__ import annotations

import dataclasses
import subprocess
import sys
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest

from fer_au.errors import ConfigError, DataError, MissingDependencyError, UnknownNameError
from fer_au.faces import decode_crop
from fer_au.faces.geometry import apply_matrix
from fer_au.faces.templates import get_template
from fer_au.landmarks import create_extractor, extractor_card, list_extractors, mirror_points, normalised_error
from fer_au.landmarks.scheme import GROUPS
from fer_au.stores import Store

NAMES = list_extractors()


@pytest.fixture(scope="module")
def crops(aligned):
    """Aligned crops and their true points."""
    faces = Store.open(aligned / "faces.h5", "faces")
    images = np.stack([decode_crop(faces, row) for row in range(len(faces))])
    points = Store.open(aligned / "annotations.h5", "annotations")["points"]
    return images, apply_matrix(faces["matrix"], points)


@pytest.mark.parametrize("name", NAMES)
def test_contract_of_every_extractor(name, crops):
    images, truth = crops[0][:3], crops[1][:3]
    extractor = create_extractor(name)
    again = ForkingPickler.loads(ForkingPickler.dumps(extractor))
    points, score = extractor.extract(images, None, truth)
    assert points.shape == (3, 68, 2)
    assert points.dtype == np.float32
    assert score.shape == (3,)
    assert score.dtype == np.float32
    assert np.isfinite(points).all()
    twice, _ = again.extract(images, None, truth)
    assert np.array_equal(points, twice)
    assert len(extractor.fingerprint) == 64
    assert extractor.fingerprint == again.fingerprint
    # One by one or in a batch: the same.
    single = np.concatenate([extractor.extract(images[i : i + 1], None, truth[i : i + 1])[0] for i in range(3)])
    assert np.array_equal(points, single)
    # Points are in the crop's frame: near the truth.
    assert normalised_error(points, truth).mean() < 0.2


@pytest.mark.parametrize("name", NAMES)
def test_no_images_give_no_points(name):
    images = np.zeros((0, 64, 64, 3), np.uint8)
    points, score = create_extractor(name).extract(images, None, np.zeros((0, 68, 2)))
    assert points.shape == (0, 68, 2)
    assert score.shape == (0,)


@pytest.mark.parametrize("name", NAMES)
def test_every_card_says_what_a_lab_must_know(name):
    card = extractor_card(name)
    assert card.name == name
    empty = [f.name for f in dataclasses.fields(card) if f.name != "install" and not getattr(card, f.name).strip()]
    assert empty == []


def test_the_card_of_dlib68_names_the_terms_of_its_training_data():
    card = extractor_card("dlib68")
    assert "300-W" in card.training_data
    assert "commercial" in card.training_data
    assert card.install.startswith("pip install")


def test_the_promised_extractors_are_listed_with_their_own_fingerprints():
    assert {"dlib68", "mean-shape", "provided", "truth"} <= set(NAMES)
    assert len({create_extractor(name).fingerprint for name in NAMES}) == len(NAMES)


def test_unknown_names_and_options_are_one_clear_line():
    with pytest.raises(UnknownNameError, match="dlib68"):
        create_extractor("dlib86")
    with pytest.raises(ConfigError, match="mean-shape"):
        create_extractor("mean-shape", sigma=1)


def test_dlib68_without_weights_tells_the_command(monkeypatch):
    monkeypatch.setattr("fer_au.landmarks.weights._candidates", lambda weights: iter(()))
    with pytest.raises(MissingDependencyError, match="pip install"):
        create_extractor("dlib68")
    assert extractor_card("dlib68").name == "dlib68"


def test_dlib68_is_accurate_on_rendered_faces(crops):
    images, truth = crops
    points, _ = create_extractor("dlib68").extract(images)
    error = normalised_error(points, truth)
    assert error.mean() < 0.05
    assert error[:, list(GROUPS["right_eye"] + GROUPS["left_eye"])].mean() < 0.03


def test_dlib68_beats_the_mean_shape(crops):
    images, truth = crops
    found, _ = create_extractor("dlib68").extract(images)
    floor, _ = create_extractor("mean-shape").extract(images)
    assert normalised_error(found, truth).mean() < 0.7 * normalised_error(floor, truth).mean()


def test_dlib68_on_mirrored_crops_gives_mirrored_points(crops):
    images = crops[0]
    extractor = create_extractor("dlib68")
    points, _ = extractor.extract(images)
    mirrored, _ = extractor.extract(np.ascontiguousarray(images[:, :, ::-1]))
    back = mirror_points(mirrored, images.shape[2])
    error = normalised_error(back, points).mean()
    assert error < 0.04
    # No shift of half a pixel hides in the frame.
    assert np.abs((back - points)[..., 0].mean()) < 1.0


def test_boxes_say_where_the_face_is(crops):
    images, _ = crops
    padded = np.full((len(images), 400, 400, 3), 90, np.uint8)
    padded[:, 100:356, 60:316] = images
    boxes = np.tile(get_template("loose").face_box(256) + np.array([60, 100, 60, 100]), (len(images), 1))
    for name in ("dlib68", "mean-shape"):
        extractor = create_extractor(name)
        moved, _ = extractor.extract(padded, boxes)
        plain, _ = extractor.extract(images)
        assert np.abs(moved - (60, 100) - plain).mean() < 0.5


def test_a_face_without_a_box_is_not_found(crops):
    boxes = np.tile(get_template("loose").face_box(256), (2, 1))
    boxes[1] = np.nan
    for name in ("dlib68", "mean-shape"):
        points, _ = create_extractor(name).extract(crops[0][:2], boxes)
        assert np.isfinite(points[0]).all()
        assert np.isnan(points[1]).all()


@pytest.mark.parametrize("name", ["provided", "truth"])
def test_annotated_points_pass_through_whole_or_not_at_all(name, crops):
    images, truth = crops[0][:2], crops[1][:2].copy()
    truth[1, 5, 0] = np.nan
    points, _ = create_extractor(name).extract(images, None, truth)
    np.testing.assert_allclose(points[0], truth[0], rtol=1e-6)
    assert np.isnan(points[1]).all()


@pytest.mark.parametrize("name", ["provided", "truth"])
def test_without_annotations_there_is_a_clear_error(name, crops):
    with pytest.raises(DataError, match=name):
        create_extractor(name).extract(crops[0][:1])


def test_the_mean_shape_looks_at_no_pixel():
    extractor = create_extractor("mean-shape")
    one, _ = extractor.extract(np.zeros((1, 64, 64, 3), np.uint8))
    two, _ = extractor.extract(np.full((1, 64, 64, 3), 200, np.uint8))
    assert np.array_equal(one, two)
    np.testing.assert_allclose(one[0], get_template("loose").mean_face(64), atol=1e-4)


def test_importing_the_scheme_loads_no_model_code():
    code = (
        "import sys; from fer_au.landmarks import MIRROR, mirror_points;"
        "assert not any(name in sys.modules for name in ('dlib', 'torch', 'cv2', 'h5py'))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
