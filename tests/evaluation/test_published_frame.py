"""``evaluate.resize: published``: the two published scores as that code takes them, and every other score as ever."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fer_au.batches.faces import FaceDataset
from fer_au.batches.preprocess import Preprocessing
from fer_au.cam import compute_cam
from fer_au.config.experiments import EvaluateConfig
from fer_au.cues import render_au_maps
from fer_au.cues.codebook import create_codebook
from fer_au.evaluation import evaluate_experiment, macro_mean, read_metrics
from fer_au.evaluation.baselines import gaussian_map
from fer_au.evaluation.metrics_file import is_headline
from fer_au.evaluation.paper_cosine import PaperCosine
from fer_au.ibug68 import MEAN_FACE
from fer_au.models import create_model, load_model, save_model
from fer_au.resizing import Frame
from fer_au.stores import Store
from tests.core.resizing_by_hand import published_cosine, resize_plane
from tests.evaluation.conftest import CROP, LABELS, model_meta, write_history

Scored = dict[str, tuple[dict, Store]]


def published_only(key: str) -> bool:
    """Whether a score is one of those that were published, of any map: a cosine that is not centred."""
    return "att_cos" in key or "cam_cos." in key


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose head makes a map of its own."""
    folder = tmp_path_factory.mktemp("models") / "lan"
    save_model(
        folder,
        create_model({"backbone": "test_resnet", "output_stride": 8, "head": "lan"}, LABELS, seed=0),
        model_meta(),
    )
    write_history(folder)
    return folder


@pytest.fixture(scope="module")
def scored(tiny_dataset: Path, model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """Metrics and results in both frames."""
    found = {}
    for resize in ("corrected", "published"):
        out = tmp_path_factory.mktemp(resize)
        config = EvaluateConfig(cams=("native", "gradcam"), faithfulness_images=2, resize=resize)
        evaluate_experiment(
            config,
            dataset_dir=tiny_dataset,
            model_dir=model_dir,
            metrics_path=out / "m.json",
            store_path=out / "x.h5",
        )
        found[resize] = read_metrics(out / "m.json"), Store.open(out / "x.h5", "evaluation")
    return found


def test_only_the_published_scores_are_others(scored: Scored) -> None:
    corrected, published = (dict(scored[name][0]) for name in ("corrected", "published"))
    assert published.pop("resize") == "published"
    assert corrected.keys() == published.keys()
    changed = {key for key in corrected if corrected[key] != published[key]}
    assert changed
    assert all(published_only(key) for key in changed)
    kept = {key for key in corrected if published_only(key)} - changed
    assert all("baseline.blank" in key for key in kept)  # nothing to move there, but the AU map is finer


def test_the_metrics_file_names_the_frame_where_it_is_not_the_usual_one(scored: Scored) -> None:
    assert is_headline("resize")
    assert "resize" not in scored["corrected"][0]


def test_each_image_has_the_slow_recomputation(scored: Scored, tiny_dataset: Path, model_dir: Path) -> None:
    metrics, store = scored["published"]
    model, meta = load_model(model_dir)
    dataset = FaceDataset(tiny_dataset, "test", CROP, LABELS)
    batch = dataset.batch(range(len(dataset)))
    images = Preprocessing.from_meta(meta["preprocessing"])(batch.images)
    with torch.inference_mode():
        output = model(images)
    maps = {f"layer.{name}.att_cos": features.mean(1) for name, features in output.features.items()}
    maps |= {"att_cos": output.features[model.layers[-1]].mean(1), "module.att_cos": output.attention}
    cams = {f"cam_cos.{cam}": compute_cam(cam, model, images, batch.labels) for cam in ("native", "gradcam")}
    targets, labels = store["target"] / 255.0, [LABELS[index] for index in batch.labels.tolist()]
    for name in ("att_cos", "layer.2.att_cos", "module.att_cos", "cam_cos.native", "cam_cos.gradcam"):
        own = (maps | cams)[name].numpy()
        expected = np.full(len(dataset), np.nan)
        for row in np.flatnonzero(store["target_valid"]):
            expected[row] = published_cosine(own[row], targets[row], CROP, stretched=name in maps)
        np.testing.assert_allclose(store[f"score/{name}"], expected, atol=1e-4, err_msg=name)
        assert metrics[name] == pytest.approx(macro_mean(expected, labels), abs=1e-4)


def test_references_go_through_the_frame_of_the_attention(scored: Scored) -> None:
    metrics, store = scored["published"]
    labels = [text.decode() for text in store["label"].tolist()]
    rows = np.flatnonzero(store["target_valid"])
    targets = store["target"] / 255.0
    gaussian = gaussian_map(28)
    grid = store["attention/5"].shape[1:]
    for name in ("baseline.gaussian", "ceiling"):
        expected = np.full(len(labels), np.nan)
        for row in rows:
            fine = resize_plane(gaussian if name == "baseline.gaussian" else targets[row], CROP, CROP, published=False)
            coarse = resize_plane(fine, *grid, published=True)
            expected[row] = published_cosine(coarse, targets[row], CROP, stretched=True)
        assert metrics[f"{name}.att_cos"] == pytest.approx(macro_mean(expected, labels), abs=1e-4)


@pytest.fixture(scope="module")
def published_maps() -> tuple[np.ndarray, list[str]]:
    """The published AU maps of 60 faces in the published template."""
    rng = np.random.default_rng(0)
    expressions = [name for name in create_codebook("paper").expressions if name != "contempt"]
    labels = expressions * 10
    turn = rng.normal(0, 0.04, len(labels))
    about = np.stack([np.cos(turn), -np.sin(turn), np.sin(turn), np.cos(turn)], axis=1).reshape(-1, 2, 2)
    faces = (MEAN_FACE * 70) @ about + [112, 103] + rng.normal(0, 1, (len(labels), 68, 2))
    maps, valid = render_au_maps(faces, labels, 224, 224, "paper", "paper")
    assert valid.all()
    return maps, labels


# Grid -> scores, as the published code takes them, of attention and of a CAM that equal the published target, and of a
# CAM that equals the target where it should be.
CAPS = {28: (0.997, 0.975, 0.998), 14: (0.980, 0.908, 0.983), 7: (0.869, 0.771, 0.911)}


@pytest.mark.parametrize("cells", CAPS)
def test_what_a_perfect_map_scores_is_what_the_published_code_gives_it(
    published_maps: tuple[np.ndarray, list[str]], cells: int
) -> None:
    maps, labels = published_maps
    score = PaperCosine(Frame("published", 224))
    moved, still = (Frame(name, 224).to_layer(maps, (cells, cells)) for name in ("published", "corrected"))
    attention, cam, unmoved, lost = (
        macro_mean(scores, labels)
        for scores in (
            score.of_attention(moved, maps),
            score.of_cam(moved, maps),
            score.of_cam(still, maps),
            score.of_attention(still, maps),
        )
    )
    assert (attention, cam, unmoved) == pytest.approx(CAPS[cells], abs=0.02)
    assert lost < attention  # trained in one frame, scored in the other
