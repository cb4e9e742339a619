"""Every experiment of every preset, made small, trains for a few steps on demo faces and is evaluated on others.

How an experiment is made small: no pretrained weights, 64 px (48 for the net that takes nothing else), batches of 8 of
21 faces, one epoch (one for each frozen phase, and one more). A backbone that makes more than `LARGEST`
parameters with its default head gives way to the small one of its family; the project's own large networks share their
blocks with the one that stands for them. Heads with wide hidden layers get narrow ones. Experiments that then differ
only in the size of numbers, or in the fold, are trained once.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from fer_au.cam import compute_cam
from fer_au.config.data import AlignConfig, DemoConfig, HeatmapsConfig, LandmarksConfig
from fer_au.config.entries import load_experiment
from fer_au.config.experiments import EvaluateConfig, ExperimentConfig, TrainConfig
from fer_au.config.reading import load_section, read_params
from fer_au.cues import render_dataset
from fer_au.datasets import ingest_dataset, load_dataset_config
from fer_au.datasets.base import Scan
from fer_au.datasets.demo import DemoAdapter, DemoAdapterConfig
from fer_au.demo.generate import generate
from fer_au.evaluation import evaluate_experiment, read_metrics
from fer_au.expressions import EXPRESSIONS
from fer_au.faces import align_dataset
from fer_au.landmarks import extract_dataset
from fer_au.models import create_model, load_model
from fer_au.presets import list_presets, write_preset
from fer_au.training import train_experiment

LARGEST = 11_000_000
SMALL = {"resnet": "test_resnet", "vgg": "vgg11", "deit": "test_vit", "vit": "test_vit", "gimefive": "gimefive-13"}
NARROW = {"acol": {"width": 32}, "apvit": {"dim": 32}}
SIDE = 64
OWN_SIDE = {"csci-cnn": 48}

Small = tuple[ExperimentConfig, TrainConfig]


@dataclass
class Workshop:
    """Demo faces, and what has been trained on them: signature -> folder of the model."""

    dataset: Path
    trained: dict[str, Path] = field(default_factory=dict)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    folder = tmp_path_factory.mktemp("presets")
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FER_AU_WORKERS", "1")
        patch.setenv("FER_AU_CACHE", str(folder / "cache"))
        patch.setenv("ACCELERATE_USE_CPU", "true")
        patch.setattr(DemoAdapter, "scan", with_folds(DemoAdapter.scan))
        torch.set_num_threads(1)
        yield Workshop(make_demo_faces())
    torch.set_num_threads(threads)


def with_folds(scan: Callable[[DemoAdapter, DemoAdapterConfig], Scan]) -> Callable[..., Scan]:
    """Let ingest find folds, which the demo lacks: the test people are fold 0."""

    def scan_folds(adapter: DemoAdapter, config: DemoAdapterConfig) -> Scan:
        found = scan(adapter, config)
        records = tuple(replace(record, fold=str(int(record.split != "test"))) for record in found.records)
        return replace(found, records=records)

    return scan_folds


def make_demo_faces() -> Path:
    """Every expression of five people through the data stages: three train, one selects, one is test and fold 0."""
    generate(DemoConfig(identities=5, images=len(EXPRESSIONS) - 1, size=128, test_fraction=0.2), Path("raw"))
    Path("params.yaml").write_text("datasets: {demo: {adapter: demo, root: raw, valid_fraction: 0.25}}\n")
    dataset = Path("data/demo")
    ingest_dataset("demo", load_dataset_config("demo"), dataset)
    align_dataset(AlignConfig(size=SIDE), dataset, Path("raw"))
    extract_dataset(LandmarksConfig(), dataset)
    render_dataset(HeatmapsConfig(), dataset)
    return dataset


@cache
def small_backbone(name: str, in_chans: int) -> str:
    with torch.device("meta"):
        built = create_model({"backbone": name, "in_chans": in_chans}, EXPRESSIONS[:-1])
    if sum(parameter.numel() for parameter in built.parameters()) <= LARGEST:
        return name
    return next(small for family, small in SMALL.items() if name.startswith(family))


def make_small(experiment: ExperimentConfig, train: TrainConfig) -> Small:
    model = {**experiment.model.model_dump(), "weights": "none"}
    model["backbone"] = small_backbone(model["backbone"], model["in_chans"])
    model["head_options"] = {**model["head_options"], **NARROW.get(model["head"], {})}
    phases = [{**phase.model_dump(), "epochs": 1} for phase in train.freeze]
    settings = {**train.model_dump(), "freeze": phases, "epochs": len(phases) + 1}
    settings.update(batch_size=8, image_size=OWN_SIDE.get(model["backbone"], SIDE), precision="fp32")
    content = experiment.model_dump(exclude={"train", "model"})
    return ExperimentConfig.model_validate({**content, "model": model}), TrainConfig.model_validate(settings)


def signature(small: Small, base: str | None) -> str:
    """What tells small experiments apart: everything but how large a number is, and which fold is held out."""
    experiment, train = small
    content = (
        experiment.model_dump(include={"model", "guidance"}),
        train.model_dump(),
        experiment.fold is not None,
        base,
    )
    return json.dumps(without_sizes(content))


def without_sizes(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_sizes(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_sizes(item) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value > 0)
    return value


@pytest.mark.slow
@pytest.mark.parametrize("preset", list_presets())
def test_every_experiment_trains_for_a_few_steps_and_is_evaluated(
    preset: str, workshop: Workshop, tmp_path: Path
) -> None:
    params = write_preset(preset, tmp_path / "params.yaml")[0]
    scoring = load_section("evaluate", EvaluateConfig, params).model_copy(update={"faithfulness_images": 2})
    signatures: dict[str, str] = {}
    for name in read_params(params)["experiments"]:
        experiment, train = make_small(*load_experiment(name, params))
        base = signatures.get(experiment.base)
        signatures[name] = signature((experiment, train), base)
        if signatures[name] in workshop.trained:
            continue
        out = Path("models") / f"{preset}-{name}"
        base_dir = workshop.trained[base] if base else Path("models/none")
        train_experiment(name, experiment, train, workshop.dataset, base_dir, out)
        workshop.trained[signatures[name]] = out
        check_history(out, experiment)
        metrics = Path("metrics") / f"{preset}-{name}.json"
        evaluate_experiment(scoring, dataset_dir=workshop.dataset, model_dir=out, metrics_path=metrics, store_path=None)
        check_metrics(metrics, scoring)
        check_cams(out, scoring.cams)


def check_history(out: Path, experiment: ExperimentConfig) -> None:
    with (out / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    terms = [f"loss_{entry.cue}" for entry in experiment.guidance if entry.weight]
    for row in rows:
        for key in ("loss", "loss_ce", *terms):
            assert math.isfinite(float(row[key])), (out, key)
        assert all(float(row[key]) > 0 for key in terms), out


def check_metrics(path: Path, scoring: EvaluateConfig) -> None:
    metrics = read_metrics(path)
    wanted = ["accuracy", "att_cos", "att_cos_moved", "faithfulness.deletion"]
    for key in wanted + [f"cam_cos.{cam}" for cam in scoring.cams]:
        assert 0 <= metrics[key] <= 1, (path, key)


def check_cams(out: Path, cams: Sequence[str]) -> None:
    model, meta = load_model(out)
    side = meta["preprocessing"]["image_size"]
    images = torch.rand(2, model.config.in_chans, side, side, generator=torch.Generator().manual_seed(0))
    for cam in cams:
        assert compute_cam(cam, model, images, torch.tensor([0, 1])).isfinite().all(), (out, cam)
