"""Two views of each face from the store to the report: data, preprocessing, training, evaluation, prediction."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from benchmarks.shared.blobs import CENTRES, many, write_dataset
from fer_au import Predictor
from fer_au.batches import FaceDataset
from fer_au.batches.loading import BatchLoader
from fer_au.batches.preprocess import Preprocessing
from fer_au.compute import Progress
from fer_au.config.experiments import EvaluateConfig, ExperimentConfig, TrainConfig
from fer_au.errors import DataError
from fer_au.evaluation import evaluate_experiment
from fer_au.evaluation.inference import SplitRunner, draw_moves, move_images
from fer_au.faces import AlignedFace, decode_crop
from fer_au.models import create_model, load_model
from fer_au.models.config_file import read_config, write_config
from fer_au.stores import FaceStatus, Store, write_store
from fer_au.stores.columns import encode_ids
from fer_au.training import train_experiment

CONTEXT = 96
SIZE = 32
MODEL = {"backbone": "test_resnet", "output_stride": 8, "head": "multiscale"}
ALIGN = {"detector": "dlib-hog", "keypoints": "detector", "template": "loose", "choose": "largest", "image_size": 64}
SETTINGS = {"epochs": 2, "batch_size": 16, "image_size": SIZE, "precision": "fp32", "optimizer": {"lr": 0.02}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    blobs = [blob for label in CENTRES for blob in [*many(label, 6), *many(label, 2, "valid"), *many(label, 2, "test")]]
    path = write_dataset(tmp_path / "data" / "blobs", blobs, context=CONTEXT)
    ids = Store.open(path / "faces.h5", "faces").ids
    write_store(path / "annotations.h5", "annotations", {"id": encode_ids(ids)}, fingerprint="a" * 64)
    return path


def stored(folder: Path, id_: str, column: str) -> np.ndarray:
    """(S, S, 3) RGB."""
    store = Store.open(folder / "faces.h5", "faces")
    return cv2.imdecode(np.frombuffer(store.ragged(store.index[id_], column), np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]


def test_the_whole_picture_lies_behind_the_face(folder: Path) -> None:
    faces = FaceDataset(folder, "train", CONTEXT, views=2)
    image = faces.image(3).transpose(1, 2, 0)
    assert image.shape == (CONTEXT, CONTEXT, 6)
    assert np.array_equal(image[:, :, 3:], stored(folder, faces.ids[3], "context"))
    assert np.array_equal(image[:, :, :3], FaceDataset(folder, "train", CONTEXT).image(3).transpose(1, 2, 0))


def test_each_view_is_brought_to_the_images_size(folder: Path) -> None:
    small = FaceDataset(folder, "train", SIZE, views=2).image(3)
    whole = stored(folder, FaceDataset(folder, "train", SIZE).ids[3], "context").astype(float)
    assert small.shape == (6, SIZE, SIZE)
    expected = whole.reshape(SIZE, 3, SIZE, 3, 3).mean((1, 3)).transpose(2, 0, 1)
    assert np.abs(small[3:].astype(float) - expected).mean() < 8  # the decoder's own halving comes first


@pytest.mark.parametrize("cache_mb", ["0", "100"])
def test_loaded_batches_hold_both_views(folder: Path, monkeypatch: pytest.MonkeyPatch, cache_mb: str) -> None:
    monkeypatch.setenv("FER_AU_IMAGE_CACHE_MB", cache_mb)
    faces = FaceDataset(folder, "valid", SIZE, views=2)
    loader = BatchLoader(faces)
    for _ in range(2):
        assert torch.equal(next(loader([range(5)])).images, faces.batch(range(5)).images)


def test_a_data_set_without_whole_pictures_is_one_line_that_names_the_key(tmp_path: Path) -> None:
    plain = write_dataset(tmp_path / "plain", many("anger", 2))
    with pytest.raises(DataError, match=r"faces\.h5: no whole pictures, .* set align\.context") as caught:
        FaceDataset(plain, "train", SIZE, views=2)
    with pytest.raises(DataError, match=r"set align\.context"):
        FaceDataset(plain, "train", SIZE).resized(SIZE, views=2)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"set align\.context"):
        train_experiment("two", experiment(), settings(), plain, Path("none"), Path("models/two"))


@pytest.mark.parametrize("channels", [3, 1])
def test_views_are_preprocessed_alike(channels: int) -> None:
    images = torch.randint(0, 256, (4, 6, 48, 48), dtype=torch.uint8)
    for memory_format in (torch.contiguous_format, torch.channels_last):
        preprocessing = Preprocessing(SIZE, channels)
        both = preprocessing(images.contiguous(memory_format=memory_format))
        assert both.shape == (4, 2 * channels, SIZE, SIZE)
        assert torch.allclose(both[:, :channels], preprocessing(images[:, :3]), atol=1e-5)
        assert torch.allclose(both[:, channels:], preprocessing(images[:, 3:]), atol=1e-5)


def experiment(**model: object) -> ExperimentConfig:
    guidance = [{"cue": "au", "loss": "cosine", "layers": ["last"], "weight": 2.0}]
    return ExperimentConfig.model_validate({"dataset": "blobs", "model": {**MODEL, **model}, "guidance": guidance})


def settings() -> TrainConfig:
    return TrainConfig.model_validate(SETTINGS)


def test_a_trained_model_scores_the_same_in_evaluation_and_prediction(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_experiment("two", experiment(), settings(), folder, Path("none"), Path("models/two"))
    evaluate_experiment(
        EvaluateConfig(faithfulness_images=4, robustness=("moved",)),
        dataset_dir=folder,
        model_dir=Path("models/two"),
        metrics_path=Path("two.json"),
        store_path=Path("two.h5"),
    )
    metrics, results = json.loads(Path("two.json").read_text()), Store.open(Path("two.h5"), "evaluation")
    assert metrics["n"] == 8
    assert all(np.isfinite(metrics[key]) for key in ("att_cos", "att_ccos_moved", "cam_cos.native"))
    assert 0 <= metrics["faithfulness.deletion"] <= 1
    assert (np.asarray(results["robustness/moved/predicted"]) < len(results.attributes["classes"].split(","))).all()

    predictor = Predictor.load("models/two", device="cpu")
    faces = Store.open(folder / "faces.h5", "faces")
    given = iter(results.ids)

    def align(_: np.ndarray) -> AlignedFace:
        id_ = next(given)
        crop, whole = decode_crop(faces, faces.index[id_]), np.ascontiguousarray(stored(folder, id_, "context"))
        return AlignedFace(crop, whole, np.eye(2, 3), (0, 0, 1, 1), 1.0, "test", FaceStatus.OK, "")

    monkeypatch.setattr(predictor, "aligner", align)
    monkeypatch.setattr("fer_au.predictor._stored", lambda crop: crop)  # these crops went through their JPEG before
    found = predictor([np.zeros((8, 8, 3), np.uint8)] * len(results), batch_size=3)
    np.testing.assert_allclose(found.scores, results["probabilities"], atol=1e-5)
    assert found.maps.shape == (8, 4, 4)


def test_a_grey_model_with_two_backbones_trains(folder: Path) -> None:
    two = experiment(in_chans=1, head_options={"shared": False})
    train_experiment("two", two, settings(), folder, Path("none"), Path("models/two"))
    model, meta = load_model(Path("models/two"))
    assert model.context_backbone is not None
    assert meta["preprocessing"]["channels"] == 1


def test_the_aligner_makes_whole_pictures_only_for_models_that_see_them(folder: Path) -> None:
    for name, head in (("two", "multiscale"), ("one", "gap")):
        train_experiment(name, experiment(head=head), settings(), folder, Path("none"), Path("models") / name)
        model = Path("models") / name
        config = read_config(model)
        assert config["preprocessing"]["align"]["context_size"] == CONTEXT
        config["preprocessing"]["align"] |= ALIGN
        write_config(model / "config.json", config)
    two, one = (Predictor.load(Path("models") / name, device="cpu") for name in ("two", "one"))
    assert two.aligner is not None
    assert two.aligner.context == CONTEXT
    assert one.aligner is not None
    assert one.aligner.context == 0
    found = two([np.full((80, 100, 3), 90, np.uint8)])
    assert found.scores.shape == (1, 4)
    with pytest.raises(DataError, match="give pictures, not crops"):
        two([np.zeros((64, 64, 3), np.uint8)], aligned=True)


def test_only_the_face_moves_and_the_whole_picture_stays(folder: Path) -> None:
    faces = FaceDataset(folder, "test", SIZE, views=2)
    model = create_model(MODEL, faces.classes, seed=0).eval()
    preprocessing = Preprocessing(SIZE)
    seen = []
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    runner = SplitRunner(
        model, faces, BatchLoader(faces), preprocessing, torch.device("cpu"), 64, Progress("moved", len(faces))
    )
    (block,) = runner.blocks([model.layers[-1]], [], np.ones(len(faces), np.bool_))
    assert block.moved_rows.tolist() == list(range(len(faces)))
    (moved,) = seen  # CAMs come from the parts of the model
    still = preprocessing(faces.batch(range(len(faces))).images)
    assert torch.allclose(moved[:, 3:], still[:, 3:])
    assert torch.allclose(moved[:, :3], move_images(still[:, :3], draw_moves(len(faces), 0)), atol=1e-4)
    assert not torch.allclose(moved[:, :3], still[:, :3], atol=1e-2)
