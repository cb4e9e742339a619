"""What is evaluated: a model and the faces of a split, opened and checked against one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_au.batches.faces import FaceDataset
from fer_au.batches.preprocess import Preprocessing
from fer_au.compute import log
from fer_au.config.differences import mapping
from fer_au.config.experiments import EvaluateConfig
from fer_au.config.external import UNTRAINED
from fer_au.errors import DataError
from fer_au.evaluation.cams import choose_cams
from fer_au.evaluation.metrics_file import Metric
from fer_au.evaluation.seen import Seen, find_seen, log_seen
from fer_au.evaluation.selection import selection_metrics
from fer_au.models import load_model
from fer_au.models.config_file import HISTORY, check_file, read_config
from fer_au.models.external import check_template
from fer_au.models.network import FerModel
from fer_au.models.trained import Training, check_training, check_training_data
from fer_au.terminal import counted


@dataclass(frozen=True)
class ScoredModel:
    """A model, and the faces that it is scored on.

    Attributes:
        title: Beginning of the lines of the log.
        model_dir: The model's folder.
        model: The model.
        meta: Its ``config.json``.
        dataset: The faces, labelled in the model's class order.
        fold: Fold that was held out; None for none.
        preprocess: Preprocessing that the model was trained with.
        layers: Layers whose attention is scored, the last one among them.
        cams: CAMs that the model can have.
        skipped: CAM that it can't have -> why.
        seen: Whether it was trained on these pictures; None where that is no question.
    """

    title: str
    model_dir: Path
    model: FerModel
    meta: Mapping[str, Any]
    dataset: FaceDataset
    fold: str | int | None
    preprocess: Preprocessing
    layers: tuple[str, ...]
    cams: tuple[str, ...]
    skipped: Mapping[str, str]
    seen: Seen | None

    @property
    def is_untrained(self) -> bool:
        """Whether the model was made elsewhere, and is measured as it is."""
        return mapping(self.meta.get("experiment")).get("train") == UNTRAINED

    def of_training(self, key: str) -> Any:  # noqa: ANN401 - plain JSON
        """Read what the train stage recorded.

        Raises:
            DataError: It recorded no such thing.
        """
        return _of_training(self.meta, key, self.model_dir)

    def selection(self) -> dict[str, Metric]:
        """Give the metrics of the epoch that was selected; none for a model that was made elsewhere.

        Raises:
            DataError: The model's history is missing or damaged.
        """
        check_file(self.model_dir, self.meta, HISTORY)
        if self.is_untrained:
            return {}
        return {**selection_metrics(self.model_dir, self.of_training("selected_epoch"))}


def open_scored_model(
    title: str, config: EvaluateConfig, dataset_dir: Path, model_dir: Path, trained: Training | None
) -> ScoredModel:
    """Open a model and the faces to score it on.

    Args:
        title: Beginning of the lines of the log.
        config: Section ``evaluate``.
        dataset_dir: Folder ``data/<key>`` of the data set.
        model_dir: Folder ``models/<exp>``.
        trained: Settings that the model must have been trained with; None for any.

    Raises:
        ConfigError: An unknown CAM or layer, or a CAM that the model can't have and that may not be skipped.
        DataError: The model or the data set is missing, damaged, or has nothing to score.
    """
    if trained is not None:  # first, since it also says whose code may run
        check_training(model_dir, read_config(model_dir), trained)
    model, meta = load_model(model_dir, trust=trained and trained.experiment.model.code)
    cams, skipped = choose_cams(config, model)
    for cam, reason in skipped.items():
        log(f"{title}: without the CAM {cam}: {reason}")
    chosen = {*model.resolve_layers(config.attention_layers), model.layers[-1]}
    preprocess = Preprocessing.from_meta(_of_training(meta, "preprocessing", model_dir))
    experiment = _of_training(meta, "experiment", model_dir)
    # A fold belongs to the data set that the model was trained on; another data set has folds of its own.
    fold = experiment.get("fold") if experiment.get("dataset") == dataset_dir.name else None
    dataset = FaceDataset(dataset_dir, config.split, preprocess.image_size, model.classes, fold=fold, views=model.views)
    if trained is not None and trained.experiment.dataset == dataset_dir.name:
        check_training_data(model_dir, meta, trained.name, dataset_dir, dataset.content_hashes())
    _check_faces(title, config, dataset, model_dir)
    check_template(model.config, dataset.align_options, dataset_dir)
    return ScoredModel(
        title,
        model_dir,
        model,
        meta,
        dataset,
        fold,
        preprocess,
        tuple(layer for layer in model.layers if layer in chosen),
        cams,
        skipped,
        _seen(title, model, meta, dataset),
    )


def _check_faces(title: str, config: EvaluateConfig, dataset: FaceDataset, model_dir: Path) -> None:
    folder = dataset.dataset_dir
    if not len(dataset):
        fraction = f"set datasets.{folder.name}.{config.split}_fraction, or " if config.split != "train" else ""
        raise DataError(
            f"{folder}: split {config.split!r} has no usable faces of the classes of {model_dir}; "
            f"{fraction}name another evaluate.split"
        )
    if dataset.skipped:
        faces = counted(dataset.skipped, "face")
        log(f"{title}: {faces} left out, whose labels are not among the classes of {model_dir}")


def _seen(title: str, model: FerModel, meta: Mapping[str, Any], dataset: FaceDataset) -> Seen | None:
    """Find out whether the model was trained on these pictures; of its own data set, ingest tells that."""
    experiment = mapping(meta.get("experiment"))
    untrained = experiment.get("train") == UNTRAINED
    if model.scores_itself:
        before = "" if untrained else " before it was trained here"
        log(f"{title}: whether these faces were trained on{before} can't be told: the model was made elsewhere")
    if untrained or dataset.dataset_dir.name == experiment.get("dataset"):
        return None
    fraction = mapping(meta.get("train")).get("fraction", 1.0)
    seen = find_seen(dataset.ids, dataset.dataset_dir, experiment, mapping(meta.get("data")), fraction)
    log_seen(title, seen)
    return seen


def _of_training(meta: Mapping[str, Any], key: str, model_dir: Path) -> Any:  # noqa: ANN401 - plain JSON
    if key not in meta:
        raise DataError(f"{model_dir / 'config.json'}: {key!r} is missing; was the model written by the train stage?")
    return meta[key]
