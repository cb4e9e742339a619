"""The stage with other data than a model was trained for: what is scored, what is told, and what is refused."""

from __future__ import annotations

import shutil

import pytest

from fer_au.config.experiments import EvaluateConfig
from fer_au.errors import ConfigError, DataError, FerAuError
from fer_au.evaluation import (
    evaluate_experiment,
)
from fer_au.evaluation.metrics_file import read_metrics_file
from fer_au.fingerprints import file_digest
from fer_au.models import create_model, save_model
from tests.evaluation.conftest import LABELS, model_meta, write_history
from tests.evaluation.evaluating import CONFIG, evaluate


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


def test_results_may_be_written_without_a_store(tiny_dataset, tiny_model, tmp_path):
    evaluate_experiment(
        EvaluateConfig(cams=(), moved=False, faithfulness_images=0),
        dataset_dir=tiny_dataset,
        model_dir=tiny_model,
        metrics_path=tmp_path / "cross" / "x.json",
        store_path=None,
    )
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"cross/x.json", "detail/cross/x.json"}


def test_a_set_of_copies_of_the_training_pictures_is_told(tiny_dataset, tmp_path, capsys):
    for name in ("tiny", "copies"):
        shutil.copytree(tiny_dataset, tmp_path / name)
    trained = {"manifest.csv": file_digest(tiny_dataset / "manifest.csv")}
    model = create_model({"backbone": "test_resnet", "output_stride": 8}, LABELS, seed=0)
    save_model(tmp_path / "model", model, model_meta(data=trained))
    write_history(tmp_path / "model")
    evaluate_experiment(
        EvaluateConfig(cams=(), moved=False, faithfulness_images=0, split="train"),
        dataset_dir=tmp_path / "copies",
        model_dir=tmp_path / "model",
        metrics_path=tmp_path / "cross" / "x.json",
        store_path=None,
    )
    metrics = read_metrics_file(tmp_path / "cross/x.json")
    assert metrics["seen_in_training"] == metrics["n"]
    assert "a picture that training on" in capsys.readouterr().err


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
