"""Origin of a training: everything that decides it, by whose hash checkpoints and finished trainings are found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fer_au.batches.faces import FaceDataset
from fer_au.code.software import library_releases
from fer_au.code.stages import work_code
from fer_au.config.experiments import LAST_EPOCH, ExperimentConfig, TrainConfig
from fer_au.config.model import DEFAULT_HEAD
from fer_au.cues.cue import CUES
from fer_au.models.files import LoadedWeights
from fer_au.models.nets.base import own_head
from fer_au.models.pretrained import PretrainedWeights
from fer_au.stores.reader import Store
from fer_au.training.trainer import Trainer


@dataclass(frozen=True)
class Origin:
    """Everything that a training starts from, and that decides it.

    Attributes:
        experiment: The experiment's entry of params.yaml.
        train: Its training settings, merged.
        faces: The training split.
        pretrained: Weights of the backbone that were loaded, or None.
        base: Weights of a base model that were loaded, or None.
        clusters: The clusters of the base model's features, or None.
        trainer: The trainer, which knows the precision and the device.
    """

    experiment: ExperimentConfig
    train: TrainConfig
    faces: FaceDataset
    pretrained: PretrainedWeights | None
    base: LoadedWeights | None
    clusters: Store | None
    trainer: Trainer

    def entry(self) -> dict[str, Any]:
        """Give the experiment's entry of params.yaml, as ``config.json`` records it."""
        return self.experiment.model_dump(mode="json", exclude={"train", "model"})

    def identity(self) -> dict[str, Any]:
        """Collect everything that decides the training, whatever its name and however defaults were written.

        Data that the experiment does not use are left out, such as landmarks and maps if it has no guidance.
        """
        model, entry = self.experiment.model_dump(mode="json")["model"], self.entry()
        names = {key: str(self.faces.heatmap_options.get(key)) for key in ("codebook", "geometry")}
        return {
            "code": work_code("train", {**entry, "model": model}, {"heatmaps": names}),
            "model": {**model, "head": model["head"] or (None if own_head(model["backbone"]) else DEFAULT_HEAD)},
            "classes": list(self.faces.classes),
            **{key: entry[key] for key in ("target", "seed", "fold", "guidance")},
            "train": {**self.train.model_dump(mode="json"), "precision": self.trainer.precision},
            "preprocessing": self.trainer.preprocessing.to_meta(),
            "pretrained": self._pretrained(),
            "base": {"weights": self.base.weights_sha256, "skipped": list(self.base.skipped)} if self.base else None,
            "clusters": self.clusters.content_sha256 if self.clusters else None,
            "data": self._data(),
            "software": {"device": self.trainer.device.type, **library_releases({"torch", "timm", "torchvision"})},
        }

    def record(self) -> dict[str, Any]:
        """Return the training's origin as ``config.json`` records it."""
        return {
            "experiment": self.entry(),
            "train": self.train.model_dump(mode="json"),
            "base_weights_sha256": self.base.weights_sha256 if self.base else None,
            "data": self._data(),
            "pretrained": self._pretrained_with_terms(),
            "precision": self.trainer.precision,
            "device": self.trainer.device.type,
            "seed": self.experiment.seed,
            "selected_on": LAST_EPOCH if self.train.keeps_last_epoch else self.train.select_on,
        }

    def _pretrained(self) -> dict[str, str] | None:
        return {"origin": self.pretrained.origin, "sha256": self.pretrained.sha256} if self.pretrained else None

    def _pretrained_with_terms(self) -> dict[str, str] | None:
        """Say of weights that a package carries also what whoever gets the model should know."""
        record, card = self._pretrained(), self.pretrained.card if self.pretrained else None
        if record is None or card is None:
            return record
        return {**record, "licence": card.licence, "training_data": card.training_data}

    def _data(self) -> dict[str, str]:
        hashes = self.faces.content_hashes()
        if not self.experiment.guidance:
            hashes = {name: hashes[name] for name in ("manifest.csv", "faces.h5")}
        cues = [CUES.get(term.cue) for term in self.experiment.guidance]
        annotated = any(cue.needs and cue.source == "annotations" for cue in cues)
        if annotated or self.experiment.target == "soft":
            store = Store.open(self.faces.dataset_dir / "annotations.h5", "annotations")
            hashes["annotations.h5"] = store.content_sha256
        return hashes
