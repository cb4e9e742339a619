"""Every key of ``evaluate`` changes the scores, and what decides a rerun."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fer_au.config.experiments import EvaluateConfig
from fer_au.errors import ConfigError
from fer_au.evaluation.stage import evaluate_experiment
from fer_au.models.network import FerModel
from fer_au.stores.reader import Store
from fer_au.training.stage import train_experiment
from tests.effects.keys import Case, digest, leaves, rules, unread
from tests.effects.trainings import built

EVALUATE: dict[str, Case] = {
    "split": Case("test", "valid"),
    "cams": Case(["native"], ["gradcam"]),
    "attention_layers": Case(["last"], ["3", "last"]),
    "resize": Case("corrected", "published"),
    "on_missing_cam": Case("fail", "skip", {"cams": ["native", "rollout"]}),
    "moved": Case(False, True),
    "mirrored": Case(False, True),
    "faithfulness_images": Case(0, 2),
    "robustness": Case("none", ["blurred"]),
    "audits": Case("none", ["randomisation"]),
    "audit_images": Case(1, 2, {"audits": ["randomisation"]}),
    "batch_size": Case(1, 8),
}


def test_every_key_has_an_example() -> None:
    assert set(leaves(EvaluateConfig)) == set(EVALUATE)
    assert rules(EvaluateConfig) == {"audit_images"}
    assert unread(EvaluateConfig(audit_images=5)) == {"audit_images"}
    assert not unread(EvaluateConfig(audit_images=5, audits="all"))


@pytest.fixture(scope="module")
def trained(blobs: None) -> Path:
    experiment, train = built({})
    folder = Path("models/scored")
    train_experiment("scored", experiment, train, Path("data/blobs"), Path("models/none"), folder)
    return folder


def scores(model_dir: Path, changes: dict[str, Any]) -> tuple[str, str]:
    """Evaluate with some changes: the hash of what comes out, and the fingerprint of the store."""
    config = EvaluateConfig.model_validate({"cams": ["native"], "moved": False, "faithfulness_images": 0, **changes})
    paths = {"metrics_path": Path("m.json"), "store_path": Path("e.h5"), "detail_path": Path("d.json")}
    calls = []
    with pytest.MonkeyPatch.context() as patch:
        trunk = FerModel.trunk
        patch.setattr(FerModel, "trunk", lambda self, x: calls.append(len(x)) or trunk(self, x))
        try:
            evaluate_experiment(config, dataset_dir=Path("data/blobs"), model_dir=model_dir, **paths)  # type: ignore[arg-type]
        except ConfigError as error:
            return str(error), str(error)
    metrics = [json.loads(Path(name).read_text()) for name in ("m.json", "d.json")]
    figures = [{key: value for key, value in one.items() if "environment" not in key} for one in metrics]
    store = Store.open(Path("e.h5"), "evaluation")
    batches = calls if "batch_size" in changes else []  # it decides how much memory is taken
    return digest(figures, store.content_sha256, batches), store.fingerprint


@pytest.mark.parametrize("key", EVALUATE)
def test_a_key_of_evaluate_changes_the_scores(key: str, trained: Path) -> None:
    case = EVALUATE[key]
    one, other = (scores(trained, {**case.beside, key: value}) for value in (case.one, case.other))
    assert one[0] != other[0]
    assert one[1] != other[1]
