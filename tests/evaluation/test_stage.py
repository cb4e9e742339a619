from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from fer_au.batches.faces import FaceDataset
from fer_au.batches.preprocess import Preprocessing
from fer_au.cam import compute_cam
from fer_au.config.experiments import EvaluateConfig
from fer_au.errors import ConfigError, DataError, FerAuError
from fer_au.evaluation import (
    centered_cosine,
    cosine_alignment,
    evaluate_experiment,
    macro_mean,
    read_metrics,
)
from fer_au.evaluation.metrics_file import HEADLINE, detail_path, match_key, read_metrics_file
from fer_au.evaluation.scores import comparison_maps
from fer_au.models import create_model, load_model, save_model
from fer_au.stores import Store

LABELS = ("neutral", "happiness", "anger")
CONFIG = EvaluateConfig(cams=("native", "layercam"), faithfulness_images=5, batch_size=7)
REGIONS = ("eyes", "brows", "nose", "mouth", "face", "background")
LAYERS = ("1", "2", "3", "4", "5")


def evaluate(config: EvaluateConfig, data: Path, model: Path, out: Path) -> dict:
    evaluate_experiment(
        config, dataset_dir=data, model_dir=model, metrics_path=out / "m.json", store_path=out / "evaluation" / "x.h5"
    )
    return read_metrics(out / "m.json")


@pytest.fixture(scope="module")
def evaluated(tiny_dataset, tiny_model, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    metrics = evaluate(CONFIG, tiny_dataset, tiny_model, out)
    return metrics, Store.open(out / "evaluation" / "x.h5", "evaluation")


def expected_keys() -> set[str]:
    own = {"att_cos", "att_ccos", "att_auc", "att_specificity", "att_cos_moved", "att_ccos_moved", "att_auc_motion"}
    own |= {f"region.{region}" for region in REGIONS}
    keys = own | {f"{name}.{key}" for name in ("baseline.blank", "baseline.class_mean", "ceiling") for key in own}
    keys |= {f"cam_{score}.{cam}" for score in ("cos", "ccos", "auc") for cam in ("native", "layercam")}
    keys |= {f"layer.{layer}.att_{score}" for layer in LAYERS for score in ("cos", "ccos", "auc")}
    keys |= {f"per_class.{label}.{key}" for label in LABELS for key in ("accuracy", "n")}
    keys |= {f"per_class.{label}.{key}" for label in LABELS[1:] for key in ("att_cos", "att_ccos")}
    keys |= {f"environment.{key}" for key in ("python", "torch", "timm", "fer_au", "device", "precision", "cpu")}
    keys |= {"accuracy", "balanced_accuracy", "macro_f1", "faithfulness.deletion", "faithfulness.insertion"}
    keys |= {"floor.region.background"}
    return keys | {"n", "n_cos", "selected_on", "seed", "train_images_per_second"}


def test_the_keys_are_these_and_no_others(evaluated):
    assert set(evaluated[0]) == expected_keys()


def test_the_headline_is_short_and_the_detail_file_holds_the_rest(evaluated):
    path = evaluated[1].path.parents[1] / "m.json"
    headline, detail = read_metrics_file(path), read_metrics_file(detail_path(path))
    assert not headline.keys() & detail.keys()
    assert headline.keys() | detail.keys() == expected_keys()
    assert len(headline) <= 33
    assert {"accuracy", "att_cos", "baseline.class_mean.att_cos", "ceiling.att_ccos", "region.eyes"} <= headline.keys()


def test_every_pattern_of_the_headline_has_a_key():
    assert [own for own in HEADLINE if not any(match_key(own, key) is not None for key in expected_keys())] == []


def test_every_metric_of_a_healthy_run_is_defined(evaluated):
    assert [key for key, value in evaluated[0].items() if value is None] == []


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


def test_a_data_set_with_fewer_and_other_classes_is_scored_on_those_it_shares(
    make_dataset, tiny_model, tmp_path, capsys
):
    data = make_dataset({"train": 2, "test": 4}, labels=("happiness", "fear"))
    metrics = evaluate(CONFIG, data, tiny_model, tmp_path)
    assert metrics["n"] == 4
    assert metrics["per_class.anger.n"] == 0
    assert metrics["per_class.anger.att_cos"] is None
    assert metrics["att_cos"] == metrics["per_class.happiness.att_cos"]
    assert "att_auc_motion" not in metrics
    assert "4 faces left out" in capsys.readouterr().err


def test_without_a_training_split_the_class_mean_is_undefined_and_the_rest_stands(make_dataset, tiny_model, tmp_path):
    metrics = evaluate(CONFIG, make_dataset({"test": 3}), tiny_model, tmp_path)
    assert metrics["baseline.class_mean.att_cos"] is None
    assert metrics["baseline.class_mean.att_ccos_moved"] is None
    assert metrics["att_cos"] is not None


def test_a_set_of_neutral_faces_has_recognition_scores_only(make_dataset, tiny_model, tmp_path):
    metrics = evaluate(CONFIG, make_dataset({"train": 2, "test": 3}, labels=("neutral",)), tiny_model, tmp_path)
    assert metrics["n_cos"] == 0
    assert metrics["att_cos"] is None
    assert metrics["att_ccos_moved"] is None
    assert metrics["accuracy"] is not None


def test_another_data_sets_results_need_no_store(tiny_dataset, tiny_model, tmp_path):
    evaluate_experiment(
        EvaluateConfig(cams=(), moved=False, faithfulness_images=0),
        dataset_dir=tiny_dataset,
        model_dir=tiny_model,
        metrics_path=tmp_path / "cross" / "x.json",
        store_path=None,
    )
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"cross/x.json", "detail/cross/x.json"}


def test_the_same_inputs_give_the_same_bytes(evaluated, tiny_dataset, tiny_model, tmp_path):
    evaluate(CONFIG, tiny_dataset, tiny_model, tmp_path)
    assert (tmp_path / "evaluation" / "x.h5").read_bytes() == evaluated[1].path.read_bytes()


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"cams": ("gradcan",)}, ConfigError, "did you mean gradcam"),
        ({"attention_layers": ("9",)}, ConfigError, "9"),
        ({"split": "valid"}, DataError, "split 'valid' has no usable faces"),
    ],
)
def test_a_wish_that_can_not_be_met_is_one_clear_line(change, error, says, tiny_dataset, tiny_model, tmp_path):
    with pytest.raises(error, match=says) as caught:
        evaluate(CONFIG.model_copy(update=change), tiny_dataset, tiny_model, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_model_that_was_not_trained_here_is_refused(tiny_dataset, tmp_path):
    save_model(tmp_path / "m", create_model({"backbone": "test_resnet"}, LABELS, seed=0), {})
    with pytest.raises(DataError, match=r"config\.json.*is missing"):
        evaluate(CONFIG, tiny_dataset, tmp_path / "m", tmp_path)


def test_a_missing_store_is_named(tiny_dataset, tiny_model, tmp_path):
    shutil.copytree(tiny_dataset, tmp_path / "tiny")
    (tmp_path / "tiny" / "heatmaps.h5").unlink()
    with pytest.raises(FerAuError, match=r"heatmaps\.h5"):
        evaluate(CONFIG, tmp_path / "tiny", tiny_model, tmp_path)
