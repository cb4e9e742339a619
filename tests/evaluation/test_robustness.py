from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from fer_au.batches.faces import FaceDataset
from fer_au.config.experiments import EvaluateConfig
from fer_au.config.reading import validate
from fer_au.config.robustness import DISTURBANCES, chosen_disturbances
from fer_au.errors import ConfigError
from fer_au.evaluation.disturbances import TABLE
from fer_au.evaluation.metrics_file import read_metrics_file
from fer_au.evaluation.robustness import FaceReader, find_partners
from fer_au.evaluation.robustness_metrics import UNDEFINED, read_curve
from fer_au.evaluation.robustness_store import read_answers
from fer_au.glossary import look_up, metric_fault
from fer_au.models import create_model, load_model, save_model
from fer_au.stores import Store
from tests.evaluation.conftest import LABELS, model_meta, write_history
from tests.evaluation.evaluating import evaluate

CPU = torch.device("cpu")
PLAIN = EvaluateConfig(cams=(), attention_layers=("last",), moved=False, faithfulness_images=0, batch_size=7)
CONFIG = PLAIN.model_copy(update={"robustness": "all"})
LOST = "test/anger/01.png"  # the extractor found nothing


@pytest.fixture(scope="module")
def evaluated(tiny_dataset, tiny_model, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    metrics = evaluate(CONFIG, tiny_dataset, tiny_model, out)
    return metrics, Store.open(out / "evaluation" / "x.h5", "evaluation")


def robust(metrics):
    return {key: value for key, value in metrics.items() if "robustness." in key or "background_reliance" in key}


def test_nothing_is_disturbed_unless_it_is_asked_for(tiny_dataset, tiny_model, tmp_path):
    metrics = evaluate(PLAIN, tiny_dataset, tiny_model, tmp_path)
    assert not robust(metrics)
    assert not read_answers(Store.open(tmp_path / "evaluation" / "x.h5", "evaluation"))


def test_every_disturbance_has_its_metrics_each_known_and_in_range(evaluated):
    metrics = robust(evaluated[0])
    for name in DISTURBANCES:
        assert {f"robustness.{name}.{k}.accuracy" for k in range(6)} <= metrics.keys()
        assert (f"robustness.{name}.gap" in metrics) == bool(TABLE[name].card.control)
    assert all(look_up(key)[0] != "Other" for key in metrics)
    numbers = {key: value for key, value in metrics.items() if value is not None}
    assert len(numbers) > 200
    assert [fault for key, value in numbers.items() if (fault := metric_fault(key, value))] == []


def test_background_reliance_is_a_headline_and_the_rest_is_not(evaluated):
    headline = read_metrics_file(evaluated[1].path.parents[1] / "m.json")
    assert robust(headline).keys() == {"background_reliance"}


def test_metrics_can_be_recomputed_from_the_store(evaluated, tiny_dataset):
    metrics, store = evaluated
    found, dataset = read_answers(store), FaceDataset(tiny_dataset, "test", 64, LABELS)
    assert found["clean"].predicted[:, 0].tolist() == store["probabilities"].argmax(axis=1).tolist()
    np.testing.assert_allclose(found["clean"].att_ccos[:, 0], store["score/att_ccos"], atol=1e-3)
    for name in DISTURBANCES:
        curve = read_curve(found, name, dataset.labels)
        right = found[name].predicted[curve.rows] == dataset.labels[curve.rows, None]
        for strength in range(5):
            assert metrics[f"robustness.{name}.{strength + 1}.accuracy"] == pytest.approx(right[:, strength].mean())
    swapped = read_curve(found, "background_swapped", dataset.labels)
    assert metrics["background_reliance"] == pytest.approx(swapped.changed[:, -1].mean(), abs=1e-6)
    assert metrics["robustness.background_swapped.gap"] == pytest.approx(
        (swapped.control_correct - swapped.correct[:, -1]).mean(), abs=1e-6
    )


def test_a_face_without_landmarks_takes_part_where_none_are_needed(evaluated):
    metrics, store = evaluated
    found, row = read_answers(store), store.index[LOST]
    assert metrics["robustness.moved.n"] == metrics["robustness.jpeg.n"] == 18
    assert metrics["robustness.mouth_occluded.n"] == metrics["robustness.background_swapped.n"] == 17
    assert (found["mouth_occluded"].predicted[row] == UNDEFINED).all()
    assert (found["background_swapped.control"].predicted[row] == UNDEFINED).all()
    assert np.isnan(found["mouth_occluded"].att_ccos[row]).all()
    assert found["moved"].predicted[row].max() < len(LABELS)


def test_the_batch_size_and_the_other_disturbances_decide_nothing(evaluated, tiny_dataset, tiny_model, tmp_path):
    changes = {"batch_size": 4, "robustness": ("background_swapped", "moved")}
    other = robust(evaluate(PLAIN.model_copy(update=changes), tiny_dataset, tiny_model, tmp_path))
    assert len(other) > 40
    for key, value in other.items():
        assert evaluated[0][key] == pytest.approx(value, abs=2e-3), key


def test_a_disturbed_face_depends_on_no_other_in_the_batch(tiny_dataset):
    dataset = FaceDataset(tiny_dataset, "test", 64, LABELS)
    reader = FaceReader(dataset, swaps=True, device=CPU)
    alone, among = reader.faces([9]), reader.faces([12, 3, 9, 5])
    for name, disturbance in TABLE.items():
        for one, many in zip(disturbance(alone), disturbance(among), strict=True):
            torch.testing.assert_close(one.images[0], many.images[2], msg=name, atol=1e-5, rtol=0)
        if disturbance.card.control:
            torch.testing.assert_close(disturbance.control(alone)[0], disturbance.control(among)[2], atol=1e-5, rtol=0)


def test_partners_have_landmarks_and_their_own_or_another_class(tiny_dataset):
    dataset = FaceDataset(tiny_dataset, "test", 64, LABELS)
    other, alike = find_partners(dataset)
    lost = dataset.ids.index(LOST)
    assert other[lost] == alike[lost] == -1
    rows = np.array([row for row in range(len(dataset)) if row != lost])
    assert lost not in {*other[rows].tolist(), *alike[rows].tolist()}
    assert (dataset.labels[other[rows]] != dataset.labels[rows]).all()
    assert (dataset.labels[alike[rows]] == dataset.labels[rows]).all()
    assert (alike[rows] != rows).all()
    assert len(set(other[rows].tolist())) > 5  # not one background for all


def test_one_class_alone_has_no_other_backgrounds(make_dataset, tiny_model, tmp_path):
    data = make_dataset({"train": 3, "test": 3}, labels=("happiness",))
    config = PLAIN.model_copy(update={"robustness": ("moved", "background_swapped")})
    metrics = evaluate(config, data, tiny_model, tmp_path)
    assert metrics["robustness.background_swapped.n"] == 0
    assert "background_reliance" not in metrics
    assert metrics["robustness.moved.n"] > 0


def test_a_class_of_one_face_has_no_background_of_its_own(make_dataset):
    dataset = FaceDataset(make_dataset({"train": 2, "test": 1}), "test", 64, LABELS)
    other, alike = find_partners(dataset)
    assert (alike == -1).all()
    assert (other >= 0).sum() >= 2


def test_grey_networks_see_the_same_disturbances(tiny_dataset, tmp_path):
    model = create_model({"backbone": "test_resnet", "output_stride": 8, "in_chans": 1}, LABELS, seed=0)
    meta = model_meta()
    meta["preprocessing"] |= {"channels": 1}
    save_model(tmp_path / "grey", model, meta)
    write_history(tmp_path / "grey")
    config = PLAIN.model_copy(update={"robustness": ("darkened", "jpeg")})
    metrics = evaluate(config, tiny_dataset, tmp_path / "grey", tmp_path)
    assert metrics["robustness.darkened.n"] == 18
    assert not any("occluded" in key for key in metrics)


def test_a_model_that_reads_the_background_is_found_out(tiny_dataset, tiny_model, tmp_path, monkeypatch):
    """A network that answers by the brightness of a corner relies on the background, and on no part of the face."""
    model, _ = load_model(tiny_model)

    def corner(self, x):
        bright = (x[:, :, :8, :8].mean(dim=(1, 2, 3)) * 50).sin()
        return original(self, x)._replace(logits=torch.stack([bright, -bright, torch.full_like(bright, -9)], dim=1))

    original = type(model).forward
    monkeypatch.setattr(type(model), "forward", corner)
    config = PLAIN.model_copy(update={"robustness": ("mouth_occluded", "background_swapped")})
    metrics = evaluate(config, tiny_dataset, tiny_model, tmp_path)
    assert metrics["robustness.mouth_occluded.5.changed"] == 0
    assert metrics["robustness.mouth_occluded.relative_accuracy"] == 1
    assert metrics["robustness.mouth_occluded.gap"] == 0
    assert metrics["background_reliance"] > 0.2
    low, high = (metrics[f"interval.background_reliance.{end}"] for end in ("low", "high"))
    assert low < metrics["background_reliance"] < high


def test_names_are_strict_and_every_choice_is_a_list():
    assert tuple(TABLE) == DISTURBANCES
    assert chosen_disturbances("all") == DISTURBANCES
    with pytest.raises(ConfigError, match=r"evaluate\.robustness\.0: should be 'moved', .* did you mean blurred"):
        validate(EvaluateConfig, {"robustness": ["blured"]}, "evaluate", "params.yaml")
    assert json.loads(EvaluateConfig().model_dump_json())["robustness"] == "none"
