"""Networks that are passed over are right, and what is common is passed over without torch."""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
import timm
import yaml

from fer_au.checks.networks import _is_plain, _look
from fer_au.checks.parts import timm_models
from fer_au.config.data import HeatmapsConfig
from fer_au.config.experiments import EvaluateConfig, ExperimentConfig, GuidanceConfig, TrainConfig
from fer_au.config.model import ModelConfig
from tests.checks.conftest import GOOD, changed

SMALL = ["test_resnet", "resnet18", "seresnet18", "test_efficientnet", "mobilenetv2_050", "tf_efficientnet_lite0"]


def test_timm_is_read_as_it_reads_itself() -> None:
    assert set(timm_models()) == set(timm.list_models())


@pytest.mark.parametrize("size", [33, 97, 224])
@pytest.mark.parametrize("backbone", SMALL)
def test_what_is_passed_over_would_have_passed(backbone: str, size: int) -> None:
    strides = [None, 8, 16, 32] if size == 97 else [None]
    heads = [None, "lan", "wildcat", "mlp", "prm"] if size == 33 else [None]
    for stride, head in product(strides, heads):
        model = ModelConfig.model_validate({"backbone": backbone, "output_stride": stride, "head": head})
        terms = (GuidanceConfig(layers=("1", "5", "last")), GuidanceConfig(source="cam"))
        guidance = terms if size > 33 else ()  # of so few cells something would be said
        config = ExperimentConfig(dataset="d", model=model, guidance=guidance)
        train = TrainConfig(image_size=size)
        assert _is_plain(config, train, EvaluateConfig())
        assert _look(config, train, EvaluateConfig(), context=False, heatmaps=HeatmapsConfig()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {"backbone": "vit_tiny_patch16_224"}},
        {"model": {"backbone": "resnetaa50"}},
        {"model": {"backbone": "mobilenetv3_small_050"}},
        {"model": {"backbone": "gimefive-10"}},
        {"model": {"backbone": "test_resnet", "head": "ts_cam"}},
        {"model": {"backbone": "test_resnet", "head_options": {"a": 1}}},
        {"model": {"backbone": "test_resnet", "backbone_options": {"a": 1}}},
        {"model": {"backbone": "test_resnet", "large_maps": True}},
        {"guidance": [{"layers": [7]}]},
        {"guidance": [{"source": "module"}]},
        {"train": {"freeze": [{"epochs": 1}]}},
        {"train": {"image_size": 32}},
        {"guidance": [{"layers": ["last"]}], "train": {"image_size": 96}},
        {"train": {"batch_size": 1}},
    ],
)
def test_what_is_unusual_is_looked_at(changes: dict[str, object]) -> None:
    entry = {"dataset": "d", "model": {"backbone": "test_resnet"}, **changes}
    config = ExperimentConfig.model_validate(entry)
    assert not _is_plain(config, TrainConfig.model_validate(config.train), EvaluateConfig())


def test_fifty_common_experiments_load_no_torch(project: Path) -> None:
    """That is what keeps the look short, at the start of every run."""
    backbones = ["test_resnet", "resnet18", "mobilenetv2_100", "efficientnet_lite0", "resnet50"] * 10
    common = GOOD["experiments"]["au"]
    entries = {f"e{seed}": {**common, "seed": seed, "model": {"backbone": name}} for seed, name in enumerate(backbones)}
    changes = {"experiments": entries, "train.image_size": 112}
    (project / "params.yaml").write_text(yaml.safe_dump(changed(GOOD, changes)))
    program = (
        "import sys; from fer_au.checks import check_params; print(check_params(), {*sys.modules} & {'torch', 'timm'})"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=project, capture_output=True, text=True, check=True)
    assert done.stdout == "[] set()\n"
