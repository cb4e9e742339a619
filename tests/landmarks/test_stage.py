from __future__ import annotations

import re
import shutil

import numpy as np
import pytest

from fer_au.config.data import AlignConfig, HeatmapsConfig, LandmarksConfig
from fer_au.cues import render_dataset
from fer_au.datasets.manifest import read_manifest
from fer_au.errors import DataError, StoreError, UnknownNameError
from fer_au.faces import align_dataset
from fer_au.faces.geometry import apply_matrix, fit_similarity
from fer_au.faces.templates import five_points, get_template
from fer_au.ibug68 import MEAN_FACE
from fer_au.landmarks import extract_dataset, normalised_error
from fer_au.landmarks.operation import ExtractOperation
from fer_au.landmarks.placement import blame_placement, place_points
from fer_au.landmarks.stage import crop_face_boxes, vouched_rows
from fer_au.rejects import Reason, read_rejects
from fer_au.stores import LandmarkStatus, Store, write_store


def extract(dataset, name="dlib68", **change):
    extract_dataset(LandmarksConfig(extractor=name, **change), dataset)
    return Store.open(dataset / "landmarks.h5", "landmarks")


def rewrite(dataset, name, **columns):
    """Replace columns of a store."""
    store = Store.open(dataset / f"{name}.h5", name)
    values = {column: store[column] for column in store.columns} | columns
    values = {column: value for column, value in values.items() if value is not None}
    write_store(dataset / f"{name}.h5", name, values, fingerprint="f" * 64, attributes=store.attributes)


def true_points(dataset):
    faces = Store.open(dataset / "faces.h5", "faces")
    return apply_matrix(faces["matrix"], Store.open(dataset / "annotations.h5", "annotations")["points"])


def test_every_face_row_has_a_landmark_row_in_the_same_order(dataset):
    store = extract(dataset)
    assert store.ids == Store.open(dataset / "faces.h5", "faces").ids
    assert (store["status"] == LandmarkStatus.OK).all()
    assert np.isnan(store["score"]).all()
    assert normalised_error(store["points"], true_points(dataset)).mean() < 0.05
    assert store.attributes["image_size"] == 256
    assert store.attributes["extractor"] == "dlib68"
    assert read_rejects(dataset / "rejects" / "landmarks.csv") == []


@pytest.mark.parametrize("name", ["dlib68", "faceapi68", "mediapipe"])
def test_bytes_are_equal_in_another_folder_with_two_workers_and_from_the_cache(name, dataset, tmp_path, monkeypatch):
    extract(dataset, name)
    first = (dataset / "landmarks.h5").read_bytes()
    extract(dataset, name)
    assert (dataset / "landmarks.h5").read_bytes() == first
    other = tmp_path / "elsewhere" / "data"
    shutil.copytree(dataset, other)
    (other / "landmarks.h5").unlink()
    monkeypatch.setenv("FER_AU_WORKERS", "2")
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "another cache"))
    monkeypatch.setattr(ExtractOperation, "shard_rows", 4)
    extract(other, name)
    assert (other / "landmarks.h5").read_bytes() == first


def test_swapping_the_extractor_and_back_gives_the_first_bytes_without_computing(dataset, capfd):
    extract(dataset)
    first = (dataset / "landmarks.h5").read_bytes()
    for other in ("mediapipe", "faceapi68", "mean-shape"):
        assert extract(dataset, other).attributes["extractor"] == other
        assert (dataset / "landmarks.h5").read_bytes() != first
    capfd.readouterr()
    extract(dataset)
    assert "were cached" in capfd.readouterr().err
    assert (dataset / "landmarks.h5").read_bytes() == first


@pytest.mark.parametrize("name", ["truth", "provided"])
def test_annotated_points_are_mapped_into_the_crops(dataset, name):
    store = extract(dataset, name)
    np.testing.assert_allclose(store["points"], true_points(dataset), atol=1e-3)


def change_points(dataset, change):
    points = Store.open(dataset / "annotations.h5", "annotations")["points"]
    rewrite(dataset, "annotations", points=change(points.copy()).astype(np.float32))


def refusal(dataset):
    with pytest.raises(DataError, match=rf"^landmarks {dataset.name}: the data set's points") as caught:
        extract(dataset, "provided", max_reject_fraction=1.0)
    assert not (dataset / "landmarks.h5").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("scale", [0.25, 0.5, 0.8, 0.9, 1.1, 1.25])
@pytest.mark.parametrize("template", ["loose", "arcface"])
def test_points_of_another_size_of_the_pictures_are_one_line_with_the_factor(dataset, scale, template):
    if template != "loose":
        align_dataset(AlignConfig(template=template), dataset, dataset / "raw")
    change_points(dataset, lambda points: scale * points)
    said = refusal(dataset)
    assert "lie to one side of the faces that align found" in said
    (factor,) = re.findall(r"pictures of about (\S+) times the size; scale them", said)
    assert float(factor) == pytest.approx(scale, abs=0.03)


@pytest.mark.parametrize(("right", "down"), [(0.1, 0), (0, -0.1), (-0.1, 0.1)])
def test_points_of_pictures_that_were_cut_are_one_line_with_the_way(dataset, right, down):
    width = 256
    change_points(dataset, lambda points: points + width * np.array([right, down]))
    said = refusal(dataset)
    assert "times the size" not in said
    way = re.findall(r"(\d+) pixels (right|left) and (\d+) (down|up)", said)[0]
    assert (int(way[0]), int(way[2])) == pytest.approx((abs(width * right), abs(width * down)), abs=4)
    assert [way[number] for number in (1, 3) if int(way[number - 1]) > 4] == [
        *(["right" if right > 0 else "left"] if right else []),
        *(["down" if down > 0 else "up"] if down else []),
    ]


def test_points_of_other_pictures_are_one_line(dataset):
    rng = np.random.default_rng(0)
    change_points(dataset, lambda points: points + rng.choice([-40, 40], (len(points), 1, 2)))
    assert "lie beside the faces" in refusal(dataset) or "lie to one side" in refusal(dataset)


@pytest.mark.parametrize("scale", [0.98, 1.0, 1.02])
@pytest.mark.parametrize("template", ["loose", "arcface"])
def test_sound_points_are_taken(dataset, scale, template):
    if template != "loose":
        align_dataset(AlignConfig(template=template), dataset, dataset / "raw")
    change_points(dataset, lambda points: scale * points)
    store = extract(dataset, "provided", max_reject_fraction=0.0)
    assert (store["status"] == LandmarkStatus.OK).all()


def test_profiles_and_wide_mouths_are_to_no_side():
    """Every face turned to one side, or every mouth open: align fits its five points, whatever they look like."""
    template, size = get_template("loose"), 256
    points, matrices = [], []
    for number in range(20):
        face = 60 * MEAN_FACE + (120 + number, 130 - number)
        face[:, 0] = face[:, 0].mean() + 0.4 * (face[:, 0] - face[:, 0].mean())  # as in profile
        face[48:, 1] += 15
        points.append(face)
        matrices.append(fit_similarity(five_points(face), template.five(size)))
    found = place_points(np.array(points), np.array(matrices), template, size, np.ones(20, bool))
    assert np.hypot(*np.median(found.shift, axis=0)) < 1e-6
    assert "to one side" not in blame_placement(found)
    assert found.size == pytest.approx(np.ones(20), abs=1e-6)
    scaled = place_points(1.25 * np.array(points), np.array(matrices), template, size, np.ones(20, bool))
    assert "pictures of about 1.25 times the size" in blame_placement(scaled)
    assert blame_placement(scaled[np.arange(20) < 4]) == ""  # too few to tell


def test_points_of_another_place_lose_one_face_its_landmarks(dataset):
    def move(points):
        points[2] += 1.5 * (points[2, 45] - points[2, 36])
        return points

    change_points(dataset, move)
    store = extract(dataset, "provided", max_reject_fraction=0.5)
    assert np.flatnonzero(store["status"] != LandmarkStatus.OK).tolist() == [2]
    assert np.isnan(store["points"][2]).all()
    (reject,) = read_rejects(dataset / "rejects" / "landmarks.csv")
    assert reject.detail == "points lie 1.5 inter-ocular distances from the face that align found"


@pytest.mark.parametrize("change", [{"template": "none"}, {"detector": "whole-image", "keypoints": "detector"}])
def test_points_are_not_held_to_a_face_that_nobody_has_seen_or_aligned(dataset, change):
    align_dataset(AlignConfig(**change), dataset, dataset / "raw")
    change_points(dataset, lambda points: points + 40)
    store = extract(dataset, "provided", max_reject_fraction=0.0)
    assert (store["status"] == LandmarkStatus.OK).all()


def test_points_are_held_to_the_published_template_too(dataset):
    align_dataset(AlignConfig(template="arcface"), dataset, dataset / "raw")
    assert (extract(dataset, "provided", max_reject_fraction=0.0)["status"] == LandmarkStatus.OK).all()
    change_points(dataset, lambda points: points / 2)
    with pytest.raises(DataError, match="lie to one side of the faces that align found"):
        extract(dataset, "provided")


def test_the_presence_of_the_face_mesh_is_the_score(dataset):
    store = extract(dataset, "mediapipe")
    assert (store["score"] > 0.9).all()
    assert normalised_error(store["points"], true_points(dataset)).mean() < 0.045


def test_rows_without_annotated_points_are_listed(dataset):
    annotations = Store.open(dataset / "annotations.h5", "annotations")
    points = annotations["points"].copy()
    points[1] = np.nan
    rewrite(dataset, "annotations", points=points)
    store = extract(dataset, "provided")
    assert store["status"].tolist()[:3] == [LandmarkStatus.OK, LandmarkStatus.NOT_FOUND, LandmarkStatus.OK]
    (reject,) = read_rejects(dataset / "rejects" / "landmarks.csv")
    assert reject.id == store.ids[1]
    assert reject.reason == Reason.NO_LANDMARKS


@pytest.mark.parametrize(("name", "column"), [("provided", "points"), ("truth", "motion")])
def test_a_data_set_without_the_needed_annotations_is_one_clear_line(dataset, name, column):
    rewrite(dataset, "annotations", **{column: None})
    with pytest.raises(DataError, match=f"{name}.*{column}"):
        extract(dataset, name)


def test_rejected_faces_have_no_landmarks_and_are_not_counted_again(dataset):
    faces = Store.open(dataset / "faces.h5", "faces")
    status = faces["status"].copy()
    status[0] = 2
    data, offset = faces["data"], faces["offset"].copy()
    first = int(offset[1])
    offset[1:] -= first
    matrix = faces["matrix"].copy()
    matrix[0] = np.nan
    rewrite(dataset, "faces", status=status, data=data[first:], offset=offset, matrix=matrix)
    for name in ("dlib68", "truth"):
        store = extract(dataset, name, max_reject_fraction=0.0)
        assert store["status"].tolist()[:2] == [LandmarkStatus.NO_FACE, LandmarkStatus.OK]
        assert np.isnan(store["points"][0]).all()


def test_crops_without_a_detected_face_must_prove_their_points(dataset):
    align_dataset(AlignConfig(detector="whole-image", keypoints="detector"), dataset, dataset / "raw")
    faces = Store.open(dataset / "faces.h5", "faces")
    assert not vouched_rows(faces, 0, len(faces)).any()
    extract_dataset(LandmarksConfig(max_reject_fraction=0.9), dataset)
    store = Store.open(dataset / "landmarks.h5", "landmarks")
    found = store["status"] == LandmarkStatus.OK
    assert found.any()
    assert normalised_error(store["points"], true_points(dataset))[found].mean() < 0.08


def test_boxes_of_unaligned_crops_come_from_the_detection(dataset):
    align_dataset(AlignConfig(template="none", size=200), dataset, dataset / "raw")
    faces = Store.open(dataset / "faces.h5", "faces")
    np.testing.assert_allclose(crop_face_boxes(faces, 0, len(faces)), faces["box"] * 200 / 256, atol=0.01)
    store = extract(dataset)
    assert normalised_error(store["points"], true_points(dataset)).mean() < 0.06


def test_crops_that_stay_inside_their_pictures_have_points(dataset):
    """Template ``tight`` puts a face where there is room: its box and the points of a data set follow it."""
    align_dataset(AlignConfig(template="tight", size=200), dataset, dataset / "raw")
    store = extract(dataset)
    assert normalised_error(store["points"], true_points(dataset)).mean() < 0.06
    assert (extract(dataset, "provided", max_reject_fraction=0.0)["status"] == LandmarkStatus.OK).all()
    render_dataset(HeatmapsConfig(), dataset)
    heatmaps, rows = Store.open(dataset / "heatmaps.h5", "heatmaps"), read_manifest(dataset / "manifest.csv")
    assert heatmaps["valid"].tolist() == [row.label != "neutral" for row in rows]


def test_boxes_of_aligned_crops_are_the_templates(dataset):
    faces = Store.open(dataset / "faces.h5", "faces")
    expected = np.tile(get_template("loose").face_box(256), (len(faces), 1))
    np.testing.assert_allclose(crop_face_boxes(faces, 0, len(faces)), expected, atol=0.01)


def test_too_many_crops_without_points_fail_the_stage(dataset):
    annotations = Store.open(dataset / "annotations.h5", "annotations")
    rewrite(dataset, "annotations", points=np.full_like(annotations["points"], np.nan))
    with pytest.raises(DataError, match=r"15 no_landmarks \(images/person_00/000.jpg: .*\); see .*landmarks\.csv"):
        extract(dataset, "provided", max_reject_fraction=1.0)


def test_other_ids_than_the_faces_are_refused(dataset):
    annotations = Store.open(dataset / "annotations.h5", "annotations")
    rewrite(dataset, "annotations", id=annotations["id"][::-1])
    with pytest.raises(DataError, match="its rows are not those of"):
        extract(dataset, "truth")


def test_missing_faces_and_unknown_extractors_are_clear(dataset):
    with pytest.raises(UnknownNameError, match="dlib68"):
        extract(dataset, "dlib")
    (dataset / "faces.h5").unlink()
    with pytest.raises(StoreError, match=r"faces\.h5"):
        extract(dataset)
