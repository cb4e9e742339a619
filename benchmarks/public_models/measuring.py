"""Measure the public models on data sets, by the stages of the pipeline, in a project of its own.

Everything that was finished is taken again: stores by the entry that they were made of, evaluations from the cache of
finished work, maps by the name of their file.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.public_models.catalogue import PublicModel
from fer_au.atomic import write_atomically
from fer_au.batches.faces import FaceDataset
from fer_au.batches.preprocess import Preprocessing
from fer_au.cam import compute_cam
from fer_au.compute import Progress, batched, log
from fer_au.config.data import HeatmapsConfig, load_root
from fer_au.config.dataset_settings import LANDMARKS
from fer_au.config.experiments import EvaluateConfig, ExperimentConfig, TrainConfig
from fer_au.config.reading import PARAMS, load_section
from fer_au.cues import render_dataset
from fer_au.datasets import ingest_dataset, load_dataset_config
from fer_au.evaluation import evaluate_experiment
from fer_au.evaluation.metrics_file import Metric, read_metrics
from fer_au.faces import align_dataset
from fer_au.faces.settings import ALIGN_SETTINGS
from fer_au.fingerprints import file_digest, fingerprint
from fer_au.landmarks import extract_dataset
from fer_au.measure.maps_file import open_maps
from fer_au.measure.measuring import measure_maps
from fer_au.models import FerModel, load_model
from fer_au.models.trained import Training
from fer_au.stores import Store
from fer_au.training import train_experiment
from fer_au.yaml_files import dump_yaml

SIDE = 224
"""Side of the aligned crops in pixels: at least that of any model's pictures."""
_BATCH = 32
_SEED = 0


@dataclass(frozen=True)
class Plan:
    """What is measured, beside the models.

    Attributes:
        sets: Name -> entry of ``datasets``.
        templates: Values of ``align.template``, of which each model gets the one that suits it.
        tried: Faces of the training part on which that is decided.
        occluded: Faces of the test part on which ``occlusion`` is scored.
        cams: Other CAMs, which are scored on the whole test part at the last layer.
    """

    sets: Mapping[str, Mapping[str, Any]]
    templates: tuple[str, ...]
    tried: int
    occluded: int
    cams: tuple[str, ...] = ("layercam",)


@dataclass(frozen=True)
class Answers:
    """What a model says of N faces.

    Attributes:
        labels: (N,) their labels, by position in the model's classes.
        answers: (N,) its answers.
    """

    labels: NDArray[np.int64]
    answers: NDArray[np.int64]

    @property
    def right(self) -> NDArray[np.bool_]:
        """(N,) whether each answer is right."""
        return np.equal(self.labels, self.answers)


@dataclass(frozen=True)
class Measured:
    """What a model is worth on a data set.

    Attributes:
        model: The model.
        dataset: Name of the data set.
        template: The template that suits it.
        tried: Template -> answers to faces of the training part.
        classes: Expressions of the set that the model knows.
        test: Answers to the test faces.
        metrics: The evaluation's metrics, with those of ``plan.cams``.
        occlusion: Metrics of the maps of ``occlusion``, with intervals.
    """

    model: PublicModel
    dataset: str
    template: str
    tried: Mapping[str, Answers]
    classes: tuple[str, ...]
    test: Answers
    metrics: Mapping[str, Metric]
    occlusion: Mapping[str, Metric]


@contextmanager
def workspace(folder: Path) -> Iterator[None]:
    """Work in a folder, as stages do in that of ``params.yaml``."""
    before = Path.cwd()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def measure(models: Sequence[PublicModel], plan: Plan) -> Iterator[Measured]:
    """Measure each model on each set, in the current folder, and give each result as soon as it is there.

    Raises:
        FerAuError: A stage fails.
    """
    _write_params(plan)
    for dataset in plan.sets:
        keys = {template: f"{dataset}-{template}" for template in plan.templates}
        for key in keys.values():
            prepare(key, plan)
        for model in models:
            tried = {template: _try(model, key, plan.tried) for template, key in keys.items()}
            template = max(tried, key=lambda one: tried[one].right.mean())
            shown = ", ".join(f"{one} {found.right.mean():.3f}" for one, found in tried.items())
            log(f"{model.name} on {dataset}: template {template} ({shown})")
            yield _measure(model, dataset, template, tried, keys[template], plan)


def _write_params(plan: Plan) -> None:
    datasets = {
        f"{name}-{template}": {**entry, "align": {"template": template}}
        for name, entry in plan.sets.items()
        for template in plan.templates
    }
    align = {"detector": "yunet", "keypoints": "dlib68", "size": SIDE}
    params = {"datasets": datasets, "align": align, "landmarks": {}, "heatmaps": {}}
    write_atomically(PARAMS, dump_yaml(params).encode())


def prepare(key: str, plan: Plan) -> None:
    """Run the stages from pictures to AU maps; nothing where they ran before for the same entry."""
    folder = Path("data") / key
    entry = json.dumps(plan.sets[key.rpartition("-")[0]], sort_keys=True)
    made = folder / "entry.json"
    if (folder / "heatmaps.h5").exists() and made.exists() and made.read_text() == entry:
        return
    ingest_dataset(key, load_dataset_config(key), folder)
    align_dataset(ALIGN_SETTINGS.load(key), folder, load_root(key))
    extract_dataset(LANDMARKS.load(key), folder)
    render_dataset(load_section("heatmaps", HeatmapsConfig), folder)
    write_atomically(made, entry.encode())


def _training(model: PublicModel, key: str) -> Training:
    """Make a model's experiment on a data set."""
    known = frozenset(FaceDataset(Path("data") / key, "train").classes)
    entry = {
        "dataset": key,
        "base": "none",
        "train": "none",
        "model": {
            "backbone": "external",
            "factory": f"benchmarks.public_models.networks:{model.name.replace('-', '_')}",
            "layers": list(model.layers),
            "input": dict(model.input),
            "classes": model.meanings(known),
        },
    }
    return Training(f"{model.name}-{key}", ExperimentConfig.model_validate(entry), TrainConfig())


def _keep(model: PublicModel, key: str) -> None:
    """Write the folder of a model, for crops of one template."""
    training = _training(model, key)
    folder = Path("models") / training.name
    train_experiment(
        training.name, training.experiment, training.train, Path("data") / key, Path("models/none"), folder
    )


@dataclass(frozen=True)
class _Asked:
    """A model that answers on a data set.

    Attributes:
        training: Its experiment.
        network: The network.
        preprocess: The pictures that it wants.
        folder: The data set.
        answers: Folder of answers that were given before, by what decides them.
    """

    training: Training
    network: FerModel
    preprocess: Preprocessing
    folder: Path
    answers: Path

    @classmethod
    def open(cls, model: PublicModel, key: str) -> _Asked:
        """Open a model that was kept."""
        training, folder = _training(model, key), Path("data") / key
        network, meta = load_model(Path("models") / training.name, trust=training.experiment.model.factory)
        made_of = [
            meta["weights_sha256"],
            training.experiment.model.model_dump_json(),
            file_digest(folder / "faces.h5"),
        ]
        digest = fingerprint("public_models", 1, {"made_of": made_of})
        answers = Path("answers") / f"{training.name}-{digest[:12]}"
        answers.mkdir(parents=True, exist_ok=True)
        return cls(training, network, Preprocessing.from_meta(meta["preprocessing"]), folder, answers)

    def faces(self, split: str) -> FaceDataset:
        """Give a split's faces."""
        return FaceDataset(self.folder, split, self.preprocess.image_size, self.network.classes)

    def answer(self, split: str, most: int) -> Answers:
        """Answer on a split's faces, or on some that are drawn, where there are more."""
        path = self.answers / f"{split}-{most}.npz"
        if not path.exists():
            faces = self.faces(split)
            rows = sorted(np.random.default_rng(_SEED).permutation(len(faces))[:most].tolist())
            found = []
            with torch.inference_mode(), Progress(f"{self.training.name}: {split}", len(rows), "faces") as progress:
                for part in batched(rows, _BATCH):
                    found.append(self.network(self.preprocess(faces.batch(part).images)).logits.argmax(1).numpy())
                    progress.advance(len(part))
            _save(path, label=faces.labels[rows].astype(np.int64), answer=np.concatenate(found).astype(np.int64))
        with np.load(path) as kept:
            return Answers(kept["label"], kept["answer"])

    def occlude(self, most: int) -> Path:
        """Draw maps of ``occlusion``, of test faces with an AU map that are drawn alike for every model."""
        path = self.answers / f"occlusion-{most}.npz"
        if not path.exists():
            faces = self.faces("test")
            drawn = np.random.default_rng(_SEED).permutation(len(faces))
            valid = np.asarray(Store.open(self.folder / "heatmaps.h5", "heatmaps")["valid"])[faces.rows]
            rows = sorted(drawn[valid[drawn]][:most].tolist())
            maps = []
            with Progress(f"{self.training.name}: occlusion", len(rows), "faces") as progress:
                for part in batched(rows, _BATCH):
                    batch = faces.batch(part)
                    found = compute_cam("occlusion", self.network, self.preprocess(batch.images), batch.labels)
                    maps.append(found.detach().numpy())
                    progress.advance(len(part))
            _save(path, id=np.array(faces.ids)[rows], map=np.concatenate(maps))
        return path


def _save(path: Path, **arrays: NDArray[Any]) -> None:
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    write_atomically(path, content.getvalue())


def _try(model: PublicModel, key: str, faces: int) -> Answers:
    _keep(model, key)
    return _Asked.open(model, key).answer("train", faces)


def _measure(
    model: PublicModel, dataset: str, template: str, tried: Mapping[str, Answers], key: str, plan: Plan
) -> Measured:
    asked = _Asked.open(model, key)
    name = asked.training.name
    metrics_path, store_path = Path("metrics") / f"{name}.json", Path("evaluation") / f"{name}.h5"
    evaluate_experiment(
        EvaluateConfig(cams=plan.cams, attention_layers=("last",), moved=False, faithfulness_images=0),
        dataset_dir=asked.folder,
        model_dir=Path("models") / name,
        metrics_path=metrics_path,
        store_path=store_path,
        trained=asked.training,
    )
    store, classes = Store.open(store_path, "evaluation"), asked.network.classes
    labels = np.array([classes.index(label.decode()) for label in store["label"].tolist()], np.int64)
    answers = np.asarray(store["probabilities"]).argmax(axis=1).astype(np.int64)
    output = Path("metrics/external") / f"{name}-occlusion.json"
    with open_maps(asked.occlude(plan.occluded)) as brought:
        occlusion = measure_maps(brought, asked.folder, output, partial=True)
    return Measured(
        model=model,
        dataset=dataset,
        template=template,
        tried=tried,
        classes=classes,
        test=Answers(labels, answers),
        metrics=read_metrics(metrics_path),
        occlusion=occlusion,
    )
