from __future__ import annotations

import re
import shutil
from collections.abc import Iterable

import numpy as np
import pytest
import torch

from fer_au.batches.faces import FaceDataset
from fer_au.batches.preprocess import Preprocessing
from fer_au.cam import compute_cam
from fer_au.config.experiments import EvaluateConfig
from fer_au.errors import DataError
from fer_au.evaluation import (
    centered_cosine,
    cosine_alignment,
    inference,
    macro_mean,
    region_attention,
)
from fer_au.evaluation.comparison import comparison_maps, mass_maps
from fer_au.evaluation.metrics_file import HEADLINE, detail_path, read_metrics_file
from fer_au.glossary import match_key, metric_fault
from fer_au.models import create_model, load_model, save_model
from fer_au.stores import Store, write_store
from tests.evaluation.conftest import model_meta, write_history
from tests.evaluation.evaluating import CONFIG, evaluate

LABELS = ("neutral", "happiness", "anger")
REGIONS = ("eyes", "brows", "nose", "mouth", "face", "background")
LAYERS = ("1", "2", "3", "4", "5")


@pytest.fixture(scope="module")
def evaluated(tiny_dataset, tiny_model, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    metrics = evaluate(CONFIG, tiny_dataset, tiny_model, out)
    return metrics, Store.open(out / "evaluation" / "x.h5", "evaluation")


SCORES = ("cos", "ccos", "auc", "class_rank", "class_auc")
FAULTS = ("nan", "zero", "constant")
BASELINES = [f"baseline.{name}" for name in ("blank", "gaussian", "face", "generic", "class_mean")]


def expected_keys(module: bool = False) -> set[str]:
    places = {f"region.{region}" for region in REGIONS}
    places |= {f"side_region.{side}.{region}" for side in ("left", "right") for region in REGIONS[:-1]}
    own = {f"att_{score}" for score in SCORES} | {f"att_maps.{fault}" for fault in FAULTS} | places
    fully = {f"att_{score}" for score in (*SCORES, "specificity", "cos_moved", "ccos_moved", "auc_motion")}
    keys = set()
    for prefix in ("", "module.")[: 1 + module]:
        keys |= {f"{prefix}{key}" for key in own | fully}
        references = {f"{prefix}{name}" for name in (*BASELINES, "ceiling")}
        keys |= {f"{name}.{key}" for name in references for key in fully | {f"region.{region}" for region in REGIONS}}
        keys |= {f"{prefix}att_grid"}
    keys |= {f"layer.{layer}.{key}" for layer in LAYERS for key in own}
    for cam in ("native", "layercam"):
        keys |= {f"cam_{key.removeprefix('att_')}.{cam}" for key in own} | {f"cam_grid.{cam}"}
    judged = [f"layer.{layer}" for layer in LAYERS] + ["cam.native", "cam.layercam", "au", "ceiling", *BASELINES]
    for name in [*judged, *["module"][:module]]:
        for score in ("auc", "ccos"):
            keys |= {f"truth.{name}.{score}"} | {f"truth.{name}.{score}.{label}" for label in LABELS[1:]}
    keys |= {f"per_class.{label}.{key}" for label in LABELS for key in ("accuracy", "precision", "f1", "n")}
    keys |= {f"per_class.{label}.att_{key}" for label in LABELS[1:] for key in ("cos", "ccos", "class_rank")}
    keys |= {f"environment.{key}" for key in ("python", "torch", "timm", "fer_au", "device", "precision", "cpu")}
    keys |= {"accuracy", "balanced_accuracy", "macro_f1", "ece", "faithfulness.deletion", "faithfulness.insertion"}
    keys |= {f"selected.{key}" for key in ("epoch", "train_accuracy", "valid_accuracy")}
    keys |= {"floor.region.background"}
    return keys | {"n", "n_cos", "n_expressions", "selected_on", "seed", "train_images_per_second"}


GROUPS = ("slice.", "interval.", "overlap")
"""Beginnings of keys that ``test_slices`` and ``test_overlap`` look at."""


def ungrouped(keys: Iterable[str]) -> set[str]:
    return {key for key in keys if not key.startswith(GROUPS)}


def test_every_metric_is_known_and_in_its_range(evaluated):
    numbers = {key: value for key, value in evaluated[0].items() if isinstance(value, int | float)}
    assert len(numbers) > 100
    assert [fault for key, value in numbers.items() if value == value and (fault := metric_fault(key, value))] == []


def test_the_keys_are_these_and_no_others(evaluated):
    assert ungrouped(evaluated[0]) == expected_keys()


def test_the_headline_is_short_and_the_detail_file_holds_the_rest(evaluated):
    path = evaluated[1].path.parents[1] / "m.json"
    headline, detail = read_metrics_file(path), read_metrics_file(detail_path(path))
    assert not headline.keys() & detail.keys()
    assert ungrouped(headline.keys() | detail.keys()) == expected_keys()
    assert len(headline) <= 32
    assert {
        "accuracy",
        "att_class_rank",
        "baseline.face.att_ccos",
        "ceiling.att_ccos",
        "region.background",
    } <= headline.keys()
    assert "region.eyes" in detail


def test_every_pattern_of_the_headline_has_a_key():
    # Of a frame, of probabilities, of a CAM and of disturbances that are not usual.
    keys = expected_keys(module=True) | {"resize", "mirrored", "cam_skipped.rollout", "seen_in_training"}
    keys |= {"background_reliance"}
    assert [own for own in HEADLINE if not any(match_key(own, key) is not None for key in keys)] == []


def test_every_metric_of_a_healthy_run_is_defined(evaluated):
    undefined = [key for key, value in evaluated[0].items() if value is None]
    assert all(key.endswith(".precision") for key in undefined)  # of a class that the model never names


def test_counts_leave_out_rejected_faces_neutral_and_missing_landmarks(evaluated):
    metrics, store = evaluated
    # 18 test faces; row 1 of the manifest (test/anger) has no landmarks; the rejected row is in the training split.
    assert metrics["n"] == len(store) == 18
    assert metrics["n_cos"] == 11
    assert [metrics[f"per_class.{label}.n"] for label in LABELS] == [6, 6, 6]
    scores = store["score/att_cos"]
    labels = [text.decode() for text in store["label"].tolist()]
    assert np.isnan(scores[[label == "neutral" for label in labels]]).all()
    assert np.isnan(scores[store.index["test/anger/01.png"]])
    assert np.isfinite(scores).sum() == 11


def test_what_training_recorded_is_passed_on(evaluated):
    metrics = evaluated[0]
    assert metrics["seed"] == 5
    assert metrics["selected_on"] == "valid"
    assert metrics["train_images_per_second"] == 123.4
    assert metrics["environment.precision"] == "fp32"


def test_metrics_can_be_recomputed_from_the_store(evaluated):
    metrics, store = evaluated
    labels = [text.decode() for text in store["label"].tolist()]
    targets = store["target"] / 255.0
    targets[~store["target_valid"]] = np.nan
    for layer in LAYERS:
        maps = comparison_maps(store[f"attention/{layer}"], 28)
        found = macro_mean(cosine_alignment(maps, targets), labels)
        assert metrics[f"layer.{layer}.att_cos"] == pytest.approx(found, abs=2e-3)
    cams = comparison_maps(store["cam/layercam"], 28)
    assert metrics["cam_ccos.layercam"] == pytest.approx(macro_mean(centered_cosine(cams, targets), labels), abs=2e-3)
    truth = np.array([LABELS.index(label) for label in labels])
    assert metrics["accuracy"] == pytest.approx((store["probabilities"].argmax(axis=1) == truth).mean(), abs=1e-6)
    assert metrics["att_ccos"] == pytest.approx(macro_mean(store["score/att_ccos"], labels), abs=1e-5)
    assert store.attributes["classes"] == ",".join(LABELS)


def test_the_headline_is_the_last_layer(evaluated):
    metrics = evaluated[0]
    assert metrics["att_cos"] == metrics["layer.5.att_cos"]
    assert metrics["att_auc"] == metrics["layer.5.att_auc"]


def test_references_stand_where_they_must(evaluated):
    metrics = evaluated[0]
    assert metrics["baseline.blank.att_ccos"] == 0.0
    assert metrics["baseline.blank.att_auc"] == 0.5
    assert metrics["baseline.blank.att_specificity"] == metrics["baseline.class_mean.att_specificity"] == 0.5
    assert metrics["ceiling.att_specificity"] > 0.9
    blank, mean, best = (metrics[f"{name}.att_cos"] for name in ("baseline.blank", "baseline.class_mean", "ceiling"))
    assert blank < mean < best <= 1.0
    assert metrics["baseline.class_mean.att_ccos_moved"] < metrics["baseline.class_mean.att_ccos"] - 0.1
    assert metrics["ceiling.att_ccos_moved"] == pytest.approx(metrics["ceiling.att_ccos"], abs=0.05)
    assert metrics["ceiling.att_auc_motion"] > 0.9  # the tiny set's motion is its AU map
    for prefix in ("", "baseline.blank.", "ceiling."):
        shares = [metrics[f"{prefix}region.{region}"] for region in REGIONS]
        assert sum(shares) == pytest.approx(1.0, abs=1e-5)
        assert metrics["floor.region.background"] < metrics[f"{prefix}region.background"]


def test_cams_are_those_of_compute_cam_for_the_true_class(evaluated, tiny_dataset, tiny_model):
    store = evaluated[1]
    model, meta = load_model(tiny_model)
    dataset = FaceDataset(tiny_dataset, "test", 64, LABELS)
    batch = dataset.batch(range(len(dataset)))
    images = Preprocessing.from_meta(meta["preprocessing"])(batch.images)
    for name in ("native", "layercam"):
        expected = compute_cam(name, model, images, batch.labels).numpy()
        np.testing.assert_allclose(store[f"cam/{name}"], expected, atol=2e-3)


def test_shares_of_a_cam_are_those_of_its_positive_evidence(evaluated, tiny_dataset, tiny_model):
    """The native map is signed: scaled to [0, 1], it had mass wherever it isn't lowest."""
    metrics = evaluated[0]
    model, meta = load_model(tiny_model)
    dataset = FaceDataset(tiny_dataset, "test", 64, LABELS)
    batch = dataset.batch(range(len(dataset)))
    images = Preprocessing.from_meta(meta["preprocessing"])(batch.images)
    raw = compute_cam("native", model, images, batch.labels, normalize=False)
    assert (raw < 0).any()
    shares = region_attention(mass_maps(raw.numpy(), 28), dataset.points, dataset.crop_size)
    labels = [LABELS[index] for index in batch.labels.tolist()]
    for region in REGIONS:
        expected = macro_mean(shares[region], labels, neutral=True)
        assert metrics[f"cam_region.{region}.native"] == pytest.approx(expected, abs=1e-4)


def test_cams_are_min_maxed(evaluated):
    store = evaluated[1]
    cams = store["cam/native"].astype(np.float32)
    np.testing.assert_allclose(cams.min(axis=(1, 2)), 0.0, atol=1e-3)
    np.testing.assert_allclose(cams.max(axis=(1, 2)), 1.0, atol=1e-3)


def test_faithfulness_is_scored_on_the_bounded_number_of_images(evaluated):
    metrics, store = evaluated
    scores = store["score/faithfulness.deletion"]
    assert np.isfinite(scores).sum() == 5
    assert metrics["faithfulness.deletion"] == pytest.approx(np.nanmean(scores), abs=1e-5)


def test_the_batch_size_does_not_change_the_figures(evaluated, tiny_dataset, tiny_model, tmp_path):
    other = evaluate(CONFIG.model_copy(update={"batch_size": 64}), tiny_dataset, tiny_model, tmp_path)
    for key, value in evaluated[0].items():
        assert other[key] == pytest.approx(value, abs=1e-4), key


def test_unwanted_parts_are_not_computed_and_not_reported(tiny_dataset, tiny_model, tmp_path):
    config = EvaluateConfig(cams=(), attention_layers=("2",), moved=False, faithfulness_images=0)
    metrics = evaluate(config, tiny_dataset, tiny_model, tmp_path)
    found = set(metrics)
    assert not any("moved" in key or "cam_" in key or "faithfulness" in key for key in found)
    # The headline stays the last layer, whatever else is looked at, so that experiments can be compared.
    assert {key for key in found if key.startswith("layer.") and key.endswith("att_cos")} == {
        "layer.2.att_cos",
        "layer.5.att_cos",
    }


def test_the_same_inputs_give_the_same_bytes(evaluated, tiny_dataset, tiny_model, tmp_path):
    evaluate(CONFIG, tiny_dataset, tiny_model, tmp_path)
    assert (tmp_path / "evaluation" / "x.h5").read_bytes() == evaluated[1].path.read_bytes()


@pytest.fixture(scope="module")
def attentive(tiny_dataset, tmp_path_factory):
    """An untrained LAN, whose head makes a map of its own, evaluated."""
    folder = tmp_path_factory.mktemp("models") / "lan"
    config = {"backbone": "test_resnet", "output_stride": 8, "head": "lan", "head_options": {"widths": [8]}}
    save_model(folder, create_model(config, LABELS, seed=0), model_meta())
    write_history(folder)
    out = tmp_path_factory.mktemp("out")
    return evaluate(CONFIG, tiny_dataset, folder, out), Store.open(out / "evaluation" / "x.h5", "evaluation"), folder


def test_the_map_that_a_head_makes_is_scored_as_attention_is(attentive):
    assert ungrouped(attentive[0]) == expected_keys(module=True)
    assert attentive[0]["module.att_grid"] == "8x8"
    assert {"module.att_ccos", "module.att_class_rank"} <= read_metrics_file(
        attentive[1].path.parents[1] / "m.json"
    ).keys()


def test_the_map_that_a_head_makes_is_kept(attentive, tiny_dataset):
    metrics, store, folder = attentive
    model, meta = load_model(folder)
    dataset = FaceDataset(tiny_dataset, "test", 64, LABELS)
    batch = dataset.batch(range(len(dataset)))
    with torch.inference_mode():
        expected = model(Preprocessing.from_meta(meta["preprocessing"])(batch.images)).attention.numpy()
    np.testing.assert_allclose(store["module"], expected, atol=2e-3)
    targets = np.where(store["target_valid"][:, None, None], store["target"] / 255.0, np.nan)
    scores = centered_cosine(comparison_maps(store["module"], 28), targets)
    labels = [text.decode() for text in store["label"].tolist()]
    assert metrics["module.att_ccos"] == pytest.approx(macro_mean(scores, labels), abs=5e-3)
    assert metrics["module.att_ccos"] == pytest.approx(macro_mean(store["score/module.att_ccos"], labels), abs=1e-5)


def test_regions_are_those_of_all_faces_with_landmarks_by_class(evaluated):
    metrics, store = evaluated
    labels = [text.decode() for text in store["label"].tolist()]
    shares = store["score/region.mouth"]
    assert np.isnan(shares).tolist() == [id_ == "test/anger/01.png" for id_ in store.ids]
    means = [np.nanmean(shares[[own == label for own in labels]]) for label in LABELS]
    assert metrics["region.mouth"] == metrics["layer.5.region.mouth"] == pytest.approx(np.mean(means), abs=1e-5)


def test_the_true_motion_judges_every_map(evaluated):
    metrics = evaluated[0]
    assert metrics["truth.au.ccos"] > 0.9  # the tiny set's motion is its AU map
    assert metrics["truth.ceiling.auc"] == metrics["ceiling.att_auc_motion"] > metrics["truth.au.auc"] - 0.1
    assert metrics["truth.baseline.blank.ccos"] == 0.0
    assert metrics["truth.layer.5.auc"] == metrics["att_auc_motion"]
    each = [metrics[f"truth.cam.native.ccos.{label}"] for label in LABELS[1:]]
    assert metrics["truth.cam.native.ccos"] == pytest.approx(np.mean(each), abs=1e-5)


def test_nothing_beats_the_ceiling_of_the_true_motion(tiny_dataset, tiny_model, tmp_path):
    """Where a face moves elsewhere than its AU map says, the best map is the motion's, and not the AU map."""
    data = shutil.copytree(tiny_dataset, tmp_path / "data")
    store = Store.open(data / "annotations.h5", "annotations")
    turned = store["motion"][:, ::-1].copy()
    write_store(data / "annotations.h5", "annotations", {"id": store["id"], "motion": turned}, fingerprint="a")
    metrics = evaluate(CONFIG, data, tiny_model, tmp_path)
    for score in ("auc", "ccos"):
        others = {key: value for key, value in metrics.items() if re.fullmatch(rf"truth\..+\.{score}", key)}
        best = others.pop(f"truth.ceiling.{score}")
        assert best > 0.8
        assert {key for key, value in others.items() if value is not None and value >= best} == set()
    assert metrics["ceiling.att_auc_motion"] == metrics["truth.ceiling.auc"]


def test_the_selected_epoch_is_taken_from_the_history(evaluated):
    metrics = evaluated[0]
    assert [metrics[f"selected.{key}"] for key in ("epoch", "train_accuracy", "valid_accuracy")] == [2, 0.75, 0.625]


@pytest.mark.parametrize("text", [None, "epoch,train_accuracy,valid_accuracy\n0,1,1\n", "epoch\n1\n"])
def test_a_history_without_the_selected_epoch_is_named(tiny_dataset, tiny_model, tmp_path, text):
    model = shutil.copytree(tiny_model, tmp_path / "m")
    (model / "history.csv").unlink()
    if text is not None:
        (model / "history.csv").write_text(text)
    with pytest.raises(DataError, match=r"history\.csv: .*train the model again"):
        evaluate(CONFIG.model_copy(update={"moved": False}), tiny_dataset, model, tmp_path)


def test_blocks_change_nothing(evaluated, tiny_dataset, tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(inference, "_BLOCK", 5)
    other = evaluate(CONFIG, tiny_dataset, tiny_model, tmp_path)
    assert other == pytest.approx(evaluated[0], abs=1e-6)
    assert (tmp_path / "evaluation" / "x.h5").read_bytes() == evaluated[1].path.read_bytes()


def test_dead_maps_are_counted(tiny_dataset, tmp_path):
    model = create_model({"backbone": "test_resnet", "output_stride": 8}, LABELS, seed=0)
    with torch.no_grad():
        model.head.linear.weight.zero_()  # no class map has evidence
    save_model(tmp_path / "m", model, model_meta())
    write_history(tmp_path / "m")
    metrics = evaluate(CONFIG, tiny_dataset, tmp_path / "m", tmp_path)
    assert [metrics[f"cam_maps.{fault}.native"] for fault in FAULTS] == [0, 18, 0]
    assert [metrics[f"att_maps.{fault}"] for fault in FAULTS] == [0, 0, 0]
    assert metrics["cam_region.mouth.native"] is None
    assert metrics["cam_class_rank.native"] == 0.5  # all expressions tie
