"""A project with evaluated experiments: params.yaml, metrics and evaluation stores, whose numbers fit together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fer_au.classification import accuracy, balanced_accuracy, confusion_matrix, macro_f1
from fer_au.evaluation import write_metrics
from fer_au.stores import encode_ids, write_store

CLASSES = ("neutral", "happiness", "anger")


class ResultsWriter:
    """Writes experiments below ``root``; ``params`` writes the file that names them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.experiments: dict[str, dict[str, Any]] = {}
        self.cross: dict[str, dict[str, Any]] = {}

    def name(self, name: str, **entry: Any) -> None:
        """Name an experiment that isn't evaluated."""
        self.experiments[name] = {"dataset": "faces", "model": {"backbone": "resnet10t"}, **entry}

    def evaluate(
        self, name: str, wrong: int = 1, images: int = 12, first: int = 0, split: str = "test", **metrics: Any
    ) -> None:
        """Write the evaluation of an experiment: images of all classes in turn, of which the first are mistaken."""
        self.experiments.setdefault(name, {"dataset": "faces", "model": {"backbone": "resnet10t"}})
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
            "attention/3": np.zeros((images, 7, 7), np.float16),
        }
        attributes = {"classes": ",".join(CLASSES), "layers": "3", "split": split}
        path = self.root / "evaluation" / f"{name}.h5"
        write_store(path, "evaluation", columns, fingerprint="0" * 64, attributes=attributes)
        confusion = confusion_matrix(truth, answers, len(CLASSES))
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

    def evaluate_cross(self, name: str, experiment: str, **metrics: Any) -> None:
        """Write the scores of an experiment's model on another data set; without metrics, only name the entry."""
        self.cross[name] = {"experiment": experiment, "dataset": "other"}
        if metrics:
            write_metrics(self.root / "metrics/cross" / f"{name}.json", metrics)

    def params(self) -> Path:
        """Write params.yaml."""
        path = self.root / "params.yaml"
        datasets = {name: {"adapter": "folder", "root": "x"} for name in ("faces", "other")}
        content = {"datasets": datasets, "experiments": self.experiments, "cross": self.cross}
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    def publish(self, *rows: dict[str, Any], name: str = "params.published.yaml") -> Path:
        """Write a file of published numbers."""
        path = self.root / name
        path.write_text(yaml.safe_dump({"preset": "p", "source": "Somebody 2022, Table 3", "rows": list(rows)}))
        return path
