"""A project with evaluated experiments: params.yaml, metrics and evaluation stores, whose numbers fit together."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fer_au.classification import accuracy, balanced_accuracy, confusion_matrix, macro_f1
from fer_au.config.dataset_settings import stage_settings
from fer_au.evaluation import write_metrics
from fer_au.stores import encode_ids, write_store

CLASSES = ("neutral", "happiness", "anger")


class ResultsWriter:
    """Writes experiments below ``root``; ``params`` writes the file that names them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.experiments: dict[str, dict[str, Any]] = {}
        self.cross: dict[str, dict[str, Any]] = {}
        datasets = {name: {"adapter": "folder", "root": name} for name in ("faces", "other")}
        shared = ("align", "landmarks", "heatmaps", "train", "evaluate")
        self.sections: dict[str, Any] = {"datasets": datasets, **{section: {} for section in shared}}

    def name(self, name: str, **entry: Any) -> None:
        """Name an experiment that isn't evaluated."""
        self.experiments[name] = {"dataset": "faces", "model": {"backbone": "resnet10t"}, **entry}

    def evaluate(
        self,
        name: str,
        wrong: int = 1,
        images: int = 12,
        first: int = 0,
        split: str = "test",
        grid: int = 7,
        **metrics: Any,
    ) -> None:
        """Write the evaluation of an experiment: images of all classes in turn, of which the first are mistaken."""
        self.experiments.setdefault(name, {"dataset": "faces", "model": {"backbone": "resnet10t"}})
        confusion = self._write_store(name, wrong, images, first, split, grid)
        scores = {
            "accuracy": accuracy(confusion),
            "balanced_accuracy": balanced_accuracy(confusion),
            "macro_f1": macro_f1(confusion),
            "att_cos": 0.515,
            "n": images,
            "seed": 0,
            "selected_on": "valid",
            "layer.3.att_cos": 0.515,
        }
        write_metrics(self.root / "metrics" / f"{name}.json", scores | metrics)

    def _write_store(
        self, place: str, wrong: int, images: int, first: int = 0, split: str = "test", grid: int = 7
    ) -> np.ndarray:
        """Write the answers to the images; returns their confusion matrix."""
        truth = np.arange(images) % len(CLASSES)
        answers = (truth + (np.arange(images) < wrong)) % len(CLASSES)
        probabilities = np.full((images, len(CLASSES)), 0.1, np.float32)
        probabilities[np.arange(images), answers] = 0.8
        cosines = np.where(truth > 0, 0.5 + 0.01 * truth, np.nan).astype(np.float32)
        columns = {
            "id": encode_ids([f"test/{first + row:03d}.png" for row in range(images)]),
            "label": encode_ids([CLASSES[label] for label in truth]),
            "probabilities": probabilities,
            "target": np.zeros((images, 28, 28), np.uint8),
            "target_valid": truth > 0,
            "score/att_cos": cosines,
            "attention/3": np.zeros((images, grid, grid), np.float16),
        }
        attributes = {"classes": ",".join(CLASSES), "layers": "3", "split": split}
        path = self.root / "evaluation" / f"{place}.h5"
        write_store(path, "evaluation", columns, fingerprint="0" * 64, attributes=attributes)
        return confusion_matrix(truth, answers, len(CLASSES))

    def evaluate_cross(self, name: str, experiment: str, wrong: int = 1, **metrics: Any) -> None:
        """Write the results of an experiment's model on another data set; without metrics, only name the entry."""
        self.cross[name] = {"experiment": experiment, "dataset": "other"}
        if metrics:
            self._write_store(f"cross/{name}", wrong, metrics.get("n", 12))
            write_metrics(self.root / "metrics/cross" / f"{name}.json", metrics)

    def params(self) -> Path:
        """Write params.yaml."""
        path = self.root / "params.yaml"
        content = {**self.sections, "experiments": self.experiments, "cross": self.cross}
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    def lock(self) -> dict[str, Any]:
        """Write dvc.lock: all stages ran with the settings of params.yaml as it is, for whatever is evaluated."""
        params = yaml.safe_load(self.params().read_text())
        stages: dict[str, Any] = {}
        for name in params["datasets"]:
            folder = f"data/{name}"
            stages[f"ingest@{name}"] = self._stage(params, [f"settings.ingest.{name}"], [], [f"{folder}/manifest.csv"])
            before = f"{folder}/manifest.csv"
            for stage, store in (("align", "faces"), ("landmarks", "landmarks"), ("heatmaps", "heatmaps")):
                key = stage if stage == "heatmaps" else f"settings.{stage}.{name}"
                stages[f"{stage}@{name}"] = self._stage(params, [key], [before], [f"{folder}/{store}.h5"])
                before = f"{folder}/{store}.h5"
        for name, own in params["experiments"].items():
            faces, base, model = f"data/{own['dataset']}/heatmaps.h5", own.get("base", "none"), f"models/{name}"
            keys = ["train", f"experiments.{name}"]
            stages[f"train@{name}"] = self._stage(params, keys, [faces, f"models/{base}"], [model])
            stages[f"evaluate@{name}"] = self._stage(params, ["evaluate"], [faces, model], [f"metrics/{name}.json"])
        for name, own in params["cross"].items():
            inputs = [f"data/{own['dataset']}/heatmaps.h5", f"models/{own['experiment']}"]
            outs = [f"metrics/cross/{name}.json"]
            stages[f"cross@{name}"] = self._stage(params, ["evaluate", f"cross.{name}"], inputs, outs)
        (self.root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
        return stages

    def _stage(self, params: dict[str, Any], keys: list[str], deps: list[str], outs: list[str]) -> dict[str, Any]:
        taken: dict[str, dict[str, Any]] = {"params.yaml": {}, "stages/stamp.json": {}}
        for key in keys:
            section, _, name = key.partition(".")
            if section == "settings":
                stage, _, name = name.partition(".")
                taken["stages/stamp.json"][key] = stage_settings(params, stage, name)
            else:
                taken["params.yaml"][key] = params[section][name] if name else params[section]
        return {"params": taken, "deps": self._hashes(deps), "outs": self._hashes(outs)}

    def _hashes(self, paths: list[str]) -> list[dict[str, str]]:
        """Hashes as DVC writes them: of the bytes, or for what this writer doesn't write, of the path."""
        contents = {path: (self.root / path).read_bytes() if (self.root / path).is_file() else b"" for path in paths}
        return [
            {"path": path, "hash": "md5", "md5": hashlib.md5(content or path.encode()).hexdigest()}
            for path, content in contents.items()
        ]

    def publish(self, *rows: dict[str, Any], name: str = "params.published.yaml") -> Path:
        """Write a file of published numbers."""
        path = self.root / name
        path.write_text(yaml.safe_dump({"preset": "p", "source": "Somebody 2022, Table 3", "rows": list(rows)}))
        return path
