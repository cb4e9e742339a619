from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from fer_au import Predictor
from fer_au.batches.faces import FaceDataset
from fer_au.batches.preprocess import Preprocessing, resize_picture
from fer_au.config.experiments import EvaluateConfig
from fer_au.decoding import decode_image
from fer_au.demo.generate import DemoConfig, generate
from fer_au.errors import ConfigError, DataError
from fer_au.evaluation import evaluate_experiment
from fer_au.faces import AlignedFace, decode_crop
from fer_au.faces.crops import decode_crop_bytes, encode_crop
from fer_au.faces.operation import AlignOperation, FacePayload
from fer_au.maps import channel_mean
from fer_au.models import create_model, load_model, save_model
from fer_au.stores import FaceStatus, Store

LABELS = ("neutral", "happiness", "anger")
ALIGN = {"detector": "dlib-hog", "keypoints": "detector", "template": "loose", "choose": "largest", "image_size": 96}


@pytest.fixture(scope="module")
def predictor(tiny_model) -> Predictor:
    return Predictor.load(tiny_model, device="cpu")


@pytest.fixture
def pictures(rng) -> list[np.ndarray]:
    return [rng.integers(0, 255, (size, size, 3), dtype=np.uint8) for size in (64, 128, 40, 64, 64)]


@pytest.fixture
def aligning_model(tiny_model, tmp_path) -> Path:
    """The tiny model, with the alignment of its crops on record."""
    model, meta = load_model(tiny_model)
    own = {key: meta[key] for key in ("experiment", "seed")}
    save_model(tmp_path / "m", model, {**own, "preprocessing": {**meta["preprocessing"], "align": ALIGN}})
    return tmp_path / "m"


def test_crops_get_scores_labels_and_maps(predictor, pictures):
    found = predictor(pictures, aligned=True)
    assert found.classes == LABELS
    assert found.scores.shape == (5, 3)
    np.testing.assert_allclose(found.scores.sum(axis=1), 1.0, rtol=1e-5)
    assert found.labels == tuple(LABELS[i] for i in found.scores.argmax(axis=1))
    assert found.maps.shape[0] == len(found) == 5
    assert found.maps.min() >= 0
    assert found.found.all()


def test_scores_and_maps_are_the_models_own(predictor, tiny_model, pictures):
    crop = pictures[0]
    model, _ = load_model(tiny_model)
    with torch.no_grad():
        output = model(((torch.from_numpy(crop).permute(2, 0, 1) / 255 - 0.5) / 0.25)[None].float())
    found = predictor([crop], aligned=True)
    np.testing.assert_allclose(found.scores[0], output.logits.softmax(1)[0].numpy(), atol=1e-5)
    attention = channel_mean(output.features["5"])[0].numpy()
    np.testing.assert_allclose(found.maps[0], attention - min(attention.min(), 0), atol=1e-5)


def test_the_map_that_a_head_makes_is_given_too(predictor, pictures):
    config = {"backbone": "test_resnet", "head": "lan", "head_options": {"widths": [8]}}
    model = create_model(config, LABELS, seed=0).eval()
    preprocess = Preprocessing(64)
    found = Predictor(model, preprocess, device="cpu")(pictures, aligned=True, batch_size=2)
    inputs = np.stack([resize_picture(picture, 64) for picture in pictures]).transpose(0, 3, 1, 2)
    with torch.inference_mode():
        expected = model(preprocess(torch.from_numpy(inputs))).attention.numpy()
    np.testing.assert_allclose(found.module, expected, atol=1e-5)
    assert predictor(pictures, aligned=True).module is None


def test_batches_and_order_do_not_matter(predictor, pictures):
    whole, pairs = predictor(pictures, aligned=True), predictor(pictures, aligned=True, batch_size=2)
    np.testing.assert_allclose(whole.scores, pairs.scores, atol=1e-5)
    turned = predictor(pictures[::-1], aligned=True)
    np.testing.assert_allclose(whole.scores, turned.scores[::-1], atol=1e-5)


def test_one_array_of_crops_is_as_good_as_a_list(predictor, pictures):
    array = np.stack([pictures[0], pictures[3]])
    np.testing.assert_array_equal(predictor(array, aligned=True).scores, predictor(list(array), aligned=True).scores)


def test_crops_of_a_store_get_the_scores_of_the_evaluation(predictor, tiny_dataset, tiny_model, tmp_path):
    evaluate_experiment(
        EvaluateConfig(cams=(), moved=False, faithfulness_images=0),
        dataset_dir=tiny_dataset,
        model_dir=tiny_model,
        metrics_path=tmp_path / "m.json",
        store_path=tmp_path / "e.h5",
    )
    results, faces = Store.open(tmp_path / "e.h5", "evaluation"), Store.open(tiny_dataset / "faces.h5", "faces")
    crops = [decode_crop(faces, faces.index[id_]) for id_ in results.ids]
    np.testing.assert_allclose(predictor(crops, aligned=True).scores, results["probabilities"], atol=1e-4)


def test_large_crops_are_shrunk_as_in_training(tiny_dataset):
    dataset = FaceDataset(tiny_dataset, "test", 28, LABELS)
    faces = Store.open(tiny_dataset / "faces.h5", "faces")
    crops = [decode_crop(faces, faces.index[id_]) for id_ in dataset.ids]
    model = create_model({"backbone": "test_resnet"}, LABELS, seed=0).eval()
    preprocess = Preprocessing(28)
    with torch.no_grad():
        expected = model(preprocess(dataset.batch(range(len(dataset))).images)).logits.softmax(1).numpy()
    found = Predictor(model, preprocess, device="cpu")(crops, aligned=True).scores
    assert np.abs(found - expected).max() < 0.1 * np.ptp(expected, axis=0).max()


def test_whole_pictures_are_aligned_as_the_config_records(aligning_model, pictures, monkeypatch):
    predictor = Predictor.load(aligning_model, device="cpu")
    assert predictor.aligner is not None
    assert {key: getattr(predictor.aligner, key) for key in ALIGN if key != "image_size"} == {
        key: value for key, value in ALIGN.items() if key != "image_size"
    }
    assert predictor.aligner.size == 96
    matrix = np.array([[0.5, 0, 3], [0, 0.5, 4]])
    given = iter([FaceStatus.OK, FaceStatus.WHOLE_IMAGE])

    def align(image: np.ndarray) -> AlignedFace:
        crop = np.ascontiguousarray(image[:32, :32])
        return AlignedFace(crop, None, matrix, (0, 0, 1, 1), 1.0, "test", next(given), "")

    monkeypatch.setattr(predictor, "aligner", align)
    found = predictor(pictures[:2])
    np.testing.assert_array_equal(found.found, [True, False])
    np.testing.assert_array_equal(found.matrices, [matrix, matrix])
    kept = [decode_crop_bytes(encode_crop(picture[:32, :32])) for picture in pictures[:2]]
    np.testing.assert_array_equal(found.crops[1], kept[1])
    expected = predictor(kept, aligned=True)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)


def test_a_picture_without_a_face_is_taken_whole_and_marked(aligning_model, pictures):
    found = Predictor.load(aligning_model, device="cpu")([np.full((80, 100, 3), 90, np.uint8)])
    assert not found.found.any()
    assert found.crops[0].shape == (96, 96, 3)


@pytest.mark.parametrize("faces", ["ALL", "both", "", True])
def test_which_faces_is_one_of_two_words(predictor, pictures, faces):
    with pytest.raises(DataError, match=r"faces: (expected one of one, all, got|unknown) "):
        predictor(pictures, faces=faces)


def test_no_pictures_give_an_empty_prediction(predictor):
    found = predictor([])
    assert len(found) == 0
    assert found.scores.shape == (0, 3)
    assert found.matrices.shape == (0, 2, 3)


@pytest.mark.parametrize(
    "bad", [np.zeros((64, 64), np.uint8), np.zeros((64, 64, 4), np.uint8), np.zeros((64, 64, 3), np.float32)]
)
def test_what_is_no_picture_is_named_by_its_position(predictor, pictures, bad):
    with pytest.raises(DataError, match=r"images\[1\]: expected"):
        predictor([pictures[0], bad], aligned=True)


EXPECTED = r"expected a path, an array \(H, W, 3\) uint8 RGB or a Pillow image"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nowhere/me.jpg", r"^nowhere/me\.jpg: no such file$"),
        ([Path("nowhere/me.jpg")], r"^nowhere/me\.jpg: no such file$"),
        ("~nobody-here/me.jpg", "^images: ~nobody-here is no home folder$"),
        ([np.zeros((64, 64, 3), np.uint8), "tests"], "^tests: a folder, no picture$"),
        (
            [np.zeros((64, 64, 3), np.uint8), "pyproject.toml"],
            r"^pyproject\.toml: not_an_image: no JPEG, PNG, WebP, BMP or TIFF header",
        ),
        (b"bytes", f"^images: {EXPECTED}, or a list of these, got a value of type bytes$"),
        ([b"bytes"], rf"^images\[0\]: {EXPECTED}, got a value of type bytes$"),
        (None, f"^images: {EXPECTED}, or a list of these, got None$"),
        ({"a": 1}, f"^images: {EXPECTED}, or a list of these, got a dict$"),
        (
            np.zeros((64, 64), np.uint8),
            r"^images: expected a picture \(H, W, 3\) uint8 RGB, got a numpy array \(64, 64\) uint8; ",
        ),
    ],
)
def test_what_is_no_picture_is_one_line(predictor, given, said):
    with pytest.raises((DataError, ConfigError), match=said) as caught:
        predictor(given, aligned=True)
    assert "\n" not in str(caught.value)


@pytest.fixture
def turned(pictures, tmp_path) -> Path:
    """A JPEG file whose pixels lie on their side, and which says so."""
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(np.rot90(pictures[0])).save(tmp_path / "turned.jpg", exif=exif, quality=100, subsampling=0)
    return tmp_path / "turned.jpg"


def test_pictures_come_as_paths_arrays_and_pillow_images(predictor, turned):
    array = decode_image(turned.read_bytes())
    with PIL.Image.open(turned) as opened:
        given = [turned, str(turned), opened, array]
        found = predictor(given, aligned=True)
        assert found.pictures.tolist() == [0, 1, 2, 3]
        for crop in found.crops:
            np.testing.assert_array_equal(crop, array)
        for one in (*given, iter([turned]), np.stack([array])):  # one alone, or any iterable
            np.testing.assert_array_equal(predictor(one, aligned=True).crops[0], array)


def test_every_mode_of_a_pillow_image_becomes_rgb(predictor, pictures):
    picture = PIL.Image.fromarray(pictures[0])
    for mode in ("L", "P", "RGBA", "CMYK", "I;16", "1"):
        crop = predictor(picture.convert("L").convert(mode) if mode == "I;16" else picture.convert(mode), aligned=True)
        assert crop.crops[0].shape == pictures[0].shape
        assert crop.crops[0].dtype == np.uint8


def test_a_damaged_file_is_named(predictor, turned):
    turned.write_bytes(turned.read_bytes()[:-400])
    with PIL.Image.open(turned) as opened:
        for given in (turned, [turned], opened):
            with pytest.raises(DataError, match=r"turned\.jpg: truncated|images\[0\]: unreadable") as caught:
                predictor(given, aligned=True)
            assert "\n" not in str(caught.value)


def test_pictures_get_the_crops_of_the_pipeline(aligning_model, tmp_path):
    predictor = Predictor.load(aligning_model, device="cpu")
    generate(DemoConfig(identities=2, images=3), tmp_path / "raw")
    paths = sorted((tmp_path / "raw").rglob("*.jpg"))[:3]
    one, every = predictor(paths), predictor(paths, faces="all")
    assert one.found.all()
    operation = AlignOperation(predictor.aligner)
    payloads = [FacePayload(str(path), sha256(path.read_bytes()).hexdigest(), None, shared=False) for path in paths]
    columns = operation(payloads)
    for row in range(3):
        start, end = columns["offset"][row : row + 2]
        expected = decode_crop_bytes(columns["data"][start:end].tobytes())
        np.testing.assert_array_equal(one.crops[row], expected)
        np.testing.assert_array_equal(every.crops[row], expected)
    np.testing.assert_array_equal(one.scores, every.scores)


def test_a_model_without_recorded_alignment_says_that_it_needs_crops(predictor, pictures):
    with pytest.raises(DataError, match="aligned=True"):
        predictor(pictures[:1])


def test_a_folder_that_holds_no_trained_model_is_one_line(tmp_path, tiny_model):
    with pytest.raises(DataError, match="nowhere"):
        Predictor.load(tmp_path / "nowhere")
    save_model(tmp_path / "m", create_model({"backbone": "test_resnet"}, LABELS, seed=0), {})
    with pytest.raises(DataError, match="preprocessing"):
        Predictor.load(tmp_path / "m")
    (tmp_path / "m" / "config.json").write_text(json.dumps([]))
    with pytest.raises(DataError, match=r"config\.json"):
        Predictor.load(tmp_path / "m")


def test_all_faces_of_a_picture_get_rows_of_their_own(aligning_model, monkeypatch):
    predictor = Predictor.load(aligning_model, device="cpu")
    counts = {40: 2, 64: 0, 128: 1}

    def all_faces(_self, image):
        matrix, box = np.eye(2, 3), (1.0, 2.0, 9.0, 10.0)
        crop = np.zeros((96, 96, 3), np.uint8)
        face = AlignedFace(crop, None, matrix, box, 1.0, "dlib-hog", FaceStatus.OK, "tight")
        return [face] * counts[len(image)]

    monkeypatch.setattr(type(predictor.aligner), "all", all_faces)
    found = predictor([np.zeros((size, size, 3), np.uint8) for size in (40, 64, 128)], faces="all")
    assert found.pictures.tolist() == [0, 0, 2]
    assert found.boxes.tolist() == [[1, 2, 9, 10]] * 3
    assert found.scores.shape[0] == len(found.crops) == 3
    assert len(predictor([np.zeros((64, 64, 3), np.uint8)], faces="all")) == 0
    one = predictor([np.zeros((64, 64, 3), np.uint8)])
    assert one.pictures.tolist() == [0]
    assert not one.found[0]
