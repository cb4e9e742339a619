"""CAMs that a network can't have: refused before anything runs, or left out, which is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer_au.config.experiments import EvaluateConfig
from fer_au.errors import ConfigError
from fer_au.evaluation import evaluate_experiment, read_metrics
from fer_au.evaluation.cams import choose_cams
from fer_au.evaluation.metrics_file import read_metrics_file
from fer_au.glossary import match_key
from fer_au.models import create_model
from fer_au.stores import Store

CLASSES = ("neutral", "happiness", "anger")
# CAM -> a network without it, and a word of the reason.
LACKING = {
    "rollout": ({"backbone": "test_resnet"}, "transformer"),
    "attention@2": ({"backbone": "test_resnet"}, "transformer"),
    "prm_peak": ({"backbone": "test_resnet", "head": "gap"}, "'prm'"),
    "guided_gradcam": ({"backbone": "test_efficientnet"}, "ReLU"),
    "layercam@7": ({"backbone": "test_resnet"}, "unknown feature layer '7'"),
}


@pytest.mark.parametrize("cam", LACKING)
def test_a_cam_that_a_network_lacks_fails_or_is_skipped(cam: str) -> None:
    config, word = LACKING[cam]
    model = create_model(config, CLASSES, seed=0)
    asked = EvaluateConfig(cams=("native", cam, "gradcam"))
    with pytest.raises(ConfigError) as error:
        choose_cams(asked, model)
    assert str(error.value).startswith(f"evaluate.cams: {cam}: ")
    assert str(error.value).endswith("write `evaluate.on_missing_cam: skip` to evaluate without it")
    cams, skipped = choose_cams(asked.model_copy(update={"on_missing_cam": "skip"}), model)
    assert cams == ("native", "gradcam")
    assert list(skipped) == [cam]
    assert word in skipped[cam]


@pytest.mark.parametrize("cam", ["gradcm", "integrated_gradients@2"])
def test_what_no_network_has_is_never_skipped(cam: str) -> None:
    model = create_model({"backbone": "test_resnet"}, CLASSES, seed=0)
    with pytest.raises(ConfigError, match=r"^evaluate\.cams: ") as error:
        choose_cams(EvaluateConfig(cams=("native", cam), on_missing_cam="skip"), model)
    assert "on_missing_cam" not in str(error.value)


def test_the_metrics_and_the_log_say_what_was_skipped(
    tiny_dataset: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = EvaluateConfig(
        cams=("rollout", "native", "layercam@7"), on_missing_cam="skip", moved=False, faithfulness_images=0
    )
    path = tmp_path / "m.json"
    evaluate_experiment(
        config, dataset_dir=tiny_dataset, model_dir=tiny_model, metrics_path=path, store_path=tmp_path / "x.h5"
    )
    headline = read_metrics_file(path)
    skipped = {key: str(value) for key, value in headline.items() if key.startswith("cam_skipped.")}
    assert set(skipped) == {"cam_skipped.rollout", "cam_skipped.layercam@7"}
    assert "transformer" in skipped["cam_skipped.rollout"]
    assert all(match_key("cam_skipped.<cam>", key) is not None for key in skipped)
    assert [name for name in Store.open(tmp_path / "x.h5", "evaluation").columns if name.startswith("cam/")] == [
        "cam/native"
    ]
    assert "cam_ccos.native" in read_metrics(path)
    assert "without the CAM rollout: attention rollout needs a vision transformer" in capsys.readouterr().err
